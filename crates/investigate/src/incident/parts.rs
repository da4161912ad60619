//! The flows of an incident, in parts by their places: what is too many for memory lies in files.
//!
//! All that is asked of flows is asked part by part, and what happens at one place is in one part. So no more is in memory at
//! once than a few parts, whatever was read. Flows of nobody's place are spread over the parts.
//!
//! The flows of one place are never taken apart: without a host map all of them are one part.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::FlowRow;
use super::part::{Part, Saved};
use super::record::{Record, Words};
use super::saved;

/// How many parts there are.
const PARTS: usize = 256;

/// Flows can't be kept, or can't be had again.
#[derive(Debug, Error)]
#[error("can't keep flows in a file in {}: {source}; there must be room for {} bytes a flow, or --memory for all of them", folder.display(), Record::SIZE)]
pub struct KeepError {
    folder: PathBuf,
    pub(super) source: io::Error,
}

/// How much is kept in memory, and where the rest is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// At most so many bytes of flows in memory, and the folder for files with the rest, which have no names there unless what is
    /// read can be saved; nothing: all are in memory.
    pub beyond: Option<(usize, PathBuf)>,
}

/// The flows.
#[derive(Debug, Default)]
pub struct Flows {
    parts: Vec<Part>,
    words: Words,
    keep: Keep,
    in_memory: usize,
    count: u64,
    /// What is read can be saved: files have names.
    resumable: bool,
}

/// Where a flow is kept.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Position {
    part: u32,
    at: u32,
}

impl Flows {
    pub(super) fn new(keep: Keep) -> Self {
        Self { parts: (0..PARTS).map(|_| Part::default()).collect(), keep, ..Self::default() }
    }

    /// Flows of a reading that can be saved.
    pub(super) fn resumable(keep: Keep) -> Self {
        Self { resumable: true, ..Self::new(keep) }
    }

    /// How many flows there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many parts there are; some are empty.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// In which part the flows of a place are.
    pub(crate) fn part_of(place: u32) -> usize {
        place as usize % PARTS
    }

    /// How many flows a part has.
    pub fn part_len(&self, part: usize) -> usize {
        self.parts.get(part).map_or(0, Part::len)
    }

    /// The flows of a part, in the order in which they were read.
    ///
    /// # Errors
    /// If they can't be had from their file.
    pub fn part(&self, part: usize) -> Result<Vec<FlowRow>, KeepError> {
        let Some(part) = self.parts.get(part) else { return Ok(Vec::new()) };
        let records = part.records().map_err(self.keep.failed())?;
        Ok(records.iter().map(|record| record.unpack(&self.words)).collect())
    }

    /// All flows in the order in which they were read: for incidents that are known to be small.
    ///
    /// # Errors
    /// If they can't be had from their files.
    pub fn all(&self) -> Result<Vec<FlowRow>, KeepError> {
        let mut all = Vec::new();
        for part in 0..self.parts() {
            all.extend(self.part(part)?);
        }
        all.sort_by_key(|row| row.number);
        Ok(all)
    }

    /// Whether any is known by id.
    pub(crate) fn any_exact(&self) -> bool {
        self.words.any_exact()
    }

    /// Adds a flow, which gets the next number.
    pub(super) fn push(&mut self, mut row: FlowRow) -> Result<Position, KeepError> {
        row.number = self.count;
        self.count += 1;
        let part = match row.place {
            Some(place) => Self::part_of(place),
            None => (row.number % PARTS as u64) as usize,
        };
        let record = Record::pack(&row, &mut self.words);
        let position = Position { part: part as u32, at: self.part_len(part) as u32 };
        if let Some(part) = self.parts.get_mut(part) {
            part.push(record);
        }
        self.in_memory += 1;
        self.keep_bound()?;
        Ok(position)
    }

    /// A flow.
    pub(super) fn get(&self, position: Position) -> Result<Option<FlowRow>, KeepError> {
        let Some(part) = self.parts.get(position.part as usize) else { return Ok(None) };
        let record = part.get(position.at).map_err(self.keep.failed())?;
        Ok(record.map(|record| record.unpack(&self.words)))
    }

    /// Puts a changed flow in its place.
    pub(super) fn set(&mut self, position: Position, row: &FlowRow) -> Result<(), KeepError> {
        let Some(part) = self.parts.get_mut(position.part as usize) else { return Ok(()) };
        let record = Record::pack(row, &mut self.words);
        let before = part.in_memory();
        part.set(position.at, record).map_err(self.keep.failed())?;
        self.in_memory += part.in_memory() - before;
        self.keep_bound()
    }

    /// Puts changed flows in the place of a part's: as many, in their order.
    pub(crate) fn put(&mut self, part: usize, rows: &[FlowRow]) -> Result<(), KeepError> {
        let Some(part) = self.parts.get_mut(part).filter(|part| part.len() == rows.len()) else {
            return Err(self.keep.failed()(io::ErrorKind::InvalidInput.into()));
        };
        let records: Vec<_> = rows.iter().map(|row| Record::pack(row, &mut self.words)).collect();
        part.put(&records, || self.keep.nameless()).map_err(self.keep.failed())
    }

    /// Moves flows into files if there are too many in memory.
    fn keep_bound(&mut self) -> Result<(), KeepError> {
        let Some(most) = self.keep.beyond.as_ref().map(|(bytes, _)| bytes / Record::SIZE) else {
            return Ok(());
        };
        if self.in_memory > most {
            self.put_into_files()?;
            if self.in_memory > most / 2 {
                self.give_up()?;
            }
        }
        Ok(())
    }

    fn put_into_files(&mut self) -> Result<(), KeepError> {
        for (number, part) in self.parts.iter_mut().enumerate() {
            let make = || if self.resumable { self.keep.named(number, true) } else { self.keep.nameless() };
            part.put_into_file(make).map_err(self.keep.failed())?;
        }
        self.count_in_memory();
        Ok(())
    }

    fn count_in_memory(&mut self) {
        self.in_memory = self.parts.iter().map(Part::in_memory).sum();
    }

    /// What was saved is of no use any more: too much of it has changed.
    fn give_up(&mut self) -> Result<(), KeepError> {
        let Some((_, folder)) = &self.keep.beyond else { return Ok(()) };
        saved::remove(folder).map_err(self.keep.failed())?;
        self.parts.iter_mut().try_for_each(Part::is_given_up).map_err(self.keep.failed())?;
        self.count_in_memory();
        Ok(())
    }
}

/// What saving, and going on from it, needs.
impl Flows {
    /// The folder for what is saved, if that is wanted.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.keep.beyond.as_ref().map(|(_, folder)| &**folder).filter(|_| self.resumable)
    }

    /// All flows are in files, and on the disk.
    pub(super) fn put_down(&mut self) -> Result<(), KeepError> {
        self.put_into_files()?;
        self.parts.iter_mut().try_for_each(Part::sync).map_err(self.keep.failed())
    }

    /// What a state has to tell of flows that are put down.
    pub(super) fn state(&self) -> (u64, &Words, Vec<Saved>) {
        (self.count, &self.words, self.parts.iter().map(Part::state).collect())
    }

    /// A state that tells it may be there.
    pub(super) fn may_be_saved(&mut self) {
        self.parts.iter_mut().for_each(Part::may_be_saved);
    }

    /// It is there for good, and no other.
    pub(super) fn is_saved(&mut self) -> Result<(), KeepError> {
        self.parts.iter_mut().try_for_each(Part::is_saved).map_err(self.keep.failed())?;
        self.count_in_memory();
        Ok(())
    }

    /// The flows that a state tells of.
    pub(super) fn resume(keep: Keep, (count, words, saved): (u64, Words, Vec<Saved>)) -> io::Result<Self> {
        let mut flows = Self::resumable(keep);
        if saved.len() != flows.parts.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        for (number, (part, saved)) in flows.parts.iter_mut().zip(saved).enumerate() {
            *part = Part::resume(saved, || flows.keep.named(number, false))?;
        }
        (flows.count, flows.words) = (count, words);
        flows.count_in_memory();
        Ok(flows)
    }
}

impl Keep {
    /// A file that nobody else sees.
    fn nameless(&self) -> io::Result<File> {
        tempfile::tempfile_in(self.beyond.as_ref().map_or(Path::new(""), |(_, folder)| folder))
    }

    /// The file of a part: an empty one, or what is there.
    fn named(&self, part: usize, empty: bool) -> io::Result<File> {
        let Some((_, folder)) = &self.beyond else { return self.nameless() };
        let file = folder.join(format!("{}{part:03}", saved::FLOWS));
        OpenOptions::new().read(true).write(true).create(empty).truncate(empty).open(file)
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> KeepError {
        let folder = || self.beyond.as_ref().map(|(_, folder)| folder.clone()).unwrap_or_default();
        move |source| KeepError { folder: folder(), source }
    }
}
