//! The flows of an incident, in parts by their places: what is too many for memory lies in files.
//!
//! All that is asked of flows is asked part by part, and what happens at one place is in one part. So no more is in memory at
//! once than a few parts, whatever was read. Flows of nobody's place are spread over the parts.
//!
//! The flows of one place are never taken apart: without a host map all of them are one part.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zerocopy::IntoBytes;

use super::FlowRow;
use super::record::{Record, Words};

/// How many parts there are.
const PARTS: usize = 256;

/// Flows can't be kept, or can't be had again.
#[derive(Debug, Error)]
#[error("can't keep flows in a file in {}: {source}; there must be room for {} bytes a flow, or --memory for all of them", folder.display(), Record::SIZE)]
pub struct KeepError {
    folder: PathBuf,
    source: io::Error,
}

/// How much is kept in memory, and where the rest is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// At most so many bytes of flows in memory, and the folder for files with the rest, which have no names there; nothing: all are
    /// in memory.
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
}

#[derive(Debug, Default)]
struct Part {
    /// The first of its records, and how many there are in it.
    file: Option<File>,
    in_file: usize,
    /// The rest.
    recent: Vec<Record>,
}

/// Where a flow is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    part: u32,
    at: u32,
}

impl Flows {
    pub(super) fn new(keep: Keep) -> Self {
        Self { parts: (0..PARTS).map(|_| Part::default()).collect(), keep, ..Self::default() }
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
        let mut in_file = vec![Record::blank(); part.in_file];
        if let Some(file) = &part.file {
            file.read_exact_at(in_file.as_mut_bytes(), 0).map_err(self.keep.failed())?;
        }
        Ok(in_file.iter().chain(&part.recent).map(|record| record.unpack(&self.words)).collect())
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
            part.recent.push(record);
        }
        self.in_memory += 1;
        if self.keep.beyond.as_ref().is_some_and(|(bytes, _)| self.in_memory > bytes / Record::SIZE) {
            self.put_into_files()?;
        }
        Ok(position)
    }

    /// A flow.
    pub(super) fn get(&self, position: Position) -> Result<Option<FlowRow>, KeepError> {
        let Some(part) = self.parts.get(position.part as usize) else { return Ok(None) };
        let at = position.at as usize;
        let Some(in_file) = part.file.as_ref().filter(|_| at < part.in_file) else {
            let recent = at.checked_sub(part.in_file).and_then(|at| part.recent.get(at));
            return Ok(recent.map(|record| record.unpack(&self.words)));
        };
        let mut record = Record::blank();
        in_file
            .read_exact_at(record.as_mut_bytes(), (at * Record::SIZE) as u64)
            .map_err(self.keep.failed())?;
        Ok(Some(record.unpack(&self.words)))
    }

    /// Puts a changed flow in its place.
    pub(super) fn set(&mut self, position: Position, row: &FlowRow) -> Result<(), KeepError> {
        let Some(part) = self.parts.get_mut(position.part as usize) else { return Ok(()) };
        let (at, record) = (position.at as usize, Record::pack(row, &mut self.words));
        if let Some(known) = at.checked_sub(part.in_file).and_then(|at| part.recent.get_mut(at)) {
            *known = record;
        } else if let Some(file) = &part.file {
            file.write_all_at(record.as_bytes(), (at * Record::SIZE) as u64).map_err(self.keep.failed())?;
        }
        Ok(())
    }

    /// Puts changed flows in the place of a part's: as many, in their order.
    pub(crate) fn put(&mut self, part: usize, rows: &[FlowRow]) -> Result<(), KeepError> {
        let Some(part) = self.parts.get_mut(part).filter(|part| part.len() == rows.len()) else {
            return Ok(());
        };
        let (in_file, recent) = rows.split_at(part.in_file);
        part.recent.clear();
        part.recent.extend(recent.iter().map(|row| Record::pack(row, &mut self.words)));
        if let Some(file) = &part.file {
            let records: Vec<_> = in_file.iter().map(|row| Record::pack(row, &mut self.words)).collect();
            file.write_all_at(records.as_bytes(), 0).map_err(self.keep.failed())?;
        }
        Ok(())
    }

    fn put_into_files(&mut self) -> Result<(), KeepError> {
        let Some((_, folder)) = &self.keep.beyond else { return Ok(()) };
        for part in &mut self.parts {
            part.put_into_file(folder).map_err(self.keep.failed())?;
        }
        self.in_memory = 0;
        Ok(())
    }
}

impl Part {
    fn len(&self) -> usize {
        self.in_file + self.recent.len()
    }

    fn put_into_file(&mut self, folder: &Path) -> io::Result<()> {
        if self.recent.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(folder)?),
        };
        file.write_all_at(self.recent.as_bytes(), (self.in_file * Record::SIZE) as u64)?;
        self.in_file += self.recent.len();
        self.recent = Vec::new();
        Ok(())
    }
}

impl Keep {
    fn failed(&self) -> impl FnOnce(io::Error) -> KeepError {
        let folder = || self.beyond.as_ref().map(|(_, folder)| folder.clone()).unwrap_or_default();
        move |source| KeepError { folder: folder(), source }
    }
}
