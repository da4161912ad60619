//! Where the events of a run go.
//!
//! The record is kept where the agent can't write it: a file of events in the workspace, or in another folder that
//! the policy lets the agent write, is refused. Places are compared by what they are (device and inode) and not
//! by their names, so that a symbolic link or a bind mount leads to no way around.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use event::RunId;
use response::Archive;
use rustix::fs::OFlags;
use thiserror::Error;

/// Why events can't be kept.
#[derive(Debug, Error)]
pub(crate) enum RecordError {
    /// The agent could rewrite them.
    #[error(
        "cannot keep {what} in {path}: the agent may write {writable}; choose a place outside of it with {option}",
        path = path.display(), writable = writable.display()
    )]
    Writable {
        /// What was to be kept.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the agent may write.
        writable: PathBuf,
        /// What to change.
        option: &'static str,
    },
    /// The host doesn't let us.
    #[error("cannot keep {what} in {path}; choose another place with {option}", path = path.display())]
    Unwritable {
        /// What was to be kept.
        what: &'static str,
        /// What to change.
        option: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// There is no default place.
    #[error("cannot tell where to keep what is to last: HOME is not set; use --state DIR")]
    NoPlace,
}

/// What the agent can write of the host.
#[derive(Clone, Debug)]
pub(crate) struct Writable(Vec<PathBuf>);

impl Writable {
    pub(crate) fn new(workspace: &Path, granted: &[PathBuf]) -> Self {
        Self(std::iter::once(workspace.to_owned()).chain(granted.iter().cloned()).collect())
    }

    /// Refuses a place that lies in what the agent can write.
    pub(crate) fn refuse(
        &self,
        path: &Path,
        what: &'static str,
        option: &'static str,
    ) -> Result<(), RecordError> {
        let place = existing(path);
        let above: Vec<_> = place.ancestors().filter_map(identity).collect();
        match self.0.iter().find(|writable| identity(writable).is_some_and(|place| above.contains(&place))) {
            Some(writable) => {
                Err(RecordError::Writable { what, path: path.to_owned(), writable: writable.clone(), option })
            }
            None => Ok(()),
        }
    }
}

/// What exists of a path, without links: itself, or the deepest folder above it that is there.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().find_map(|part| part.canonicalize().ok()).unwrap_or_else(|| PathBuf::from("/"))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The folder for what is kept: the one that the options name, or the default one.
pub(crate) fn archive(state: Option<&Path>, writable: &Writable) -> Result<Archive, RecordError> {
    let state = state.map(Path::to_owned).or_else(response::default_state).ok_or(RecordError::NoPlace)?;
    writable.refuse(&state, EVENTS, "--state")?;
    Archive::open(&state).map_err(|error| unwritable(&state, EVENTS, "--state")(error.into()))
}

/// An open place for events.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) output: File,
    /// The file, for the summary; none for stdout.
    pub(crate) path: Option<PathBuf>,
}

impl Record {
    /// Opens the place that the options name, or the default one.
    pub(crate) fn open(
        events: Option<&Path>,
        archive: &Archive,
        run: RunId,
        writable: &Writable,
    ) -> Result<Self, RecordError> {
        match events {
            Some(path) if path == Path::new("-") => Self::stdout(),
            Some(path) => {
                let output = create(path, writable, EVENTS, "--events")?;
                Ok(Self { output, path: Some(absolute(path)) })
            }
            None => Self::in_archive(archive, run, writable),
        }
    }

    fn stdout() -> Result<Self, RecordError> {
        let failed = |errno: rustix::io::Errno| unwritable(Path::new("-"), EVENTS, "--events")(errno.into());
        let output = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3).map_err(failed)?;
        Ok(Self { output: output.into(), path: None })
    }

    fn in_archive(archive: &Archive, run: RunId, writable: &Writable) -> Result<Self, RecordError> {
        let folder = archive.run(run);
        folder.make().map_err(|error| unwritable(folder.place(), EVENTS, "--state")(error.into()))?;
        let path = folder.place().join("events.jsonl");
        let output = create(&path, writable, EVENTS, "--state")?;
        Ok(Self { output, path: Some(absolute(&path)) })
    }
}

const EVENTS: &str = "the events";

fn unwritable(path: &Path, what: &'static str, option: &'static str) -> impl Fn(io::Error) -> RecordError {
    move |source| RecordError::Unwritable { what, option, path: path.to_owned(), source }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Opens a file for what is kept of a run, where the agent can't write it. One that exists is written anew.
pub(crate) fn create(
    path: &Path,
    writable: &Writable,
    what: &'static str,
    option: &'static str,
) -> Result<File, RecordError> {
    writable.refuse(path, what, option)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(OFlags::NOCTTY.bits() as i32);
    let file = options.open(path).map_err(unwritable(path, what, option))?;
    // A link that led nowhere until now leads to the file that was made.
    let made = format!("/proc/self/fd/{}", file.as_raw_fd());
    writable.refuse(&fs::read_link(made).unwrap_or_default(), what, option)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_place_that_the_agent_can_write_is_refused_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("ws");
        fs::create_dir_all(workspace.join("sub")).unwrap();
        symlink(workspace.join("sub"), folder.path().join("link")).unwrap();
        let writable = Writable::new(&workspace, &[]);
        for inside in ["ws/e.jsonl", "ws/sub/not/yet/e.jsonl", "link/e.jsonl", "ws/../ws/e.jsonl"] {
            assert!(
                writable.refuse(&folder.path().join(inside), "the events", "--events").is_err(),
                "{inside}"
            );
        }
        for outside in ["e.jsonl", "ws2/e.jsonl", "ws/../e.jsonl"] {
            assert!(
                writable.refuse(&folder.path().join(outside), "the events", "--events").is_ok(),
                "{outside}"
            );
        }
    }

    #[test]
    fn a_link_in_the_workspace_that_leads_out_is_taken_for_where_it_leads() {
        let folder = tempfile::tempdir().unwrap();
        let granted = folder.path().join("granted");
        fs::write(&granted, "").unwrap();
        let writable = Writable::new(&folder.path().join("ws"), std::slice::from_ref(&granted));
        assert!(writable.refuse(&granted, "the events", "--events").is_err(), "a file that is granted");
    }

    #[test]
    fn a_link_to_what_does_not_exist_yet_leads_to_no_way_around() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("ws");
        fs::create_dir(&workspace).unwrap();
        symlink(workspace.join("new"), folder.path().join("events")).unwrap();
        let writable = Writable::new(&workspace, &[]);
        let archive = Archive::open(&folder.path().join("state")).unwrap();
        let record = Record::open(Some(&folder.path().join("events")), &archive, RunId::new(), &writable);
        assert!(matches!(record, Err(RecordError::Writable { .. })));
    }

    #[test]
    fn only_the_operator_can_read_the_events() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId::new();
        let writable = Writable::new(Path::new("/nonexistent"), &[]);
        let archive = archive(Some(&folder.path().join("state")), &writable).unwrap();
        let record = Record::open(None, &archive, run, &writable).unwrap();
        let path = record.path.unwrap();
        assert_eq!(path, folder.path().join(format!("state/runs/{run}/events.jsonl")));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
