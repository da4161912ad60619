//! Readers that count and hash what passes through them.

use std::cell::Cell;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::digest::Digest;

/// Reads a blob, and knows in the end whether it was the one that was asked for.
pub(super) struct Verified<R> {
    source: io::Take<R>,
    hasher: Sha256,
    length: u64,
}

impl<R: Read> Verified<R> {
    /// Reads at most `length` bytes of `source`.
    pub(super) fn new(source: R, length: u64) -> Self {
        Self { source: source.take(length), hasher: Sha256::new(), length: 0 }
    }

    /// Reads what is left, and returns the length and digest of everything.
    pub(super) fn finish(mut self) -> io::Result<(u64, Digest)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.length, Digest::finish(self.hasher)))
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buf)?;
        self.hasher.update(&buf[..read]);
        self.length += read as u64;
        Ok(read)
    }
}

/// How much may still be read of a layer's tar, in all and before the next entry's content begins.
///
/// The second bound is there because a tar reader takes long names and PAX records into memory at
/// whatever length they declare. An entry's content is always read to its end before the next
/// header is asked for, so what is read in between is header.
pub(super) struct Meter {
    left: Cell<u64>,
    header_left: Cell<Option<u64>>,
    tripped: Cell<Option<Tripped>>,
}

/// Which bound was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tripped {
    Stream,
    Header,
}

impl Meter {
    /// Padding and headers of one entry: names of 4 KiB, and room for PAX records such as xattrs.
    pub(super) const HEADER: u64 = 1 << 20;

    pub(super) fn new(left: u64) -> Self {
        Self { left: Cell::new(left), header_left: Cell::new(None), tripped: Cell::new(None) }
    }

    /// The bound that was hit, if one was.
    pub(super) fn tripped(&self) -> Option<Tripped> {
        self.tripped.get()
    }

    /// What is left of the bound on the whole.
    pub(super) fn left(&self) -> u64 {
        self.left.get()
    }

    /// Runs `step`, which reads headers only.
    pub(super) fn header<T>(&self, step: impl FnOnce() -> T) -> T {
        self.header_left.set(Some(Self::HEADER));
        let result = step();
        self.header_left.set(None);
        result
    }

    /// Takes note of `read` bytes.
    pub(super) fn pass(&self, read: u64) -> io::Result<()> {
        let trip = |what| {
            self.tripped.set(Some(what));
            Err(io::Error::other("limit exceeded"))
        };
        match self.left.get().checked_sub(read) {
            Some(left) => self.left.set(left),
            None => return trip(Tripped::Stream),
        }
        match self.header_left.get().map(|left| left.checked_sub(read)) {
            Some(None) => trip(Tripped::Header),
            left => {
                self.header_left.set(left.flatten());
                Ok(())
            }
        }
    }
}

/// Reads a decompressed layer within the bounds of a [`Meter`], and hashes it.
pub(super) struct Metered<'m, R> {
    source: R,
    hasher: Sha256,
    meter: &'m Meter,
}

impl<'m, R: Read> Metered<'m, R> {
    pub(super) fn new(source: R, meter: &'m Meter) -> Self {
        Self { source, hasher: Sha256::new(), meter }
    }

    /// Reads what is left, and returns the digest of everything.
    pub(super) fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Digest::finish(self.hasher))
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buf)?;
        self.meter.pass(read as u64)?;
        self.hasher.update(&buf[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_stops_at_its_bound_and_says_which() {
        let meter = Meter::new(10);
        let mut reader = Metered::new(&[0; 64][..], &meter);
        assert!(reader.read_exact(&mut [0; 10]).is_ok());
        assert_eq!((meter.left(), meter.tripped()), (0, None));
        assert!(reader.read_exact(&mut [0; 1]).is_err());
        assert_eq!(meter.tripped(), Some(Tripped::Stream));
    }

    #[test]
    fn the_header_bound_holds_between_entries_only() {
        let meter = Meter::new(u64::MAX);
        let mut reader = Metered::new(io::repeat(0), &meter);
        let over = Meter::HEADER + 1;
        assert!(io::copy(&mut reader.by_ref().take(over), &mut io::sink()).is_ok());
        assert!(meter.header(|| io::copy(&mut reader.by_ref().take(over), &mut io::sink())).is_err());
        assert_eq!(meter.tripped(), Some(Tripped::Header));
    }
}
