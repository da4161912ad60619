//! Extracted roots, kept by the digest of their manifest.
//!
//! ```text
//! DIR/rootfs/sha256-HEX             the root, read-only by convention
//! DIR/rootfs/sha256-HEX.complete    the stamp: beside the root, so that no image can bring its own
//! DIR/rootfs/sha256-HEX.lock        flock(2) while extracting; never removed, since that would race
//! DIR/rootfs/sha256-HEX.partial     a root in the making, or what a crash left of one
//! ```
//! The names have no colon, because overlayfs and others split their options there. A root counts
//! as complete only with a stamp that names the folder's inode number and modification time. The stamp is written last, and after everything
//! is on disk, so that neither a crash of the program nor of the machine leaves a root that looks complete. `rootfs` has mode 0700, and a cache that
//! someone else owns or may write to is refused: they could put their own root there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, fchmod, flock, fstat, fsync, mkdirat, openat, renameat,
    statat, syncfs, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::digest::Digest;
use super::error::OciError;
use super::layer::Skipped;
use super::tree;

/// The stamp's format, and with it the way roots are extracted: another number means extract again.
const FORMAT: u32 = 1;

/// A folder for extracted images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    dir: PathBuf,
}

/// Why a cache couldn't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError {
    /// There is no place for it by default.
    #[error("cannot tell where to cache images; set HOME or XDG_CACHE_HOME to an absolute path")]
    NoDefault,
    /// Another user owns it or may write to it.
    #[error(
        "the image cache {} belongs to another user or may be written by others, who could put their own files \
         there; choose another folder or take those permissions away", dir.display()
    )]
    Foreign {
        /// The folder.
        dir: PathBuf,
    },
    /// The host couldn't do it.
    #[error("cannot {action} in the image cache at {}; check its permissions and free space", path.display())]
    Host {
        /// What was attempted.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A cache that was found in order.
pub(super) struct Store {
    path: PathBuf,
    rootfs: OwnedFd,
}

/// What lies beside a complete root.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    format: u32,
    inode: u64,
    modified: (i64, i64),
    skipped: Skipped,
}

impl Cache {
    /// The cache in the folder `dir`; it is made when it is first needed.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// `$XDG_CACHE_HOME/aurelian`, or `~/.cache/aurelian`.
    ///
    /// # Errors
    /// When neither `XDG_CACHE_HOME` nor `HOME` is an absolute path.
    pub fn default_dir() -> Result<PathBuf, CacheError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .map(|caches| caches.join("aurelian"))
            .ok_or(CacheError::NoDefault)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the folders that are missing, and checks those that are not.
    pub(super) fn store(&self) -> Result<Store, CacheError> {
        let dir = std::path::absolute(&self.dir).unwrap_or_else(|_| self.dir.clone());
        let path = dir.join("rootfs");
        let failed = |source| CacheError::Host { action: "make the folders", path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
        for folder in [&dir, &path] {
            let found = fs::metadata(folder).map_err(failed)?;
            if found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
                return Err(CacheError::Foreign { dir: folder.clone() });
            }
        }
        let rootfs = tree::open_folder(CWD, path.as_os_str()).map_err(failed)?;
        if fstat(&rootfs).map_err(|errno| failed(errno.into()))?.st_mode & 0o077 != 0 {
            fchmod(&rootfs, Mode::RWXU).map_err(|errno| failed(errno.into()))?;
        }
        Ok(Store { path, rootfs })
    }
}

impl Store {
    /// The folder that holds the roots.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The root of the image with this manifest. If there is none yet, `extract` fills a new folder; whoever
    /// else wants the same meanwhile waits for it.
    pub(super) fn root(
        &self,
        manifest: Digest,
        extract: impl FnOnce(OwnedFd) -> Result<Skipped, OciError>,
    ) -> Result<(PathBuf, Skipped), OciError> {
        let key = format!("sha256-{}", manifest.hex());
        let root = self.path.join(&key);
        if let Some(skipped) = self.complete(&key) {
            return Ok((root, skipped));
        }
        let _lock =
            self.lock(&key, FlockOperation::LockExclusive).map_err(|error| self.host("lock", error))?;
        if let Some(skipped) = self.complete(&key) {
            return Ok((root, skipped));
        }
        self.sweep(&key).map_err(|error| self.host("remove what a crash left", error))?;
        let partial = format!("{key}.partial");
        let folder = self.make(&partial).map_err(|error| self.host("make a folder", error))?;
        let published = folder
            .try_clone()
            .map_err(|error| self.host("open a folder", error).into())
            .and_then(extract)
            .and_then(|skipped| {
                self.publish(&key, &folder, skipped).map_err(|error| self.host("publish an image", error))?;
                Ok((root, skipped))
            });
        if published.is_err() {
            // What can't be removed now is swept by the next one who comes.
            let _ = self.remove(&partial);
        }
        published
    }

    /// What was skipped in the root `key`, if that is complete.
    fn complete(&self, key: &str) -> Option<Skipped> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.rootfs, format!("{key}.complete"), flags, Mode::empty()).ok()?;
        let mut text = Vec::new();
        File::from(file).take(4096).read_to_end(&mut text).ok()?;
        let stamp: Stamp = serde_json::from_slice(&text).ok()?;
        let root = statat(&self.rootfs, key, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let now = Stamp::of(&root, stamp.skipped);
        (stamp == now).then_some(stamp.skipped)
    }

    fn lock(&self, key: &str, how: FlockOperation) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = openat(&self.rootfs, format!("{key}.lock"), flags, Mode::RUSR | Mode::WUSR)?;
        retry_on_intr(|| flock(&lock, how))?;
        Ok(lock)
    }

    /// Removes what is incomplete: of `key`, which is locked, and of others that nobody works on.
    fn sweep(&self, key: &str) -> io::Result<()> {
        for name in [format!("{key}.complete"), key.to_owned()] {
            self.remove(&name)?;
        }
        let mut stale = Vec::new();
        tree::for_each_name(self.rootfs.as_fd(), &mut |name, _| {
            if let Some(name) = name.to_str()
                && let Some((owner, _)) = name.split_once(".partial")
            {
                stale.push((name.to_owned(), owner.to_owned()));
            }
            Ok(())
        })?;
        for (name, owner) in stale {
            let _lock = match self.lock(&owner, FlockOperation::NonBlockingLockExclusive) {
                _ if owner == key => None,
                Ok(lock) => Some(lock),
                Err(_) => continue,
            };
            self.remove(&name)?;
        }
        Ok(())
    }

    fn make(&self, name: &str) -> io::Result<OwnedFd> {
        mkdirat(&self.rootfs, name, Mode::RWXU)?;
        let folder = tree::open_folder(self.rootfs.as_fd(), OsStr::new(name))?;
        fchmod(&folder, Mode::from_raw_mode(0o755))?;
        Ok(folder)
    }

    fn publish(&self, key: &str, folder: &OwnedFd, skipped: Skipped) -> io::Result<()> {
        syncfs(folder)?;
        renameat(&self.rootfs, format!("{key}.partial"), &self.rootfs, key)?;
        let stamp = serde_json::to_vec(&Stamp::of(&fstat(folder)?, skipped))?;
        let temporary = format!("{key}.partial-stamp");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.rootfs, &temporary, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&stamp)?;
        file.sync_all()?;
        renameat(&self.rootfs, &temporary, &self.rootfs, format!("{key}.complete"))?;
        Ok(fsync(&self.rootfs)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let at: BorrowedFd<'_> = self.rootfs.as_fd();
        match unlinkat(at, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(_) => tree::remove(at, OsStr::new(name)),
        }
    }

    fn host(&self, action: &'static str, source: io::Error) -> CacheError {
        CacheError::Host { action, path: self.path.clone(), source }
    }
}

impl Stamp {
    fn of(root: &rustix::fs::Stat, skipped: Skipped) -> Self {
        // The types of these fields differ between architectures.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        let modified = (root.st_mtime as i64, root.st_mtime_nsec as i64);
        Self { format: FORMAT, inode: root.st_ino, modified, skipped }
    }
}
