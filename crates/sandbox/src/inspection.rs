//! The part of the proof that is seen from outside: whose namespaces the init has, what is mounted, and which
//! control group it is in. The attempts inside show what the agent can't do; this shows why.

use crate::cgroup::RunCgroup;
use crate::image::Image;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The namespaces that a sandbox has of its own: the check's name, the file's in `/proc`, the control's.
const NAMESPACES: [(&str, &str, &str); 7] = [
    ("own_user_namespace", "user", "user namespace"),
    ("own_mount_namespace", "mnt", "mount namespace"),
    ("own_pid_namespace", "pid", "pid namespace"),
    ("own_network_namespace", "net", "network namespace"),
    ("own_ipc_namespace", "ipc", "ipc namespace"),
    ("own_uts_namespace", "uts", "uts namespace"),
    ("own_cgroup_namespace", "cgroup", "cgroup namespace"),
];

/// The host's namespaces: those that the inits are started from.
#[derive(Debug)]
pub(crate) struct HostNamespaces([Option<PathBuf>; NAMESPACES.len()]);

impl HostNamespaces {
    pub(crate) fn look() -> Self {
        Self(NAMESPACES.map(|(_, file, _)| namespace("thread-self", file)))
    }
}

/// One thing that was checked.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) control: &'static str,
    pub(crate) holds: bool,
    pub(crate) detail: Option<String>,
}

/// What was seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Inspection(Vec<Check>);

impl Inspection {
    /// Looks at what `/proc` says of an init that has built its inside.
    pub(crate) fn of(pid: u32, host: &HostNamespaces, cgroup: Option<&RunCgroup>, image: &Image) -> Self {
        let mut inspection = Self::default();
        namespaces(pid, host, &mut inspection);
        mounts(pid, image, &mut inspection);
        if let Some(cgroup) = cgroup {
            let own = read(pid, "cgroup");
            inspection.add("own_cgroup", "cgroup", cgroup.holds(&own), None);
        }
        inspection
    }

    pub(crate) fn into_checks(self) -> Vec<Check> {
        self.0
    }

    fn add(&mut self, name: &'static str, control: &'static str, holds: bool, detail: Option<String>) {
        self.0.push(Check { name, control, holds, detail });
    }
}

fn namespaces(pid: u32, host: &HostNamespaces, proof: &mut Inspection) {
    for ((name, file, control), ours) in NAMESPACES.into_iter().zip(&host.0) {
        let theirs = namespace(&pid.to_string(), file);
        let holds = ours.is_some() && theirs.is_some() && *ours != theirs;
        proof.add(name, control, holds, (!holds).then(|| "it is the host's".to_owned()));
    }
}

fn namespace(pid: &str, name: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()
}

/// A file of `/proc/PID`. Nothing, if it can't be read: then no check holds.
fn read(pid: u32, name: &str) -> String {
    // The kernel makes the text anew for each part that is read: so it is read at once, as a rule.
    const ROOM: usize = 16 * 1024;
    let mut text = String::with_capacity(ROOM);
    let file = fs::File::open(format!("/proc/{pid}/{name}"));
    match file.and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

fn mounts(pid: u32, image: &Image, proof: &mut Inspection) {
    let table = read(pid, "mountinfo");
    let mounts: Vec<Mount<'_>> = table.lines().filter_map(Mount::read).collect();
    let roots = mounts.iter().filter(|mount| mount.point == Path::new("/")).count();
    proof.add("only_own_root", "root", roots == 1, (roots != 1).then(|| format!("{roots} mounts are at /")));
    if image.is_written() {
        // Its image lies under an overlay, and that it can't be written was tried (`Attempt::WriteImage`).
        let root = mounts.iter().rfind(|mount| mount.point == Path::new("/"));
        let holds = root.is_some_and(|mount| mount.kind == "overlay");
        proof.add("overlaid_root", "root", holds, (!holds).then(|| "/ is no overlay".to_owned()));
    }
    let root = ("read_only_root", "read-only-root", "/");
    for (name, control, point) in (!image.is_written()).then_some(root).into_iter().chain([
        ("read_only_settings", "proc", "/proc/sys"),
        ("read_only_init", "proc", "/proc/1"),
        ("read_only_image", "root", "/usr"),
    ]) {
        let at_point = mounts.iter().rfind(|mount| mount.point == Path::new(point));
        // An image may have no /usr of its own.
        let holds = at_point.map_or(point == "/usr", |mount| mount.read_only);
        proof.add(name, control, holds, (!holds).then(|| format!("{point} can be written")));
    }
    let shared = mounts.iter().any(|mount| mount.shared);
    proof.add(
        "private_mounts",
        "mounts",
        !shared,
        shared.then(|| "mounts are shared with the host".to_owned()),
    );
}

/// A line of `mountinfo` (proc_pid_mountinfo(5)).
struct Mount<'a> {
    point: &'a Path,
    read_only: bool,
    shared: bool,
    /// The kind of file system.
    kind: &'a str,
}

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split(' ').skip(4);
        let point = Path::new(fields.next()?);
        let read_only = fields.next()?.split(',').any(|option| option == "ro");
        let shared =
            fields.by_ref().take_while(|field| *field != "-").any(|field| field.starts_with("shared:"));
        // Where one was found, the rest of the optional fields is still to be passed.
        let kind = if shared { fields.skip_while(|field| *field != "-").nth(1) } else { fields.next() };
        Some(Self { point, read_only, shared, kind: kind.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounts_own_options_count_not_its_file_systems() {
        let mount = Mount::read("36 35 98:0 /m /usr rw,noatime shared:1 - ext4 /dev/root ro,errors=continue")
            .unwrap();
        assert_eq!((mount.point, mount.read_only, mount.shared), (Path::new("/usr"), false, true));
        assert_eq!(mount.kind, "ext4");
        let mount = Mount::read("36 35 98:0 /m / ro,nosuid - tmpfs none rw,size=4k").unwrap();
        assert_eq!((mount.point, mount.read_only, mount.shared), (Path::new("/"), true, false));
        assert_eq!(mount.kind, "tmpfs");
    }
}
