//! What the way out costs: through the gateway, directly, and through others that stand between a program and a server.
//!
//! The server is a process on the loopback. The client is the same program in all cases; of a sandbox, it is inside.
//! Proxies are asked with `CONNECT` by a client outside of any sandbox, which spares them what ours pays for its
//! namespace. Peers that can't be had are named.

mod peers;

use crate::failure::{Failure, cannot};
use crate::samples::Samples;
use crate::site::{Site, recorder};
use crate::table::{Row, Table, Unit};
use peers::{Peer, Server};
use policy::Policy;
use sandbox::{Command, Sandbox, Setup, Stdio};
use std::fs;
use std::io::{Error, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// How often each thing is measured, and how much of it is done each time.
const ROUNDS: usize = 5;
const BYTES: u64 = 2_000_000_000;
const TRIPS: u64 = 4000;
const CONNECTIONS: u64 = 10_000;
const AT_ONCE: u64 = 16;
const REACHED: u64 = 2000;
/// Of as many flows as are asked for, those that the host's limit on open files (20,000 on many) has room for: two each.
const HELD: u64 = 9_500;
const SANDBOXES: usize = 50;
const SHARE: u64 = 100_000_000;

/// The server's name, inside.
const NAME: &str = "server.example.test";

/// One thing to measure.
struct Measure {
    what: &'static str,
    unit: Unit,
    /// What `wire` is told, after the place.
    mode: &'static str,
    times: &'static [u64],
    /// From what it says to the unit's figure.
    scale: f64,
}

const STREAM: Measure =
    Measure { what: "one stream", unit: Unit::MegabytesPerSecond, mode: "get", times: &[BYTES], scale: 1e-6 };
const TRIP: Measure =
    Measure { what: "a round trip", unit: Unit::Microseconds, mode: "ping", times: &[TRIPS], scale: 1e-3 };
const OPEN: Measure = Measure {
    what: "connections a second, 16 at a time",
    unit: Unit::PerSecond,
    mode: "open",
    times: &[CONNECTIONS, AT_ONCE],
    scale: 1.0,
};
const REACH: Measure =
    Measure { what: "a connect", unit: Unit::Microseconds, mode: "reach", times: &[REACHED], scale: 1e-3 };

pub(crate) fn measure(site: &Site, table: &mut Table) -> Result<(), Failure> {
    let wire = build(site.folder())?;
    let server = Server::start(&wire)?;
    let sandbox = start(site, server.port)?;
    let (peers, missing) = peers::find(&wire, &server, site.folder());
    missing.into_iter().for_each(|missing| table.missing(missing));
    let ours = |arguments: &[String]| inside(&sandbox, &wire, server.port, arguments);
    compare(&STREAM, &ours, &peers, table, |ours, plain| ("≥ 0.6 × plain".to_owned(), ours >= 0.6 * plain))?;
    compare(&TRIP, &ours, &peers, table, |ours, plain| {
        ("≤ 40 µs over plain".to_owned(), ours - plain <= 40.0)
    })?;
    compare(&OPEN, &ours, &peers, table, |ours, _| ("≥ 6500 /s".to_owned(), ours >= 6500.0))?;
    let plain: Vec<_> = peers.into_iter().filter(Peer::is_plain).collect();
    compare(&REACH, &ours, &plain, table, |ours, plain| {
        ("≤ 150 µs over plain".to_owned(), ours - plain <= 150.0)
    })?;
    hold(&sandbox, &wire, server.port, table)?;
    sandbox.end();
    share(site, &wire, server.port, table)
}

fn build(folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let (source, program) = (folder.join("wire.c"), folder.join("wire"));
    fs::write(&source, include_str!("../programs/wire.c")).map_err(cannot("write wire.c"))?;
    let mut cc = std::process::Command::new("cc");
    cc.args(["-O2", "-pthread", "-o"]).arg(&program).arg(source);
    crate::programs::run(&mut cc).map(|()| program)
}

/// A sandbox whose policy lets it reach the server, and speak HTTP there.
fn start(site: &Site, port: u16) -> Result<Sandbox, Failure> {
    let source = format!(
        "version: 1\nlimits: {{ open_files: 12000 }}\nnetwork:\n  allow: [{{ host: {NAME}, ports: [{port}], protocol: http }}]\n  \
         hosts: {{ {NAME}: 127.0.0.1 }}\n  limits: {{ connections: 20000, new_per_second: 100000, bytes_out: 64GiB }}\n"
    );
    let wrong = |error: policy::PolicyError| cannot("read the policy")(Error::other(error.to_string()));
    let policy = Policy::parse(&source, "bench").map_err(wrong)?;
    let gateway = gateway::Gateway::new(policy.network()).map_err(cannot("set up a gateway"))?;
    let setup = Setup { policy, gateway: Some(Arc::new(gateway)), ..site.setup.clone() };
    Ok(Sandbox::start(&site.supervisor, &setup, recorder())?)
}

/// What `wire` says inside.
fn inside(sandbox: &Sandbox, wire: &Path, port: u16, arguments: &[String]) -> Result<String, Failure> {
    let mut call = sandbox.call(client(wire, port, arguments))?;
    let (mut said, mut complaint) = (String::new(), String::new());
    if let Some(stdout) = &mut call.stdout {
        stdout.read_to_string(&mut said).map_err(cannot("read from the sandbox"))?;
    }
    if let Some(stderr) = &mut call.stderr {
        stderr.read_to_string(&mut complaint).map_err(cannot("read from the sandbox"))?;
    }
    let status = format!("exit code {}", call.wait().exit_code);
    if said.is_empty() {
        Err(Failure::Program { program: "wire".into(), status, said: complaint })
    } else {
        Ok(said)
    }
}

/// `wire MODE NAME PORT NAME - TIMES…`
fn client(wire: &Path, port: u16, arguments: &[String]) -> Command {
    let (mode, times) = arguments.split_first().map_or((String::new(), &[][..]), |(m, t)| (m.clone(), t));
    let place = [mode, NAME.to_owned(), port.to_string(), NAME.to_owned(), "-".to_owned()];
    Command::new(wire.as_os_str()).args(place).args(times.iter().cloned())
}

type Ours<'a> = &'a dyn Fn(&[String]) -> Result<String, Failure>;

/// Measures all in turn, ours first.
fn compare(
    measure: &Measure,
    ours: Ours<'_>,
    peers: &[Peer],
    table: &mut Table,
    target: impl Fn(f64, f64) -> (String, bool),
) -> Result<(), Failure> {
    let arguments: Vec<_> =
        std::iter::once(measure.mode.to_owned()).chain(measure.times.iter().map(u64::to_string)).collect();
    let mut own = Samples::default();
    let mut theirs: Vec<(&Peer, Samples)> = peers.iter().map(|peer| (peer, Samples::default())).collect();
    for _ in 0..ROUNDS {
        own.push_number(figure(&ours(&arguments)?, measure)?);
        for (peer, samples) in &mut theirs {
            match peer.run(&arguments).and_then(|said| figure(&said, measure)) {
                Ok(figure) => samples.push_number(figure),
                Err(failure) => table.missing(format!("{}, {}: {failure}", peer.name(), measure.what)),
            }
        }
    }
    theirs.retain(|(_, samples)| samples.count() == ROUNDS);
    let plain = theirs.iter().find(|(peer, _)| peer.is_plain()).map_or(f64::NAN, |(_, plain)| plain.median());
    let (says, reached) = target(own.median(), plain);
    let row = |who: &str, samples: &Samples| {
        Row::new(measure.what, who, measure.unit, samples).against("plain", plain)
    };
    table.add(row("aurelian", &own).target(says, reached));
    theirs.iter().for_each(|(peer, samples)| table.add(row(peer.name(), samples)));
    Ok(())
}

/// The first number that `wire` says.
fn figure(said: &str, measure: &Measure) -> Result<f64, Failure> {
    let number = said.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    let number = number.ok_or_else(|| cannot("read what `wire` says")(Error::other(said.to_owned())))?;
    Ok(number * measure.scale)
}

/// What many flows that say nothing cost us, the supervisor's process.
fn hold(sandbox: &Sandbox, wire: &Path, port: u16, table: &mut Table) -> Result<(), Failure> {
    let before = resident()?;
    let arguments = ["hold".to_owned(), HELD.to_string()];
    let mut call = sandbox.call(client(wire, port, &arguments).stdin(Stdio::Pipe))?;
    let mut said = [0; 5];
    let held = call.stdout.as_mut().is_some_and(|stdout| stdout.read_exact(&mut said).is_ok());
    let grown = resident()?.saturating_sub(before);
    if let Some(mut stdin) = call.stdin.take() {
        let _ = stdin.flush();
    }
    call.wait();
    if held {
        let row =
            Row::single(format!("{HELD} flows at once: memory"), "aurelian", Unit::Kilobytes, grown as f64);
        table.add(row.target("≤ 10 kB each", grown <= HELD * 10));
    } else {
        table.missing(format!("{HELD} flows at once: they could not be opened"));
    }
    Ok(())
}

/// Our resident memory, in kB (proc_pid_status(5)).
fn resident() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status").map_err(cannot("read /proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0))
}

/// Sandboxes that all fetch as much at the same time: how much faster than the slowest is the fastest?
fn share(site: &Site, wire: &Path, port: u16, table: &mut Table) -> Result<(), Failure> {
    let sandboxes: Vec<_> = (0..SANDBOXES).map(|_| start(site, port)).collect::<Result<_, _>>()?;
    let arguments = ["get".to_owned(), SHARE.to_string()];
    let rates: Result<Vec<f64>, Failure> = thread::scope(|scope| {
        let fetch = |sandbox| {
            let arguments = &arguments;
            scope
                .spawn(move || inside(sandbox, wire, port, arguments).and_then(|said| figure(&said, &STREAM)))
        };
        let threads: Vec<_> = sandboxes.iter().map(fetch).collect();
        let failed = || cannot("wait for a thread")(Error::other("it panicked"));
        threads.into_iter().map(|thread| thread.join().map_err(|_| failed())?).collect()
    });
    for sandbox in sandboxes {
        sandbox.end();
    }
    let mut samples = Samples::default();
    rates?.into_iter().for_each(|rate| samples.push_number(rate));
    let (slowest, median) = (samples.quantile(0.0), samples.median());
    let what = format!("{SANDBOXES} sandboxes fetch 100 MB each at once: one stream");
    table.add(Row::new(what, "aurelian", Unit::MegabytesPerSecond, &samples));
    let slow = Row::single("the slowest of them", "aurelian", Unit::MegabytesPerSecond, slowest);
    table.add(slow.against("the median", median).target("≥ 0.5 × the median", slowest >= 0.5 * median));
    Ok(())
}
