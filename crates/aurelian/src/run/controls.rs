//! What `run.started` tells of the host: which controls it gives, and how they are used.

use std::collections::BTreeMap;

use event::Name;
use event::fact::{Cgroup, ControlState, HostControl, HostControls, IdMap, Image, RunStarted};
use sandbox::{CgroupKind, Setup, Supervisor};

/// The namespaces of a sandbox. Without one of them it doesn't start.
const NAMESPACES: [&str; 7] = ["user", "mount", "pid", "network", "ipc", "uts", "cgroup"];
/// The version of Landlock that has all that is used: scopes for abstract sockets and signals (Linux 6.12).
pub(crate) const LANDLOCK_SCOPES: u32 = 6;

/// The first event of a run.
pub(crate) fn run_started(
    setup: &Setup,
    image: &str,
    supervisor: &Supervisor,
    labels: BTreeMap<String, String>,
) -> RunStarted {
    RunStarted {
        version: env!("CARGO_PKG_VERSION").into(),
        labels,
        policy_digest: setup.policy.digest().to_string(),
        image: Image { reference: image.into(), digest: setup.image.digest() },
        workspace: setup.workspace.inside().into(),
        host: host_controls(supervisor, setup),
    }
}

/// The controls of the host.
fn host_controls(supervisor: &Supervisor, setup: &Setup) -> HostControls {
    let host = supervisor.host();
    HostControls {
        kernel: host.kernel.clone(),
        machine: rustix::system::uname().machine().to_string_lossy().into_owned(),
        rootless: !host.privileged,
        user_namespace: match (&setup.image, &host.subordinate) {
            _ if host.privileged => IdMap::Range,
            (sandbox::image::Image::Oci(_), Ok(_)) => IdMap::Subordinate,
            _ => IdMap::Single,
        },
        seccomp_notify: true, // without it no call starts
        landlock_abi: host.landlock,
        cgroup: match supervisor.cgroups() {
            CgroupKind::Unified => Cgroup::V2,
            CgroupKind::Hybrid => Cgroup::Hybrid,
            CgroupKind::None => Cgroup::None,
        },
        controls: controls(supervisor),
    }
}

fn controls(supervisor: &Supervisor) -> BTreeMap<Name, HostControl> {
    let mut controls: BTreeMap<Name, HostControl> = NAMESPACES
        .iter()
        .map(|name| (format!("{name} namespace").into(), control(ControlState::On, None)))
        .collect();
    for name in ["root", "seccomp", "capabilities", "no_new_privs"] {
        controls.insert(name.into(), control(ControlState::On, None));
    }
    controls.insert("landlock".into(), landlock(supervisor.host().landlock));
    for name in ["memory", "pids", "cpu"] {
        controls.insert(format!("{name} limit").into(), limit(supervisor, name));
    }
    controls.insert("freeze".into(), freeze(supervisor.cgroups()));
    controls
}

fn landlock(version: u32) -> HostControl {
    match version {
        0 => control(ControlState::Off, Some("this kernel has no Landlock".into())),
        LANDLOCK_SCOPES.. => control(ControlState::On, Some(format!("version {version}").into())),
        _ => control(ControlState::Reduced, Some(format!("version {version} has no scopes").into())),
    }
}

fn limit(supervisor: &Supervisor, controller: &str) -> HostControl {
    match (supervisor.enforces(controller), controller) {
        (true, _) => control(ControlState::On, None),
        (false, "cpu") => control(ControlState::Off, Some("no control group that we may write".into())),
        (false, _) => control(ControlState::Reduced, Some("watched, and by rlimit; no control group".into())),
    }
}

fn freeze(kind: CgroupKind) -> HostControl {
    match kind {
        CgroupKind::None => {
            control(ControlState::Reduced, Some("process by process; no control group".into()))
        }
        _ => control(ControlState::On, None),
    }
}

fn control(state: ControlState, detail: Option<Name>) -> HostControl {
    HostControl { state, detail }
}
