//! The image `host`: the host's programs and libraries, read-only.
//!
//! An allow-list. `/usr` comes whole; of `/etc` come the files that programs need to run and that hold no
//! secret, and accounts and names are written anew. No home, no `/var`, no `/run`, no sockets.

use crate::plan::FileIdentity;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Folders of the root that are `/usr`'s on a merged system, and folders of their own on others.
const ROOTS: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Further trees that hold nothing but programs.
const TREES: &[&str] = &["usr", "nix/store", "gnu/store"];

/// What programs read from `/etc`. None of it is secret, and none is a folder that could hold a secret.
const SETTINGS: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "lsb-release",
    "magic",
    "manpath.config",
    "mime.types",
    "networks",
    "openssl",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/tls/certs",
    "profile",
    "protocols",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "rpc",
    "services",
    "shells",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

/// One thing of the image, as it was when the supervisor started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A file or folder of the host at the same place.
    Shared { path: PathBuf, identity: FileIdentity, folder: bool },
    /// A small file of the host: a copy is cheaper than a mount.
    Copied { path: PathBuf, content: Vec<u8> },
    /// A link that leads where the host's does.
    Link { path: PathBuf, target: PathBuf },
}

impl Part {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Shared { path, .. } | Self::Copied { path, .. } | Self::Link { path, .. } => path,
        }
    }
}

/// The largest file that is copied, in bytes.
const COPIED_MAX: u64 = 32 * 1024;

/// Finds the image's parts on this host.
pub(crate) fn parts() -> Vec<Part> {
    let trees = TREES.iter().map(|tree| Path::new("/").join(tree));
    let roots = ROOTS.iter().map(|root| Path::new("/").join(root));
    let settings = SETTINGS.iter().map(|name| Path::new("/etc").join(name));
    trees.chain(roots).chain(settings).filter_map(part).collect()
}

fn part(path: PathBuf) -> Option<Part> {
    let metadata = fs::symlink_metadata(&path).ok()?;
    if metadata.is_symlink() {
        let target = fs::read_link(&path).ok()?;
        return Some(Part::Link { path, target });
    }
    let readable_by_all = metadata.permissions().mode() & 0o004 != 0;
    if metadata.is_file() && metadata.len() <= COPIED_MAX {
        let content = fs::read(&path).ok().filter(|_| readable_by_all)?;
        return Some(Part::Copied { path, content });
    }
    let identity = FileIdentity { device: metadata.dev(), inode: metadata.ino() };
    let known = metadata.is_dir() || metadata.is_file();
    known.then_some(Part::Shared { path, identity, folder: metadata.is_dir() })
}

/// The accounts that the sandbox knows: root, its own user, and nobody.
pub(crate) fn accounts(uid: u32, gid: u32, name: &str, home: &Path) -> (String, String) {
    let home = home.display();
    let mut users = String::from("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    let mut groups = String::from("nogroup:x:65534:\n");
    if uid != 0 {
        users.insert_str(0, "root:x:0:0:root:/root:/bin/sh\n");
    }
    if gid != 0 {
        groups.insert_str(0, "root:x:0:\n");
    }
    if uid != 65534 {
        users.insert_str(0, &format!("{name}:x:{uid}:{gid}:{name}:{home}:/bin/sh\n"));
    }
    if gid != 65534 {
        groups.insert_str(0, &format!("{name}:x:{gid}:\n"));
    }
    (users, groups)
}
