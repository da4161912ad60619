//! The workspace: the one folder of the host that a sandbox may write.
//!
//! Files in it that the host would later execute on its own, by opening the folder, entering it or using
//! git in it, are read-only. Since a file is also replaced by renaming a folder above it, each folder between the
//! workspace and a protected file is a mount of its own, which can't be renamed.

use crate::plan::FileIdentity;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Protected: what the operator's shell or editor executes without being asked.
const PROTECTED: &[&str] = &[
    ".bash_login",
    ".bash_profile",
    ".bashrc",
    ".claude",
    ".cursor",
    ".devcontainer",
    ".direnv",
    ".envrc",
    ".gitconfig",
    ".husky",
    ".idea",
    ".mcp.json",
    ".profile",
    ".vscode",
    ".zprofile",
    ".zshenv",
    ".zshrc",
];

/// Protected in a repository, and in those of its submodules: what git executes, or finds its configuration by.
const PROTECTED_IN_REPOSITORY: &[&str] = &["commondir", "config", "config.worktree", "hooks", "worktrees"];

/// How many submodules' repositories are looked for, and how deep.
const REPOSITORIES_MAX: usize = 256;
const REPOSITORIES_DEPTH: usize = 6;

/// A folder of the host, and where it is inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    host: PathBuf,
    inside: PathBuf,
    identity: FileIdentity,
}

/// Why a folder can't be a workspace.
#[derive(Debug, Error)]
pub enum WorkspaceError {
    /// It can't be found.
    #[error("cannot use {path} as the workspace: {source}", path = path.display())]
    Unreachable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is a file.
    #[error("cannot use {path} as the workspace: it is not a folder", path = .0.display())]
    NotAFolder(PathBuf),
    /// It would open what must stay closed.
    #[error("cannot use {path} as the workspace: {reason}; choose a project folder with --workspace", path = path.display())]
    TooMuch {
        /// As it was found.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The place inside is taken or no place.
    #[error("cannot show the workspace at {path}: {reason}", path = path.display())]
    BadPlace {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Folders whose whole content is the system's or every user's.
const SYSTEM: &[&str] = &[
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/nix", "/proc", "/run", "/sbin",
    "/sys", "/usr", "/var",
];

impl Workspace {
    /// The folder `host`, at `inside` (by default at its own place).
    pub fn new(host: &Path, inside: Option<&Path>, home: Option<&Path>) -> Result<Self, WorkspaceError> {
        let found = host
            .canonicalize()
            .map_err(|source| WorkspaceError::Unreachable { path: host.to_owned(), source })?;
        if !found.is_dir() {
            return Err(WorkspaceError::NotAFolder(found));
        }
        if let Some(reason) = too_much(&found, home) {
            return Err(WorkspaceError::TooMuch { path: found, reason });
        }
        let inside = inside.map_or_else(|| found.clone(), Path::to_owned);
        check_place(&inside)?;
        let metadata = fs::symlink_metadata(&found)
            .map_err(|source| WorkspaceError::Unreachable { path: found.clone(), source })?;
        let identity = FileIdentity { device: metadata.dev(), inode: metadata.ino() };
        Ok(Self { host: found, inside, identity })
    }

    /// Where it is on the host.
    pub fn host(&self) -> &Path {
        &self.host
    }

    /// Which folder was checked: another one that comes to its place is not mounted.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Where it is inside.
    pub fn inside(&self) -> &Path {
        &self.inside
    }

    /// What in it is protected now, folders above each first: the name, and whether it may still be written.
    pub(crate) fn pins(&self) -> Vec<(PathBuf, bool)> {
        let mut pins = Vec::new();
        let mut pin = |name: PathBuf, writable| {
            if !pins.iter().any(|(pinned, _)| *pinned == name) {
                pins.push((name, writable));
            }
        };
        for name in self.protected().into_iter().filter(|name| exists(&self.host.join(name))) {
            let mut above: Vec<_> =
                name.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
            above.reverse();
            above.into_iter().for_each(|folder| pin(folder.to_owned(), true));
            pin(name, false);
        }
        // A worktree or submodule has a file that names the repository.
        if self.host.join(".git").is_file() {
            pin(PathBuf::from(".git"), false);
        }
        pins
    }

    /// Each protected name, and the file that it was when this was asked.
    pub(crate) fn watched(&self) -> Vec<(PathBuf, Option<FileIdentity>)> {
        self.protected().into_iter().map(|name| (name.clone(), self.identity_of(&name))).collect()
    }

    /// The file that a name in the workspace is now.
    pub(crate) fn identity_of(&self, name: &Path) -> Option<FileIdentity> {
        let metadata = fs::symlink_metadata(self.host.join(name)).ok()?;
        Some(FileIdentity { device: metadata.dev(), inode: metadata.ino() })
    }

    /// The repositories: that of the workspace, and those of its submodules in it.
    pub(crate) fn repositories(&self) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::from(".git")];
        self.find_repositories(Path::new(".git/modules"), REPOSITORIES_DEPTH, &mut found);
        found
    }

    fn find_repositories(&self, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(self.host.join(folder)) else { return };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if depth == 0 || found.len() >= REPOSITORIES_MAX {
                return;
            }
            let below = folder.join(entry.file_name());
            if exists(&self.host.join(&below).join("HEAD")) {
                found.push(below.clone());
                self.find_repositories(&below.join("modules"), depth - 1, found);
            } else {
                // A submodule's name may have slashes.
                self.find_repositories(&below, depth - 1, found);
            }
        }
    }

    fn protected(&self) -> Vec<PathBuf> {
        let mut names: Vec<_> = PROTECTED.iter().map(PathBuf::from).collect();
        for repository in self.repositories() {
            names.extend(PROTECTED_IN_REPOSITORY.iter().map(|name| repository.join(name)));
        }
        names
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn too_much(found: &Path, home: Option<&Path>) -> Option<&'static str> {
    if SYSTEM.iter().any(|system| found == Path::new(system)) {
        return Some("it holds the system's own files");
    }
    let home = home.and_then(|home| home.canonicalize().ok())?;
    home.starts_with(found).then_some("it holds your home folder, and with it your credentials")
}

fn check_place(inside: &Path) -> Result<(), WorkspaceError> {
    let bad = |reason| Err(WorkspaceError::BadPlace { path: inside.to_owned(), reason });
    if !inside.is_absolute() || inside.components().any(|part| part == std::path::Component::ParentDir) {
        return bad("it must be an absolute path without `..`");
    }
    let taken = ["/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr/bin", "/usr/lib"];
    if inside == Path::new("/") || taken.iter().any(|taken| inside.starts_with(taken)) {
        return bad("the system's own files are there");
    }
    Ok(())
}
