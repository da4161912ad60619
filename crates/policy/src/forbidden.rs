//! What no policy may grant, because it leads out of the sandbox.
//!
//! A path is refused when it is, or lies in, a forbidden one; and when a forbidden one lies in it, because a
//! folder is granted with all that it holds. The second is forgiven where the policy hides the forbidden path
//! itself, or where the host doesn't have it, for what is only read.

use std::path::{Component, Path, PathBuf};

/// How a path is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    Read,
    Write,
}

/// File systems of the kernel's own; the sandbox has its own of each.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Services of the host that do what they are told, and secrets of the machine.
const MACHINE: &[(&str, &str)] = &[
    ("/etc/gshadow", "it holds password hashes"),
    ("/etc/gshadow-", "it holds password hashes"),
    ("/etc/shadow", "it holds password hashes"),
    ("/etc/shadow-", "it holds password hashes"),
    ("/etc/ssh", "it holds the keys of the host"),
    ("/etc/ssl/private", "it holds the keys of the host"),
    ("/run/containerd", "who talks to containerd is root on the host"),
    ("/run/crio", "who talks to CRI-O is root on the host"),
    ("/run/dbus", "the services of the host listen there"),
    ("/run/docker", "who talks to Docker is root on the host"),
    ("/run/docker.sock", "who talks to Docker is root on the host"),
    ("/run/libvirt", "who talks to libvirt is root on the host"),
    ("/run/podman", "who talks to Podman can start processes outside"),
    ("/run/snapd.socket", "the services of the host listen there"),
    ("/run/systemd", "the services of the host listen there"),
    ("/run/user", "the services of the desktop and the key agents listen there"),
];

/// Folders where programs of the operator leave their sockets (X11, tmux, agents), among other things. A read-only
/// mount doesn't keep anyone from connecting. What lies in them can be granted by name.
const SHARED: [&str; 2] = ["/tmp", "/var/tmp"];

/// Credentials in the home folder.
const CREDENTIALS: &[&str] = &[
    ".aws",
    ".azure",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".config/gcloud",
    ".config/gh",
    ".docker/config.json",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".local/share/keyrings",
    ".netrc",
    ".password-store",
    ".pypirc",
    ".ssh",
];

/// Folders whose content the host executes or obeys.
const EXECUTED: &[&str] = &[
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/sbin",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/usr/sbin",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/spool/cron",
];

/// What the operator's own shell, editor and session execute or obey.
const EXECUTED_AT_HOME: &[&str] = &[
    ".bash_aliases",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".cargo/bin",
    ".config/autostart",
    ".config/environment.d",
    ".config/fish",
    ".config/git",
    ".config/systemd",
    ".gitconfig",
    ".local/bin",
    ".profile",
    ".vimrc",
    ".zprofile",
    ".zshenv",
    ".zshrc",
];

/// Why this path can't be granted; `None` when it can.
///
/// `open` tells whether a path exists on the host and the policy doesn't hide it.
pub(crate) fn refusal(
    path: &Path,
    grant: Grant,
    home: Option<&Path>,
    open: impl Fn(&Path) -> bool,
) -> Option<String> {
    if path == Path::new("/") {
        return Some("it is the whole host".into());
    }
    if let Some(kernel) = KERNEL.iter().find(|kernel| path.starts_with(kernel)) {
        return Some(format!("the sandbox has a `{kernel}` of its own"));
    }
    if let Some(shared) = SHARED.iter().find(|shared| Path::new(shared).starts_with(path)) {
        return Some(format!("programs of the operator have their sockets in `{shared}`"));
    }
    let machine = MACHINE.iter().map(|(secret, reason)| (PathBuf::from(secret), *reason));
    let credentials = under(home, CREDENTIALS).map(|secret| (secret, "it holds credentials"));
    for (secret, reason) in machine.chain(credentials) {
        if path.starts_with(&secret) {
            return Some(reason.into());
        }
        if secret.starts_with(path) && open(&secret) {
            return Some(format!("`{}` lies in it: {reason}", secret.display()));
        }
    }
    match grant {
        Grant::Read => None,
        Grant::Write => writing(path, home),
    }
}

/// A path without `.`, `..` and doubled slashes, by its text alone, with `/var/run` as `/run`.
///
/// It is compared beside the real path, so that a socket that isn't there today is refused, too.
pub(crate) fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    match plain.strip_prefix("/var/run") {
        Ok(rest) if rest.as_os_str().is_empty() => PathBuf::from("/run"),
        Ok(rest) => Path::new("/run").join(rest),
        Err(_) => plain,
    }
}

/// Whether the sandbox lays out this path itself, so that hiding it makes no sense.
pub(crate) fn is_kernel_or_root(path: &Path) -> bool {
    path == Path::new("/") || KERNEL.iter().any(|kernel| path.starts_with(kernel))
}

fn writing(path: &Path, home: Option<&Path>) -> Option<String> {
    let executed = EXECUTED.iter().map(PathBuf::from).chain(under(home, EXECUTED_AT_HOME));
    for place in executed {
        if path.starts_with(&place) {
            return Some("the host executes or obeys what is in it".into());
        }
        if place.starts_with(path) {
            return Some(format!("`{}` lies in it, and the host executes or obeys that", place.display()));
        }
    }
    None
}

fn under<'a>(home: Option<&'a Path>, names: &'a [&str]) -> impl Iterator<Item = PathBuf> + 'a {
    home.into_iter().flat_map(|home| names.iter().map(|name| home.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, grant: Grant) -> bool {
        refusal(Path::new(path), grant, Some(Path::new("/home/ada")), |_| true).is_some()
    }

    #[test]
    fn the_kernel_and_the_services_of_the_host_are_never_granted() {
        for path in [
            "/",
            "/proc",
            "/proc/1",
            "/sys",
            "/dev/kvm",
            "/run/docker.sock",
            "/run",
            "/etc/shadow",
            "/tmp",
            "/var",
        ] {
            assert!(refused(path, Grant::Read), "{path}");
        }
        for path in
            ["/process", "/run/media/ada", "/tmp/x", "/usr/share", "/srv", "/etc/hosts", "/home/ada/src"]
        {
            assert!(!refused(path, Grant::Read), "{path}");
        }
    }

    #[test]
    fn a_folder_is_refused_for_what_it_holds_unless_that_is_hidden() {
        let home = Path::new("/home/ada");
        let cargo = Path::new("/home/ada/.cargo");
        assert!(refusal(cargo, Grant::Read, Some(home), |_| true).is_some());
        assert!(refusal(cargo, Grant::Read, Some(home), |_| false).is_none());
        assert!(refused("/home/ada", Grant::Read) && refused("/home", Grant::Read));
    }

    #[test]
    fn what_the_host_executes_is_not_written_whether_it_exists_or_not() {
        let home = Path::new("/home/ada");
        assert!(refusal(home, Grant::Write, Some(home), |_| false).is_some());
        for path in ["/usr", "/usr/bin/x", "/etc", "/var", "/home", "/home/ada/.bashrc", "/home/ada/.config"]
        {
            assert!(refused(path, Grant::Write), "{path}");
        }
        for path in ["/usr/src/app", "/tmp/x", "/home/ada/src", "/var/cache/x", "/home/ada/.cargo/registry"] {
            assert!(!refused(path, Grant::Write), "{path}");
        }
    }

    #[test]
    fn a_lexical_path_has_no_dots() {
        assert_eq!(lexical(Path::new("/a/./b/../c")), Path::new("/a/c"));
        assert_eq!(lexical(Path::new("/../..//x")), Path::new("/x"));
        assert_eq!(lexical(Path::new("/var/run/docker.sock")), Path::new("/run/docker.sock"));
    }
}
