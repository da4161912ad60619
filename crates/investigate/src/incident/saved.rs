//! Reading that goes on after a break: all that a [`Builder`] holds, put down in a folder and taken up again.
//!
//! The folder has a file for each part's flows, which only grow, and the *state*: what else there is, and how much of each file
//! it counts on. A state is written beside, and renamed when it and the flows are on the disk; so one is whole or not there, and what
//! happens between two of them changes nothing that the first tells of ([`Part`](super::part::Part)). It ends with a digest: one that
//! was torn or changed is never taken for what was read. It is no archive: only the same build of the same program reads it, which whoever
//! saves has to see to, by what is written `about` it.
//!
//! The form: [`MAGIC`], a line of JSON for whoever saves, the state as MessagePack, 32 bytes of SHA-256 over all before. MessagePack doesn't tell
//! `Some(None)` from `None`: nothing that is saved may hold an option inside an option.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use intake::Origin;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::calls::CallRow;
use super::flows::Before;
use super::gpu::Gpus;
use super::part::Saved;
use super::parts::{Flows, Keep, KeepError};
use super::record::Words;
use super::{Builder, End, Incident, LeftOut, Texts, Timed, Visits};
use crate::hosts::Hosts;

/// What a state begins with; the number is that of its form.
const MAGIC: &[u8] = b"aurelian reading 1\n";
const STATE: &str = "state";
/// A state that is being written.
const PARTIAL: &str = "state.partial";
/// How names of files with flows begin.
pub(super) const FLOWS: &str = "flows-";
const DIGEST: usize = 32;

/// What was read can't be saved.
#[derive(Debug, Error)]
#[error("{}: can't save there what was read: {source}", folder.display())]
pub struct SaveError {
    folder: PathBuf,
    source: io::Error,
}

/// Why reading begins anew.
#[derive(Debug, Error)]
pub enum NotResumed {
    /// Nothing was saved.
    #[error("nothing was saved")]
    Nothing,
    /// What was saved can't be trusted.
    #[error("what was saved is damaged: {0}")]
    Damaged(String),
    /// It is of other reading.
    #[error("{0}")]
    Other(String),
}

#[derive(Serialize, Deserialize)]
struct State<'a> {
    calls: Cow<'a, [CallRow]>,
    /// Where they were read.
    origins: Vec<Origins>,
    texts: [Cow<'a, Texts>; 7],
    ends: Cow<'a, [End]>,
    visits: Cow<'a, [Visits]>,
    timed: Cow<'a, [Timed]>,
    left_out: LeftOut,
    flows: u64,
    words: Cow<'a, Words>,
    parts: Vec<Saved>,
    before: Cow<'a, Before>,
    gpus: Cow<'a, Gpus>,
}

/// A file, or a file inside an archive, and the offsets of the calls in it that come together.
#[derive(Serialize, Deserialize)]
struct Origins {
    file: OsString,
    member: Option<Arc<str>>,
    offsets: Vec<u64>,
}

impl Builder {
    /// Begins an incident that can be [saved](Self::save) in `folder`, which must be there, is for nothing else, and is emptied. At
    /// most `memory` bytes of flows are in memory.
    ///
    /// # Errors
    /// If the folder can't be emptied.
    pub fn resumable(hosts: Hosts, memory: usize, folder: &Path) -> Result<Self, SaveError> {
        forget(folder)?;
        let keep = Keep { beyond: Some((memory, folder.to_owned())) };
        Ok(Self::with(hosts, Flows::resumable(keep)))
    }

    /// Goes on where `folder` was left. `fits` looks at what was told of it, and says why it is of no use if so; the hosts must be
    /// the same, and a baseline has to be laid beside it again.
    ///
    /// # Errors
    /// If there is nothing to go on from.
    pub fn resume<A: DeserializeOwned>(
        hosts: Hosts,
        memory: usize,
        folder: &Path,
        fits: impl FnOnce(&A) -> Result<(), String>,
    ) -> Result<(Self, A), NotResumed> {
        let mut reader = verified(&folder.join(STATE))?;
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).map_err(damaged)?;
        let about = serde_json::from_slice(&line).map_err(damaged)?;
        fits(&about).map_err(NotResumed::Other)?;
        let state: State<'static> = rmp_serde::from_read(reader).map_err(damaged)?;
        let keep = Keep { beyond: Some((memory, folder.to_owned())) };
        Ok((Self::of(hosts, keep, state)?, about))
    }

    fn of(hosts: Hosts, keep: Keep, state: State<'_>) -> Result<Self, NotResumed> {
        let flows = Flows::resume(keep, (state.flows, state.words.into_owned(), state.parts));
        let mut builder = Self::with(hosts, flows.map_err(|error| damaged(format!("flows: {error}")))?);
        let [runs, kinds, tools, destinations, trace_clocks, flow_clocks, places] =
            state.texts.map(Cow::into_owned);
        let mut calls = state.calls.into_owned();
        lay_origins(&mut calls, state.origins);
        builder.incident = Incident {
            calls,
            flows: builder.incident.flows,
            runs,
            kinds,
            tools,
            destinations,
            trace_clocks,
            flow_clocks,
            places,
            ends: state.ends.into_owned(),
            visits: state.visits.into_owned(),
            timed: state.timed.into_owned(),
            gone: Vec::new(),
            left_out: state.left_out,
            beside: None,
        };
        builder.before = state.before.into_owned();
        builder.gpus = state.gpus.into_owned();
        Ok(builder)
    }

    /// Puts down all that was taken in, and what whoever reads will want to know `about` it. What was saved before is gone then, or if
    /// it fails still there. Nothing is done where the incident was not begun to be saved.
    ///
    /// # Errors
    /// If it can't be written. What was taken in is still whole.
    pub fn save<A: Serialize>(&mut self, about: &A) -> Result<(), SaveError> {
        let Some(folder) = self.incident.flows.folder().map(Path::to_owned) else { return Ok(()) };
        let kept = |KeepError { source, .. }| source;
        let saved = (|| {
            self.incident.flows.put_down().map_err(kept)?;
            self.write_state(about, &folder.join(PARTIAL))?;
            fs::rename(folder.join(PARTIAL), folder.join(STATE))?;
            self.incident.flows.may_be_saved();
            sync_folder(&folder)?;
            self.incident.flows.is_saved().map_err(kept)
        })();
        saved.map_err(failed(&folder))
    }

    fn write_state<A: Serialize>(&self, about: &A, path: &Path) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 20, Summed::new(File::create(path)?));
        writer.write_all(MAGIC)?;
        serde_json::to_writer(&mut writer, about)?;
        writer.write_all(b"\n")?;
        rmp_serde::encode::write(&mut writer, &self.state()).map_err(io::Error::other)?;
        let Summed { mut to, sum } = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        to.write_all(&sum.finalize())?;
        to.sync_all()
    }

    fn state(&self) -> State<'_> {
        // By name, so that what is added one day isn't forgotten here.
        let Self { hosts: _, incident, places: _, before, gpus } = self;
        let Incident {
            calls,
            flows,
            runs,
            kinds,
            tools,
            destinations,
            trace_clocks,
            flow_clocks,
            places,
            ends,
            visits,
            timed,
            gone: _,
            left_out,
            beside: _,
        } = incident;
        let (count, words, parts) = flows.state();
        State {
            calls: Cow::Borrowed(calls),
            origins: origins(calls),
            texts: [runs, kinds, tools, destinations, trace_clocks, flow_clocks, places].map(Cow::Borrowed),
            ends: Cow::Borrowed(ends),
            visits: Cow::Borrowed(visits),
            timed: Cow::Borrowed(timed),
            left_out: *left_out,
            flows: count,
            words: Cow::Borrowed(words),
            parts,
            before: Cow::Borrowed(before),
            gpus: Cow::Borrowed(gpus),
        }
    }
}

fn origins(calls: &[CallRow]) -> Vec<Origins> {
    let are_together = |a: &CallRow, b: &CallRow| {
        Arc::ptr_eq(&a.origin.file, &b.origin.file) && a.origin.member == b.origin.member
    };
    let of = |calls: &[CallRow]| {
        let first = calls.first().map(|call| &call.origin);
        Origins {
            file: first.map_or(OsString::new(), |origin| origin.file.as_os_str().to_owned()),
            member: first.and_then(|origin| origin.member.clone()),
            offsets: calls.iter().map(|call| call.origin.offset).collect(),
        }
    };
    calls.chunk_by(are_together).map(of).collect()
}

fn lay_origins(calls: &mut [CallRow], origins: Vec<Origins>) {
    let mut calls = calls.iter_mut();
    for Origins { file, member, offsets } in origins {
        let file: Arc<Path> = Path::new(&file).into();
        for (offset, call) in offsets.into_iter().zip(&mut calls) {
            call.origin = Origin { member: member.clone(), ..Origin::new(Arc::clone(&file), offset) };
        }
    }
}

/// A state whose digest is right, after its [`MAGIC`].
fn verified(path: &Path) -> Result<BufReader<io::Take<File>>, NotResumed> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotResumed::Nothing),
        Err(error) => return Err(damaged(error)),
    };
    let length = file.metadata().map_err(damaged)?.len();
    let length = length.checked_sub(DIGEST as u64).ok_or_else(|| damaged("it is cut off"))?;
    let mut sum = Summed::new(io::sink());
    io::copy(&mut (&mut file).take(length), &mut sum).map_err(damaged)?;
    let mut digest = [0; DIGEST];
    file.read_exact(&mut digest).map_err(damaged)?;
    if sum.sum.finalize()[..] != digest {
        return Err(damaged("its digest is wrong"));
    }
    file.rewind().map_err(damaged)?;
    let mut reader = BufReader::with_capacity(1 << 20, file.take(length));
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic).map_err(damaged)?;
    if magic != MAGIC { Err(damaged("it is of another form")) } else { Ok(reader) }
}

fn damaged(why: impl ToString) -> NotResumed {
    NotResumed::Damaged(why.to_string())
}

fn failed(folder: &Path) -> impl FnOnce(io::Error) -> SaveError {
    |source| SaveError { folder: folder.to_owned(), source }
}

/// Whether something was saved in `folder` that reading may go on from.
pub fn is_saved(folder: &Path) -> bool {
    folder.join(STATE).exists()
}

/// Removes from `folder` all that was saved there.
///
/// # Errors
/// If it can't be removed.
pub fn forget(folder: &Path) -> Result<(), SaveError> {
    clear(folder).map_err(failed(folder))
}

/// There is no state any more.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(STATE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder(folder)),
    }
}

/// Removes a state, and then what it counts on.
fn clear(folder: &Path) -> io::Result<()> {
    remove(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == PARTIAL || name.as_encoded_bytes().starts_with(FLOWS.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What was renamed and removed in it is so on the disk too.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Sums up what it passes on.
struct Summed<W> {
    to: W,
    sum: Sha256,
}

impl<W> Summed<W> {
    fn new(to: W) -> Self {
        Self { to, sum: Sha256::new() }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests;
