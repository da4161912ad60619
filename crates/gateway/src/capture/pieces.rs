//! Pieces of something that arrive in any order, more than once, and overlapping.
//!
//! The first one to bring a byte wins: a later piece fills only the holes between the others. Hosts differ in this,
//! and an attacker who knows which rule a watcher follows can show it something else; the number of bytes that came
//! twice is what tells of it.

use std::collections::BTreeMap;
use std::ops::Range;

/// What a piece costs beside its bytes: its place in the map and its allocation.
pub(super) const OVERHEAD: usize = 96;

/// Pieces that don't touch what was already taken.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: BTreeMap<u64, Box<[u8]>>,
    bytes: usize,
}

impl Pieces {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many pieces there are.
    pub(super) fn count(&self) -> usize {
        self.pieces.len()
    }

    /// How many bytes there are in all pieces.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The memory that the pieces take, about.
    pub(super) fn cost(&self) -> usize {
        self.bytes + self.pieces.len() * OVERHEAD
    }

    /// Where the first piece begins.
    pub(super) fn first(&self) -> Option<u64> {
        self.pieces.first_key_value().map(|(start, _)| *start)
    }

    /// The end of the last piece.
    pub(super) fn end(&self) -> Option<u64> {
        self.pieces.last_key_value().map(|(start, bytes)| start + bytes.len() as u64)
    }

    /// The first hole in this range, if there is one.
    pub(super) fn hole(&self, range: Range<u64>) -> Option<Range<u64>> {
        let mut start = range.start;
        if let Some((before, bytes)) = self.pieces.range(..=start).next_back() {
            start = start.max(before + bytes.len() as u64);
        }
        for (next, bytes) in self.pieces.range(start..range.end.max(start)) {
            if *next > start {
                return Some(start..*next);
            }
            start = next + bytes.len() as u64;
        }
        (start < range.end).then_some(start..range.end)
    }

    /// Keeps a piece that fills a hole, as [`hole`](Self::hole) found it.
    pub(super) fn fill(&mut self, start: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.pieces.insert(start, bytes.into());
        }
    }

    /// Keeps what is new of a piece, and gives how much that is.
    pub(super) fn insert(&mut self, start: u64, bytes: &[u8]) -> usize {
        let before = self.bytes;
        let end = start + bytes.len() as u64;
        let mut from = start;
        while let Some(hole) = self.hole(from..end) {
            let part = (hole.start - start) as usize..(hole.end - start) as usize; // within the piece
            self.fill(hole.start, bytes.get(part).unwrap_or_default());
            from = hole.end;
        }
        self.bytes - before
    }

    /// Takes the piece that begins here.
    pub(super) fn take(&mut self, start: u64) -> Option<Box<[u8]>> {
        let piece = self.pieces.remove(&start)?;
        self.bytes -= piece.len();
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_to_bring_a_byte_wins(inserts in prop::collection::vec((0u64..64, 0usize..24), 0..24)) {
            let mut model = [None; 128];
            let mut pieces = Pieces::default();
            for (number, (start, length)) in inserts.into_iter().enumerate() {
                let mut new = 0;
                for byte in &mut model[start as usize..start as usize + length] {
                    new += usize::from(byte.is_none());
                    byte.get_or_insert(number as u8);
                }
                prop_assert_eq!(pieces.insert(start, &vec![number as u8; length]), new);
            }
            let mut found = [None; 128];
            prop_assert_eq!(pieces.bytes(), model.iter().flatten().count());
            while let Some(start) = pieces.first() {
                let piece = pieces.take(start).expect("it is the first");
                for (at, byte) in piece.iter().enumerate() {
                    prop_assert_eq!(found[start as usize + at].replace(*byte), None);
                }
            }
            prop_assert_eq!(found, model);
            prop_assert_eq!(pieces.cost(), 0);
        }
    }
}
