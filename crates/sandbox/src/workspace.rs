//! The workspace: the one folder of the host that a sandbox may write.
//!
//! What in it the host would later execute on its own is protected (`protection`).

use crate::plan::FileIdentity;
use crate::protection::Protection;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

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

    /// What is protected in it.
    pub(crate) fn protection(&self) -> Protection<'_> {
        Protection::of(&self.host)
    }

    /// Which folder was checked: another one that comes to its place is not mounted.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Where it is inside.
    pub fn inside(&self) -> &Path {
        &self.inside
    }
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
