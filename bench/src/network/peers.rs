//! Who else stands between a program and a server, and the server itself.

use crate::failure::{Failure, cannot};
use std::fs;
use std::io::{BufRead, BufReader, Error};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How many seconds one measurement may take.
const PATIENCE: &str = "15";

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server, on the loopback.
pub(crate) struct Server {
    _process: Running,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(wire: &Path) -> Result<Self, Failure> {
        let port = free_port()?;
        let mut command = Command::new(wire);
        command.args(["serve", &port.to_string(), "1"]).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(cannot("start the server"))?;
        let stdout = child.stdout.take();
        let process = Running(child);
        let mut ready = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut ready).map_err(cannot("wait for the server"))?;
        }
        Ok(Self { _process: process, port })
    }
}

fn free_port() -> Result<u16, Failure> {
    let failed = cannot("find a free port");
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|probe| probe.local_addr())
        .map(|at| at.port())
        .map_err(failed)
}

/// A way to the server.
pub(crate) struct Peer {
    name: &'static str,
    wire: PathBuf,
    /// What runs the client, if it isn't run by itself.
    launcher: Vec<String>,
    place: (String, u16),
    /// What a proxy is asked for.
    through: String,
    _processes: Vec<Running>,
}

impl Peer {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.name == "plain"
    }

    /// What `wire` says on this way.
    pub(crate) fn run(&self, arguments: &[String]) -> Result<String, Failure> {
        let (mode, times) =
            arguments.split_first().ok_or_else(|| cannot("run `wire`")(Error::other("no mode")))?;
        let mut line = self.launcher.clone();
        line.push(self.wire.display().to_string());
        line.extend([mode.clone(), self.place.0.clone(), self.place.1.to_string()]);
        line.extend(["server.example.test".to_owned(), self.through.clone()]);
        line.extend(times.iter().cloned());
        let program = line.first().cloned().unwrap_or_default();
        // Some versions of some peers hang rather than fail.
        let mut command = Command::new("timeout");
        command.args(["-k", "1", PATIENCE]).args(line).stdin(Stdio::null());
        let output = command.output().map_err(cannot(format!("run {program}")))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && !said.is_empty() {
            return Ok(said);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::Program { program, status: output.status.to_string(), said })
    }
}

/// Starts the peers that are here; the others are named, with the reason.
pub(crate) fn find(wire: &Path, server: &Server, folder: &Path) -> (Vec<Peer>, Vec<String>) {
    let direct = Peer {
        name: "plain",
        wire: wire.to_owned(),
        launcher: Vec::new(),
        place: ("127.0.0.1".to_owned(), server.port),
        through: "-".to_owned(),
        _processes: Vec::new(),
    };
    let (mut peers, mut missing) = (vec![direct], Vec::new());
    // Its proxies serve programs that ask a proxy, from within its own sandbox.
    missing.push("sandbox-runtime: no way to it is set up here".to_owned());
    let ways = [
        haproxy(wire, server, folder),
        squid(wire, server, folder),
        tinyproxy(wire, server, folder),
        mitmproxy(wire, server),
        pasta(wire, server),
        slirp(wire, server),
    ];
    for way in ways {
        match way {
            Ok(peer) => peers.push(peer),
            Err((name, failure)) => missing.push(format!("{name}: {failure}")),
        }
    }
    (peers, missing)
}

type Way = Result<Peer, (&'static str, Failure)>;

/// A proxy that is started with a configuration file.
struct Proxy<'a> {
    name: &'static str,
    program: &'a str,
    arguments: Vec<String>,
    through: String,
}

impl Proxy<'_> {
    fn start(self, wire: &Path, port: u16) -> Way {
        let name = self.name;
        let start = || -> Result<Peer, Failure> {
            let mut command = Command::new(self.program);
            command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let process = Running(command.spawn().map_err(cannot(format!("start {}", self.program)))?);
            wait_for(port)?;
            let place = ("127.0.0.1".to_owned(), port);
            Ok(Peer {
                name,
                wire: wire.to_owned(),
                launcher: Vec::new(),
                place,
                through: self.through,
                _processes: vec![process],
            })
        };
        start().map_err(|failure| (name, failure))
    }
}

/// Waits until somebody listens.
fn wait_for(port: u16) -> Result<(), Failure> {
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > until {
            return Err(cannot("wait until it listens")(Error::other("it does not")));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn configured(
    name: &'static str,
    folder: &Path,
    text: impl FnOnce(u16) -> String,
) -> Result<(u16, String), (&'static str, Failure)> {
    let made = || {
        let (port, file) = (free_port()?, folder.join(format!("{name}.conf")));
        fs::write(&file, text(port)).map_err(cannot("write a configuration"))?;
        Ok((port, file.display().to_string()))
    };
    made().map_err(|failure| (name, failure))
}

fn haproxy(wire: &Path, server: &Server, folder: &Path) -> Way {
    let to = server.port;
    let text = |port| {
        format!(
            "global\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  option splice-auto\n\
             listen wire\n  bind 127.0.0.1:{port}\n  server one 127.0.0.1:{to}\n"
        )
    };
    let (port, file) = configured("haproxy", folder, text)?;
    Proxy {
        name: "haproxy",
        program: "haproxy",
        arguments: vec!["-db".into(), "-f".into(), file],
        through: "-".into(),
    }
    .start(wire, port)
}

fn squid(wire: &Path, server: &Server, folder: &Path) -> Way {
    let (to, place) = (server.port, folder.display().to_string());
    let text = |port| {
        format!(
            "http_port 127.0.0.1:{port}\nacl wire port {to}\nhttp_access allow all\ncache deny all\naccess_log none\ncache_log /dev/null\n\
             pid_filename none\ncoredump_dir {place}\nvisible_hostname bench\nmax_filedescriptors 8000\nshutdown_lifetime 1 second\n"
        )
    };
    let (port, file) = configured("squid", folder, text)?;
    let arguments = vec!["-N".into(), "-f".into(), file];
    Proxy { name: "squid", program: "squid", arguments, through: format!("127.0.0.1:{to}") }.start(wire, port)
}

fn tinyproxy(wire: &Path, server: &Server, folder: &Path) -> Way {
    let to = server.port;
    let text = |port| {
        format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 1000\nLogLevel Critical\nLogFile \"/dev/null\"\n"
        )
    };
    let (port, file) = configured("tinyproxy", folder, text)?;
    let arguments = vec!["-d".into(), "-c".into(), file];
    Proxy { name: "tinyproxy", program: "tinyproxy", arguments, through: format!("127.0.0.1:{to}") }
        .start(wire, port)
}

fn mitmproxy(wire: &Path, server: &Server) -> Way {
    let name = "mitmproxy";
    let port = free_port().map_err(|failure| (name, failure))?;
    let arguments = [
        "-q",
        "--listen-host",
        "127.0.0.1",
        "--listen-port",
        &port.to_string(),
        "--set",
        "stream_large_bodies=1",
    ];
    let arguments = arguments.map(str::to_owned).to_vec();
    Proxy { name, program: "mitmdump", arguments, through: format!("127.0.0.1:{}", server.port) }
        .start(wire, port)
}

/// A user-mode network for a namespace: the host's loopback is its gateway's address.
fn pasta(wire: &Path, server: &Server) -> Way {
    let name = "pasta";
    let made = || -> Result<Peer, Failure> {
        if rustix::process::geteuid().is_root() {
            return Err(cannot("run pasta")(Error::other("as root it becomes nobody, and hangs")));
        }
        let route =
            Command::new("ip").args(["-4", "route", "show", "default"]).output().map_err(cannot("run ip"))?;
        let route = String::from_utf8_lossy(&route.stdout).into_owned();
        let host = route.split_whitespace().nth(2).unwrap_or("192.0.2.1").to_owned();
        let launcher = ["pasta", "--config-net", "-q", "-f", "--"].map(str::to_owned).to_vec();
        let peer = Peer {
            name,
            wire: wire.to_owned(),
            launcher,
            place: (host, server.port),
            through: "-".to_owned(),
            _processes: Vec::new(),
        };
        peer.run(&["ping".to_owned(), "10".to_owned()]).map(|_| peer)
    };
    made().map_err(|failure| (name, failure))
}

/// The same by slirp4netns, for a namespace that unshare(1) holds open.
fn slirp(wire: &Path, server: &Server) -> Way {
    let name = "slirp4netns";
    let made = || -> Result<Peer, Failure> {
        let mut holder = Command::new("unshare");
        holder.args(["--user", "--map-root-user", "--net", "sleep", "3600"]).stdin(Stdio::null());
        let holder = Running(holder.spawn().map_err(cannot("run unshare"))?);
        thread::sleep(Duration::from_millis(200));
        let pid = holder.0.id().to_string();
        let mut slirp = Command::new("slirp4netns");
        slirp
            .args(["--configure", "--mtu=65520", &pid, "tap0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let slirp = Running(slirp.spawn().map_err(cannot("run slirp4netns"))?);
        thread::sleep(Duration::from_millis(700));
        let launcher = ["nsenter", "--target", &pid, "--user", "--net", "--preserve-credentials"]
            .map(str::to_owned)
            .to_vec();
        let place = ("10.0.2.2".to_owned(), server.port);
        let peer = Peer {
            name,
            wire: wire.to_owned(),
            launcher,
            place,
            through: "-".to_owned(),
            _processes: vec![slirp, holder],
        };
        peer.run(&["ping".to_owned(), "10".to_owned()]).map(|_| peer)
    };
    made().map_err(|failure| (name, failure))
}
