//! The one door through which everything is recorded that must last beside the events: what runs there are, what was found, evidence,
//! holds.
//!
//! A document is written beside its place, synced and renamed, and its folder is synced: it is there whole, or as it was. A line of a
//! list is synced before it is reported. Folders are 0700 and files 0600. An append-only log of its own will take this over; nobody
//! else writes below the state folder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use event::RunId;
use serde::Serialize;
use thiserror::Error;

/// Why something can't be kept, or read.
#[derive(Debug, Error)]
#[error("cannot {what} {path}", path = path.display())]
pub struct ArchiveError {
    /// What was attempted.
    what: &'static str,
    /// On what.
    path: PathBuf,
    /// What the system answered.
    source: io::Error,
}

impl ArchiveError {
    pub(crate) fn new(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { what, path, source }
    }
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        Self::other(chain(&error))
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The folder for what is kept between runs (XDG Base Directory Specification; FHS for root); none where nobody says where home is.
pub fn default_state() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/aurelian"));
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    state.map(|state| state.join("aurelian"))
}

/// A state folder.
#[derive(Clone, Debug)]
pub struct Archive {
    state: PathBuf,
}

impl Archive {
    /// The state folder at this place. It is made when something is to be kept.
    ///
    /// # Errors
    /// The current folder is gone, which the place is relative to.
    pub fn open(state: &Path) -> Result<Self, ArchiveError> {
        let state = std::path::absolute(state).map_err(ArchiveError::new("find", state))?;
        Ok(Self { state })
    }

    /// Its place.
    pub fn place(&self) -> &Path {
        &self.state
    }

    /// The folder of a run, which is made when something is kept in it.
    pub fn run(&self, run: RunId) -> RunFolder {
        RunFolder { folder: self.state.join("runs").join(run.to_string()) }
    }

    /// A folder in it, made if it isn't there.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, ArchiveError> {
        let folder = self.state.join(name);
        make_folder(&folder)?;
        Ok(folder)
    }
}

/// What is kept of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    folder: PathBuf,
}

impl RunFolder {
    /// Its place.
    pub fn place(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder, for who writes into it by other ways.
    ///
    /// # Errors
    /// It can't be made.
    pub fn make(&self) -> Result<(), ArchiveError> {
        make_folder(&self.folder)
    }

    /// Keeps a document under this name, whole or not at all, in place of what was there.
    ///
    /// # Errors
    /// It can't be written.
    pub fn put(&self, name: &str, document: &impl Serialize) -> Result<(), ArchiveError> {
        make_lasting_folder(&self.folder)?;
        put(&self.folder.join(name), document)
    }

    /// Adds a line to a list.
    ///
    /// # Errors
    /// It can't be written.
    pub fn append(&self, name: &str, line: &impl Serialize) -> Result<(), ArchiveError> {
        make_lasting_folder(&self.folder)?;
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(&path);
        let mut file = file.map_err(ArchiveError::new("open", &path))?;
        let mut bytes =
            serde_json::to_vec(line).map_err(|error| ArchiveError::new("write", &path)(error.into()))?;
        bytes.push(b'\n');
        // One write: a line is there whole, or it isn't.
        file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(ArchiveError::new("write", &path))
    }

    /// A new folder for evidence of this name: what is there already, from when the run was stopped before, stays.
    pub fn new_evidence(&self, name: &str) -> Self {
        let place = |name: &str| self.folder.join("evidence").join(name);
        let others = (2..).map(|number: u64| place(&format!("{name}-{number}")));
        let folder = std::iter::once(place(name)).chain(others).find(|folder| !folder.exists());
        Self { folder: folder.unwrap_or_else(|| place(name)) }
    }

    /// Keeps bytes under this name, as [`put`](Self::put) does.
    ///
    /// # Errors
    /// They can't be written.
    pub fn put_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        make_lasting_folder(&self.folder)?;
        put_bytes(&self.folder.join(name), bytes)
    }
}

pub(crate) fn put(path: &Path, document: &impl Serialize) -> Result<(), ArchiveError> {
    let bytes = serde_json::to_vec_pretty(document);
    put_bytes(path, &bytes.map_err(|error| ArchiveError::new("write", path)(error.into()))?)
}

fn put_bytes(path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let written = write_beside(path, bytes).and_then(|beside| {
        fs::rename(&beside, path)
            .and_then(|()| sync_folder(path))
            .inspect_err(|_| drop(fs::remove_file(&beside)))
    });
    written.map_err(ArchiveError::new("write", path))
}

/// Keeps a document where there is none. False if there is one.
pub(crate) fn put_new(path: &Path, document: &impl Serialize) -> Result<bool, ArchiveError> {
    let bytes = serde_json::to_vec_pretty(document);
    let bytes = bytes.map_err(|error| ArchiveError::new("write", path)(error.into()))?;
    let written = write_beside(path, &bytes).and_then(|beside| {
        let linked = match fs::hard_link(&beside, path) {
            Ok(()) => sync_folder(path).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        };
        // It has its name by now, or never will.
        let _ = fs::remove_file(&beside);
        linked
    });
    written.map_err(ArchiveError::new("write", path))
}

/// Writes what is to be kept under a name beside its place, and gives that name.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    loop {
        let beside = beside(path);
        match write_new(&beside, bytes) {
            Ok(()) => return Ok(beside),
            // Left by a process that had our id, and was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let _ = fs::remove_file(&beside);
                return Err(error);
            }
        }
    }
}

/// A name beside, which nobody else uses, and a new one each time.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}.{count}", std::process::id()))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes what was done in a file's folder last.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), ArchiveError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(ArchiveError::new("make", folder))
}

/// Makes a folder that lasts, and those above it: what is kept in one that is lost is lost with it.
pub(crate) fn make_lasting_folder(folder: &Path) -> Result<(), ArchiveError> {
    let missing: Vec<_> = folder.ancestors().take_while(|place| !place.exists()).collect();
    make_folder(folder)?;
    let synced = missing.into_iter().try_for_each(sync_folder);
    synced.map_err(ArchiveError::new("make", folder))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_kept_is_the_operators_alone() {
        let state = tempfile::tempdir().unwrap();
        let archive = Archive::open(&state.path().join("state")).unwrap();
        let run = archive.run(RunId::new());
        run.put("run.json", &"a").unwrap();
        run.put("run.json", &"b").unwrap();
        run.append("findings.jsonl", &1).unwrap();
        run.append("findings.jsonl", &2).unwrap();
        run.new_evidence("1").put_bytes("x", b"y").unwrap();
        run.new_evidence("1").put_bytes("x", b"z").unwrap();
        run.new_evidence("1").put_bytes("x", b"").unwrap();
        let read = |name: &str| fs::read_to_string(run.place().join(name)).unwrap();
        assert_eq!(
            (read("run.json"), read("findings.jsonl"), read("evidence/1/x")),
            ("\"b\"".into(), "1\n2\n".into(), "y".into())
        );
        assert_eq!((read("evidence/1-2/x"), read("evidence/1-3/x")), ("z".into(), String::new()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(run.place()), mode(&run.place().join("run.json"))), (0o700, 0o600));
        assert_eq!(mode(archive.place()), 0o700);
        let left: Vec<_> =
            fs::read_dir(run.place()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }

    #[test]
    fn of_two_that_make_one_document_one_does() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("x.json");
        let won: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    scope.spawn({
                        let path = &path;
                        move || put_new(path, &n).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
