//! A file that must exist so that it can be protected.
//!
//! `.git/commondir` tells git where a repository's configuration is: whoever may create it has git execute what
//! they like. What doesn't exist can't be made read-only, so for the time of a run it is created with a
//! content that changes nothing (`.`, the repository itself), and taken away when the last run that counts on it
//! is over. One that a killed supervisor left behind does no harm, and is taken over by the next run.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, ResolveFlags, flock, openat2, unlinkat};
use rustix::io::Errno;
use std::path::Path;

const NAME: &str = "commondir";
const CONTENT: &[u8] = b".\n";

/// The file, as long as it is needed. Runs on the same workspace share it: each holds a lock on it.
#[derive(Debug)]
pub(crate) struct Placeholder {
    repository: OwnedFd,
    file: OwnedFd,
}

impl Placeholder {
    /// Makes sure that a repository in the workspace has one. `None`: there is no repository, it has one of its own, or
    /// nobody could create one.
    pub(crate) fn put(workspace: &Path, repository: &Path) -> Result<Option<Self>, Errno> {
        const ATTEMPTS: u32 = 16;
        let Some(repository) = open_repository(workspace, repository)? else { return Ok(None) };
        for _ in 0..ATTEMPTS {
            let Some(file) = Self::open(&repository)? else { return Ok(None) };
            // Another run may be taking it away just now.
            if flock(&file, FlockOperation::NonBlockingLockShared).is_ok()
                && rustix::fs::fstat(&file)?.st_nlink > 0
            {
                return Ok(Some(Self { repository, file }));
            }
        }
        Err(Errno::BUSY)
    }

    fn open(repository: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
        let create = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match openat2(repository, NAME, create, Mode::from_raw_mode(0o644), RESOLVE) {
            Ok(file) => {
                rustix::io::write(&file, CONTENT)?;
                Ok(Some(file))
            }
            Err(Errno::EXIST) => Self::adopt(repository),
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// One that another run, or a killed one, has made.
    fn adopt(repository: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = openat2(repository, NAME, flags, Mode::empty(), RESOLVE)?;
        let mut content = [0; CONTENT.len() + 1];
        let length = rustix::io::read(&file, &mut content)?;
        Ok((content.get(..length) == Some(CONTENT)).then_some(file))
    }
}

/// In a folder that others can write, no link is followed.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// The folder of a repository: only what git would take for one.
fn open_repository(workspace: &Path, repository: &Path) -> Result<Option<OwnedFd>, Errno> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let workspace = rustix::fs::open(workspace, folder, Mode::empty())?;
    match openat2(&workspace, repository, folder, Mode::empty(), RESOLVE) {
        Ok(found) => {
            let head = rustix::fs::statat(&found, "HEAD", AtFlags::SYMLINK_NOFOLLOW);
            Ok(head.is_ok().then_some(found))
        }
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        if flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return;
        }
        let same = rustix::fs::statat(&self.repository, NAME, AtFlags::SYMLINK_NOFOLLOW)
            .and_then(|now| Ok((now, rustix::fs::fstat(&self.file)?)))
            .is_ok_and(|(now, ours)| (now.st_dev, now.st_ino) == (ours.st_dev, ours.st_ino));
        if same {
            let _ = unlinkat(&self.repository, NAME, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        folder
    }

    #[test]
    fn it_stays_until_the_last_run_is_over() {
        let folder = repository();
        let file = folder.path().join(".git/commondir");
        let first = Placeholder::put(folder.path(), Path::new(".git")).unwrap();
        let second = Placeholder::put(folder.path(), Path::new(".git")).unwrap();
        assert!(first.is_some() && second.is_some());
        drop(first);
        assert!(file.exists());
        drop(second);
        assert!(!file.exists());
    }

    #[test]
    fn a_worktrees_own_is_left_alone() {
        let folder = repository();
        let file = folder.path().join(".git/commondir");
        std::fs::write(&file, "../../main/.git\n").unwrap();
        assert!(Placeholder::put(folder.path(), Path::new(".git")).unwrap().is_none());
        assert!(file.exists());
    }
}
