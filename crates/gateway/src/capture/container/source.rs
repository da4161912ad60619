//! Bytes of a file in order, with their place: a buffer that holds one record at a time.

use std::io::{ErrorKind, Read};

use super::{Broken, Reason};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// The longest record that is read as a whole. Capture programs cut packets at 256 KiB.
pub(super) const LONGEST: usize = 1024 * 1024;

/// A reader that knows where it is. Holds at most [`LONGEST`] and [`CHUNK`] bytes.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The place of `start` in the file.
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; CHUNK], start: 0, end: 0, offset: 0 }
    }

    /// Where the next byte stands in the file.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// What is read but not taken.
    pub(super) fn ahead(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads until so many bytes are ahead, and gives how many there are: fewer at the end of the file.
    pub(super) fn fill(&mut self, wanted: usize) -> Result<usize, Reason> {
        let wanted = wanted.min(LONGEST);
        if self.buffer.len() - self.start < wanted {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted + CHUNK, 0);
            }
        }
        while self.end - self.start < wanted {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.inner.read(room) {
                Ok(0) => break,
                Ok(read) => self.end += read.min(self.buffer.len() - self.end),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Reason::Unreadable(error.to_string())),
            }
        }
        Ok(self.end - self.start)
    }

    /// Reads so many bytes ahead without taking them; it is an error if the file ends before.
    pub(super) fn need(&mut self, what: &'static str, wanted: usize) -> Result<&[u8], Reason> {
        let found = self.fill(wanted)?;
        self.ahead().get(..wanted).ok_or(Reason::Truncated {
            what,
            wanted: wanted as u64,
            found: found as u64,
        })
    }

    /// Takes bytes that are ahead.
    pub(super) fn take(&mut self, length: usize) -> &[u8] {
        let start = self.start;
        self.start = (start + length).min(self.end);
        self.offset += (self.start - start) as u64;
        self.buffer.get(start..self.start).unwrap_or_default()
    }

    /// Passes over bytes, however many. If the file ends before, the place stays where it was.
    pub(super) fn skip(&mut self, what: &'static str, length: u64) -> Result<(), Reason> {
        let mut left = length;
        while left > 0 {
            let step = left.min(CHUNK as u64) as usize; // at most CHUNK
            if self.fill(step)? < step {
                let passed = length - left;
                let found = passed + self.ahead().len() as u64;
                self.offset -= passed;
                return Err(Reason::Truncated { what, wanted: length, found });
            }
            self.take(step);
            left -= step as u64;
        }
        Ok(())
    }

    /// That reading stops here.
    pub(super) const fn broken(offset: u64, packets: u64, reason: Reason) -> Broken {
        Broken { offset, packets, reason }
    }
}
