//! Reading that goes on where an earlier start of the same investigation was stopped.
//!
//! After a file that was read, if the last time was long enough ago, all that was read is saved in the [`Workplace`]. The next start
//! goes on from there if it reads in the same way: the same program, the same host map, the same options as far as they say how files are
//! read, and the files that were read before are there and unchanged, by their lengths and times of modification. Otherwise
//! it begins anew, and says why. Files that are new are read with the rest.
//!
//! A file is read as a whole or not at all: what was read of the one that was under way is read again. What is no file, as a pipe,
//! can't be; once one was read, nothing is saved any more. A baseline, of which only counts are kept, is read anew each time.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use investigate::hosts::Hosts;
use investigate::incident::{Builder, NotResumed};
use investigate::report::model::{InputSummary, Role};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cli::InvestigateOptions;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::terminal::say;
use crate::workplace::Workplace;

/// Saving takes at most one of so many parts of the time.
const SHARE: u32 = 10;

/// What is to be read, and what has been.
pub(crate) struct Session {
    about: About,
    /// What is left, the next last.
    left: Vec<(Role, PathBuf)>,
    every: Duration,
    last: Instant,
    /// How long the last save took.
    took: Duration,
    can_save: bool,
}

/// What is told of a saved reading.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    /// How files are read: what, and its value.
    setup: Vec<(String, String)>,
    read: Vec<FileRead>,
    inputs: Vec<InputSummary>,
}

/// A file, as it was when it was opened.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileRead {
    role: Role,
    path: OsString,
    /// The same path may be another file where another folder is the current one.
    absolute: OsString,
    length: u64,
    modified: (i64, i64),
}

impl Session {
    /// Begins reading these files, or goes on with it. At most `memory` bytes of flows are in memory.
    pub(crate) fn begin(
        options: &InvestigateOptions,
        files: Vec<(Role, PathBuf)>,
        hosts: &Hosts,
        memory: usize,
        workplace: &Workplace,
    ) -> Result<(Self, Builder), Failure> {
        let setup = setup(options, hosts);
        let fits = |about: &About| about.fits(&setup, &files);
        let (about, builder) = match Builder::resume(hosts.clone(), memory, workplace.folder(), fits) {
            Ok((builder, about)) => {
                let (read, all) = (about.read.len(), files.len());
                let place = workplace.folder().display();
                say!("going on after {read} of {all} files that were read before ({place})");
                (about, builder)
            }
            Err(why) => {
                if !matches!(why, NotResumed::Nothing) {
                    say!("reading begins anew: {why}");
                }
                let builder = Builder::resumable(hosts.clone(), memory, workplace.folder())?;
                (About { setup, read: Vec::new(), inputs: Vec::new() }, builder)
            }
        };
        let mut left = about.left(files);
        left.reverse();
        let every = Duration::from_secs(options.save_every);
        let (last, took) = (Instant::now(), Duration::ZERO);
        Ok((Self { about, left, every, last, took, can_save: true }, builder))
    }

    /// The next file to be read.
    pub(crate) fn next(&mut self) -> Option<(Role, PathBuf)> {
        self.left.pop()
    }

    /// A file was read, which was `file` before that. Saves if it is time to.
    pub(crate) fn read(
        &mut self,
        file: Option<FileRead>,
        input: InputSummary,
        builder: &mut Builder,
        progress: &mut Progress,
    ) {
        self.about.inputs.push(input);
        match file {
            Some(file) => self.about.read.push(file),
            None => self.can_save = false,
        }
        if self.can_save && self.is_time() {
            self.save(builder, progress);
        }
    }

    /// All files that were read, in their order, and how that went.
    pub(crate) fn into_inputs(self) -> Vec<InputSummary> {
        self.about.inputs
    }

    fn is_time(&self) -> bool {
        let rest = if self.every.is_zero() { Duration::ZERO } else { self.took.saturating_mul(SHARE) };
        self.last.elapsed() >= self.every.max(rest)
    }

    fn save(&mut self, builder: &mut Builder, progress: &mut Progress) {
        progress.begin("saving what was read");
        let begun = Instant::now();
        if let Err(error) = builder.save(&self.about) {
            // The work itself goes on well without.
            progress.begin("");
            say!("{error}; if this is stopped now, more has to be read again");
            self.can_save = false;
        }
        (self.took, self.last) = (begun.elapsed(), Instant::now());
    }
}

impl About {
    /// Whether reading can go on from there, or why not.
    fn fits(&self, setup: &[(String, String)], files: &[(Role, PathBuf)]) -> Result<(), String> {
        if self.setup.len() != setup.len() {
            return Err("it was saved by another program".to_owned());
        }
        if let Some(((what, _), _)) = self.setup.iter().zip(setup).find(|(then, now)| then != now) {
            return Err(format!("{what} is not what it was"));
        }
        let mut there: HashMap<(Role, &Path), usize> = HashMap::new();
        files.iter().for_each(|(role, file)| *there.entry((*role, file)).or_default() += 1);
        for read in &self.read {
            let path = Path::new(&read.path);
            match there.get_mut(&(read.role, path)).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => {
                    return Err(format!("{} was read, and is not among the files any more", path.display()));
                }
            }
            if FileRead::of(read.role, path).as_ref() != Some(read) {
                return Err(format!("{} has changed since it was read", path.display()));
            }
        }
        Ok(())
    }

    /// Those of the files that were not read; one that is named twice is read twice.
    fn left(&self, files: Vec<(Role, PathBuf)>) -> Vec<(Role, PathBuf)> {
        let mut read: HashMap<(Role, PathBuf), usize> = HashMap::new();
        for file in &self.read {
            *read.entry((file.role, PathBuf::from(&file.path))).or_default() += 1;
        }
        let is_left = |file: &(Role, PathBuf)| match read.get_mut(file) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        files.into_iter().filter(is_left).collect()
    }
}

impl FileRead {
    /// A file as it is now; nothing, if it can't be read twice.
    pub(crate) fn of(role: Role, path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self {
            role,
            path: path.into(),
            absolute: std::path::absolute(path).ok()?.into(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// All on which it depends what is made of a file.
fn setup(options: &InvestigateOptions, hosts: &Hosts) -> Vec<(String, String)> {
    let zones: Vec<_> = options.zone.iter().map(|(side, zone)| (side, zone.iana_name())).collect();
    [
        ("the program", program()),
        ("the host map", digest(hosts)),
        ("--zone", format!("{zones:?}")),
        ("--year", format!("{:?}", options.year)),
        ("--trace-format", format!("{:?}", options.trace_format)),
        ("--flow-format", format!("{:?}", options.flow_format)),
        ("--trace-columns", format!("{:?}", options.trace_columns)),
        ("--flow-columns", format!("{:?}", options.flow_columns)),
    ]
    .map(|(what, value)| (what.to_owned(), value))
    .into()
}

/// Which build this is: what is saved has no form that another would have to know.
fn program() -> String {
    let file = std::env::current_exe().and_then(fs::metadata);
    let built = file.map(|file| (file.len(), file.mtime(), file.mtime_nsec())).ok();
    format!("{} {built:?}", env!("CARGO_PKG_VERSION"))
}

fn digest(hosts: &Hosts) -> String {
    let mut sum = Sha256::new();
    for place in hosts.places() {
        sum.update(format!("{place:?}\n"));
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
