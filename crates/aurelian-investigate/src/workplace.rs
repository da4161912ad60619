//! The folder `.reading` in `--out`, for what an investigation keeps while it works. It has one owner at a time, and is gone when the
//! work is done; where that was stopped, what was saved stays for the next start.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use investigate::incident::{forget, is_saved};

use crate::failure::Failure;

const NAME: &str = ".reading";
const LOCK: &str = "lock";

/// The folder, which is ours.
pub(crate) struct Workplace {
    folder: PathBuf,
    complete: bool,
    /// Held as long as we work.
    _lock: File,
}

impl Workplace {
    /// Takes it, in `out`, for as long as this lives.
    pub(crate) fn claim(out: &Path) -> Result<Self, Failure> {
        let folder = out.join(NAME);
        let failed = |source: io::Error| Failure::Output { path: folder.clone(), source };
        loop {
            // What is kept there are parts of logs: nobody else's business.
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
            let Some(lock) = open_lock(&folder.join(LOCK)).map_err(failed)? else { continue };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Failure::InUse(out.to_owned())),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // Who had it before may have removed the file that we have locked.
            if is_at(&lock, &folder.join(LOCK)) {
                return Ok(Self { folder, complete: false, _lock: lock });
            }
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The work is done: nobody has to go on with it.
    pub(crate) fn complete(mut self) {
        self.complete = true;
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if !self.complete && is_saved(&self.folder) {
            return;
        }
        // What stays is no harm: the next start looks at it, and removes it. The lock goes last, so that nobody else is in there before.
        let _ = forget(&self.folder);
        let _ = fs::remove_file(self.folder.join(LOCK));
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Nothing, if the folder has just been removed.
fn open_lock(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).create(true).truncate(false).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}
