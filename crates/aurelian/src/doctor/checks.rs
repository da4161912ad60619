//! What the host says it has, one control at a time: whether it is there, what it means if not, and how to get it.

use std::fs;
use std::path::Path;

use event::fact::ControlState;
use sandbox::{CgroupKind, Subordinate, Supervisor};
use serde::Serialize;

use crate::run::LANDLOCK_SCOPES;

/// One control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) state: ControlState,
    /// What is there.
    pub(super) found: String,
    /// What it means that it isn't there in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) means: Option<&'static str>,
    /// How to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<&'static str>,
}

impl Check {
    fn on(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: ControlState::On, found: found.into(), means: None, remedy: None }
    }

    fn lacks(self, state: ControlState, means: &'static str, remedy: &'static str) -> Self {
        Self { state, means: Some(means), remedy: Some(remedy), ..self }
    }
}

/// All controls, in the order of their weight.
pub(super) fn all(supervisor: &Supervisor) -> Vec<Check> {
    let host = supervisor.host();
    let mut checks = vec![
        user_namespaces(host.privileged),
        namespaces(),
        seccomp(),
        landlock(host.landlock),
        cgroups(supervisor.cgroups()),
        limits(supervisor),
        exit_codes(&host.kernel),
    ];
    if host.privileged {
        checks.push(mapped_mounts(&host.kernel));
    } else {
        checks.push(id_ranges(host.subordinate.as_ref()));
    }
    checks
}

fn user_namespaces(privileged: bool) -> Check {
    const NAME: &str = "user namespaces";
    let setting = |name: &str| number(&format!("/proc/sys/{name}"));
    if setting("user/max_user_namespaces") == Some(0) {
        return Check::on(NAME, "none allowed (user.max_user_namespaces is 0)").lacks(
            ControlState::Off,
            "no sandbox can be started",
            "sysctl user.max_user_namespaces=15000",
        );
    }
    if privileged {
        return Check::on(NAME, "yes, with ids that nobody on the host has");
    }
    if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return Check::on(NAME, "restricted to programs with an AppArmor profile").lacks(
            ControlState::Off,
            "no sandbox can be started without root, unless a profile allows it for this program",
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root",
        );
    }
    if setting("kernel/unprivileged_userns_clone") == Some(0) {
        return Check::on(NAME, "for root only (kernel.unprivileged_userns_clone is 0)").lacks(
            ControlState::Off,
            "no sandbox can be started without root",
            "sysctl kernel.unprivileged_userns_clone=1, or run as root",
        );
    }
    Check::on(NAME, "yes, for every user")
}

fn namespaces() -> Check {
    let names = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    let has = |name: &&&str| Path::new("/proc/self/ns").join(name).exists();
    let missing: Vec<_> = names.iter().filter(|name| !has(name)).copied().collect();
    if missing.is_empty() {
        return Check::on("namespaces", names.join(", "));
    }
    Check::on("namespaces", format!("this kernel lacks {}", missing.join(", "))).lacks(
        ControlState::Off,
        "no sandbox can be started",
        "use a kernel with all of CONFIG_NAMESPACES",
    )
}

fn seccomp() -> Check {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.split_whitespace().any(|action| action == "user_notif") {
        return Check::on("seccomp", "filters, and notification of the supervisor");
    }
    Check::on("seccomp", "no notification").lacks(
        ControlState::Off,
        "no sandbox can be started: what is refused could not be seen",
        "use Linux 5.9 or newer with CONFIG_SECCOMP_FILTER",
    )
}

fn landlock(version: u32) -> Check {
    match version {
        0 => Check::on("landlock", "none").lacks(
            ControlState::Off,
            "the wall behind the mounts is missing; the others hold",
            "use Linux 6.12 or newer, with landlock in CONFIG_LSM or lsm= on the kernel's command line",
        ),
        LANDLOCK_SCOPES.. => Check::on("landlock", format!("version {version}")),
        _ => Check::on("landlock", format!("version {version}")).lacks(
            ControlState::Reduced,
            "no scopes: abstract sockets and signals are kept in by the namespaces alone",
            "use Linux 6.12 or newer",
        ),
    }
}

fn cgroups(kind: CgroupKind) -> Check {
    match kind {
        CgroupKind::Unified => Check::on("control groups", "version 2"),
        CgroupKind::Hybrid => {
            Check::on("control groups", "hybrid: limits in version 1, freezing and killing in version 2")
        }
        CgroupKind::None => Check::on("control groups", "none that we may write").lacks(
            ControlState::Reduced,
            "freezing and killing go process by process; what a call used is what its first process used",
            "run as root, or below a delegated group: systemd-run --user --scope -p Delegate=yes aurelian …",
        ),
    }
}

fn limits(supervisor: &Supervisor) -> Check {
    let (on, off): (Vec<_>, Vec<_>) =
        ["memory", "pids", "cpu"].into_iter().partition(|controller| supervisor.enforces(controller));
    if off.is_empty() {
        return Check::on("limits", format!("{} by control group", on.join(", ")));
    }
    Check::on("limits", format!("without a control group: {}", off.join(", "))).lacks(
        ControlState::Reduced,
        "memory and pids are bounded by rlimits and by watching, which is slower; cpus is not bounded",
        "give the controllers to the group that aurelian runs in (see control groups)",
    )
}

fn exit_codes(kernel: &str) -> Check {
    const NAME: &str = "exit codes";
    // PIDFD_INFO_EXIT of ioctl_pidfd(2).
    if at_least(kernel, 6, 15) {
        return Check::on(NAME, "of every process that executed a program");
    }
    Check::on(NAME, "of each call only").lacks(
        ControlState::Reduced,
        "process.exited does not tell how a process of the agent's own ended",
        "use Linux 6.15 or newer",
    )
}

fn mapped_mounts(kernel: &str) -> Check {
    const NAME: &str = "id-mapped mounts";
    if at_least(kernel, 5, 12) {
        return Check::on(NAME, "for the workspace, where its file system has them");
    }
    Check::on(NAME, "none").lacks(
        ControlState::Off,
        "no sandbox can be started as root",
        "use Linux 5.12 or newer, or run without root",
    )
}

fn id_ranges(subordinate: Result<&Subordinate, &String>) -> Check {
    const NAME: &str = "id ranges";
    match subordinate {
        Ok(ranges) => {
            let (count, first) = ranges.users();
            Check::on(NAME, format!("{count} users for images, by newuidmap: yourself, and from {first} on"))
        }
        Err(why) => Check::on(NAME, format!("one user inside, yourself: {why}")).lacks(
            ControlState::Reduced,
            "the users of an image are nobody inside, and your supplementary groups stay with the agent",
            "install uidmap, and give the user a range that nobody has: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 USER",
        ),
    }
}

fn number(file: &str) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Whether a kernel's release is this version or newer.
fn at_least(release: &str, major: u32, minor: u32) -> bool {
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        for (release, wanted) in
            [("6.15.0", true), ("6.18.5-cloud", true), ("10.0", true), ("6.9.12", false), ("", false)]
        {
            assert_eq!(at_least(release, 6, 15), wanted, "{release}");
        }
    }

    #[test]
    fn what_is_missing_has_a_meaning_and_a_remedy() {
        for check in
            [landlock(0), landlock(3), cgroups(CgroupKind::None), exit_codes("5.4"), mapped_mounts("5.4")]
        {
            assert_ne!(check.state, ControlState::On);
            assert!(check.means.is_some() && check.remedy.is_some(), "{check:?}");
        }
        assert_eq!(landlock(7).state, ControlState::On);
    }
}
