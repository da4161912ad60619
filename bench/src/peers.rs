//! Who we are measured against.
//!
//! Each peer runs one program as it does by default. Bubblewrap shows the host's root, as our image `host`
//! does; crun and runc get a bundle from their own `spec`, with a root that holds this program only.

use crate::failure::{Failure, cannot};
use crate::programs::run;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A way to run a program.
#[derive(Debug)]
pub(crate) enum Peer {
    /// fork and exec.
    Plain { program: PathBuf },
    /// bubblewrap.
    Bubblewrap { program: PathBuf },
    /// crun or runc.
    Oci { tool: &'static str, way: Way, bundle: PathBuf, state: PathBuf, next: AtomicU32 },
}

/// How an OCI runtime is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    /// In a mount namespace without the control groups of version 2; making it counts.
    Unshared,
}

impl Way {
    fn command(self, tool: &str) -> Command {
        const HIDE: &str = "umount /sys/fs/cgroup/unified && exec \"$@\"";
        match self {
            Self::Plain => Command::new(tool),
            Self::Unshared => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", HIDE, "sh", tool]);
                command
            }
        }
    }
}

/// What `bwrap` is told: the same namespaces, `/dev` and `/proc` as ours.
pub(crate) const BUBBLEWRAP: &[&str] =
    &["--unshare-all", "--dev", "/dev", "--proc", "/proc", "--ro-bind", "/", "/"];

impl Peer {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Plain { .. } => "fork+exec",
            Self::Bubblewrap { .. } => "bubblewrap",
            Self::Oci { tool: "crun", way: Way::Unshared, .. } => "crun, by way of unshare(1)",
            Self::Oci { tool, .. } => tool,
        }
    }

    /// Runs its program once.
    pub(crate) fn command(&self) -> Command {
        let mut command = match self {
            Self::Plain { program } => Command::new(program),
            Self::Bubblewrap { program } => {
                let mut command = Command::new("bwrap");
                command.args(BUBBLEWRAP).arg(program);
                command
            }
            Self::Oci { tool, way, bundle, state, next } => {
                let mut command = way.command(tool);
                let id = format!("bench-{}-{}", std::process::id(), next.fetch_add(1, Ordering::Relaxed));
                command.arg("--root").arg(state).args(["run", "--bundle"]).arg(bundle).arg(id);
                command
            }
        };
        command.stdin(Stdio::null());
        command
    }
}

/// Finds the peers that can run `program` on this host; the others are named, with the reason.
/// `bare` does the same as `program` and needs no library. Bundles are kept in `folder`.
pub(crate) fn find(program: &Path, bare: &Path, folder: &Path) -> (Vec<Peer>, Vec<String>) {
    let candidates = [
        Ok(Peer::Plain { program: program.into() }),
        Ok(Peer::Bubblewrap { program: program.into() }),
        bundle("crun", Way::Plain, bare, folder),
        // Where it refuses control groups that are hybrid, it is not shown the second version's tree.
        bundle("crun", Way::Unshared, bare, folder),
        bundle("runc", Way::Plain, bare, folder),
    ];
    let (mut peers, mut missing) = (Vec::new(), Vec::new());
    for candidate in candidates {
        match candidate {
            Ok(peer) => peers.push(peer),
            Err((tool, failure)) => missing.push(format!("{tool}: {failure}")),
        }
    }
    (peers, missing)
}

/// The peers that a program which ends by itself runs under.
pub(crate) fn working(program: &Path, bare: &Path, folder: &Path) -> (Vec<Peer>, Vec<String>) {
    let (peers, mut missing) = find(program, bare, folder);
    let works = |peer: &Peer| match run(&mut peer.command()) {
        Ok(()) => true,
        Err(failure) => {
            missing.push(format!("{}: {failure}", peer.name()));
            false
        }
    };
    let mut peers: Vec<_> = peers.into_iter().filter(works).collect();
    if peers.iter().any(|peer| peer.name() == "crun") {
        peers.retain(|peer| !matches!(peer, Peer::Oci { way: Way::Unshared, .. }));
    }
    (peers, missing)
}

/// A bundle with one program in its root.
fn bundle(
    tool: &'static str,
    way: Way,
    program: &Path,
    folder: &Path,
) -> Result<Peer, (&'static str, Failure)> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let bundle = folder.join(format!("{tool}-{name}"));
    let state = folder.join(format!("{tool}-{name}-state"));
    let made = make_bundle(tool, program, &bundle)
        .and_then(|()| fs::create_dir_all(&state).map_err(cannot("make a folder")));
    match made {
        Ok(()) => Ok(Peer::Oci { tool, way, bundle, state, next: AtomicU32::new(0) }),
        Err(failure) => Err((tool, failure)),
    }
}

fn make_bundle(tool: &str, program: &Path, bundle: &Path) -> Result<(), Failure> {
    let name = program.file_name().unwrap_or_default();
    let root = bundle.join("rootfs");
    fs::create_dir_all(&root).map_err(cannot("make a bundle"))?;
    fs::copy(program, root.join(name)).map_err(cannot("fill a bundle"))?;
    let _ = fs::remove_file(bundle.join("config.json"));
    run(Command::new(tool).arg("spec").current_dir(bundle))?;
    let config = fs::read_to_string(bundle.join("config.json")).map_err(cannot("read a bundle"))?;
    let mut config: Value =
        serde_json::from_str(&config).map_err(|error| cannot("read a bundle")(error.into()))?;
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!([Path::new("/").join(name)]);
    fs::write(bundle.join("config.json"), config.to_string()).map_err(cannot("write a bundle"))
}
