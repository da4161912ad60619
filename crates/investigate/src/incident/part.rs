//! The records of one part: the first of them in a file, where they are too many for memory, the rest in memory.
//!
//! Reading that goes on after a break counts on the records that its [saved state](super::saved) tells of. So they stay in
//! their file as they are: what becomes of them later is kept beside, goes into the next state, and into the file only then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

use super::record::Record;

#[derive(Debug, Default)]
pub(super) struct Part {
    /// The first of its records, and how many there are in it.
    file: Option<File>,
    in_file: usize,
    /// The rest.
    recent: Vec<Record>,
    /// On so many of those in the file a saved state counts.
    saved: usize,
    /// What has become of these.
    amended: Amended,
    /// Something was written that may not have come to the disk.
    unsynced: bool,
}

/// Changed records, by their places in the part.
type Amended = BTreeMap<u32, Record>;

/// What a saved state tells of a part.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    records: u64,
    amended: Amended,
}

impl Part {
    pub(super) fn len(&self) -> usize {
        self.in_file + self.recent.len()
    }

    /// How many of its records are in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.recent.len() + self.amended.len()
    }

    pub(super) fn push(&mut self, record: Record) {
        self.recent.push(record);
    }

    /// All its records.
    pub(super) fn records(&self) -> io::Result<Vec<Record>> {
        let mut records = vec![Record::blank(); self.in_file];
        if let Some(file) = &self.file {
            file.read_exact_at(records.as_mut_bytes(), 0)?;
        }
        for (at, amended) in &self.amended {
            if let Some(record) = records.get_mut(*at as usize) {
                *record = *amended;
            }
        }
        records.extend_from_slice(&self.recent);
        Ok(records)
    }

    /// One of its records.
    pub(super) fn get(&self, at: u32) -> io::Result<Option<Record>> {
        let place = at as usize;
        if let Some(recent) = place.checked_sub(self.in_file) {
            return Ok(self.recent.get(recent).copied());
        }
        let known = self.amended.get(&at).copied();
        let (None, Some(file)) = (known, &self.file) else { return Ok(known) };
        let mut record = Record::blank();
        file.read_exact_at(record.as_mut_bytes(), offset(place))?;
        Ok(Some(record))
    }

    /// Puts a changed record in its place.
    pub(super) fn set(&mut self, at: u32, record: Record) -> io::Result<()> {
        let place = at as usize;
        if let Some(recent) = place.checked_sub(self.in_file) {
            self.recent.get_mut(recent).into_iter().for_each(|known| *known = record);
        } else if place < self.saved {
            self.amended.insert(at, record);
        } else if let Some(file) = &self.file {
            file.write_all_at(record.as_bytes(), offset(place))?;
            self.unsynced = true;
        }
        Ok(())
    }

    /// Puts changed records in the place of all: as many, in their order. What a saved state counts on stays in its file, and these
    /// go into one that `make` makes.
    pub(super) fn put(
        &mut self,
        records: &[Record],
        make: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<()> {
        let (in_file, recent) = records.split_at(self.in_file.min(records.len()));
        if self.saved > 0 {
            self.file = Some(make()?);
            (self.saved, self.amended) = (0, Amended::new());
        }
        if let Some(file) = &self.file {
            file.write_all_at(in_file.as_bytes(), 0)?;
            self.unsynced = true;
        }
        self.recent.clear();
        self.recent.extend_from_slice(recent);
        Ok(())
    }

    /// Moves what is in memory to the file.
    pub(super) fn put_into_file(&mut self, make: impl FnOnce() -> io::Result<File>) -> io::Result<()> {
        if self.recent.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(make()?),
        };
        file.write_all_at(self.recent.as_bytes(), offset(self.in_file))?;
        self.in_file += self.recent.len();
        self.recent = Vec::new();
        self.unsynced = true;
        Ok(())
    }

    /// What is in the file is on the disk then.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_ref().filter(|_| self.unsynced) {
            file.sync_data()?;
        }
        self.unsynced = false;
        Ok(())
    }

    /// What a state has to tell of what is in the file.
    pub(super) fn state(&self) -> Saved {
        Saved { records: self.in_file as u64, amended: self.amended.clone() }
    }

    /// A state that counts on all of it may be there.
    pub(super) fn may_be_saved(&mut self) {
        self.saved = self.in_file;
    }

    /// It is there for good, and no other.
    pub(super) fn is_saved(&mut self) -> io::Result<()> {
        self.write_amended()
    }

    /// No state counts on anything any more.
    pub(super) fn is_given_up(&mut self) -> io::Result<()> {
        self.saved = 0;
        self.write_amended()
    }

    fn write_amended(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_ref().filter(|_| !self.amended.is_empty()) {
            for (at, record) in &self.amended {
                file.write_all_at(record.as_bytes(), offset(*at as usize))?;
            }
            self.amended.clear();
            self.unsynced = true;
        }
        Ok(())
    }

    /// The part that a state tells of. Its file, which `open` opens, must have all of it; what it has beyond is cut off.
    pub(super) fn resume(saved: Saved, open: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        let Saved { records, amended } = saved;
        if records == 0 {
            return Ok(Self::default());
        }
        let (file, records) = (open()?, usize::try_from(records).map_err(io::Error::other)?);
        let length = offset(records);
        if file.metadata()?.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.set_len(length)?;
        let file = Some(file);
        Ok(Self { file, in_file: records, saved: records, amended, unsynced: true, ..Self::default() })
    }
}

fn offset(records: usize) -> u64 {
    (records as u64).saturating_mul(Record::SIZE as u64)
}
