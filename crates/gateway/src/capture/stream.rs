//! One direction of a TCP connection, put in order.
//!
//! A [`Stream`] takes segments as the capture has them (out of order, repeated, overlapping, some never captured) and
//! hands on what the receiver read: bytes in order, and holes where the capture has lost some. Of two segments that
//! bring the same byte the first wins.
//!
//! A hole is waited for while later bytes are kept, and given up when
//! - the receiver has acknowledged bytes behind it, and [`REORDERED`] segments came after it: it was only the capture
//!   that lost them;
//! - more than [`KEPT`] bytes or [`SEGMENTS`] segments are kept behind it, or more than the [`Budget`] of all streams;
//! - the connection ends.
//!
//! Without a SYN the first segment seen is the beginning: what was sent before is not known, and counts as repeated if
//! it comes later.

use super::pieces::Pieces;
use super::transport::Segment;

/// How many bytes one direction keeps behind a hole.
const KEPT: usize = 1024 * 1024;

/// How many segments one direction keeps behind a hole.
const SEGMENTS: usize = 1024;

/// How many segments may overtake one that the receiver has seen before it counts as lost.
const REORDERED: usize = 8;

/// How far ahead a segment can lie: the largest window there is (RFC 7323).
const WINDOW: i64 = 1 << 30;

/// What all streams together may keep.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) used: usize,
    pub(super) limit: usize,
}

/// What a receiver read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// These bytes, which stand at this place of the stream.
    Bytes(u64, &'a [u8]),
    /// So many bytes that were not captured.
    Hole(u64),
}

/// What was sent but not captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// In so many places.
    pub gaps: u64,
    /// So many bytes.
    pub bytes: u64,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Stream {
    next: Option<Next>,
    isn: Option<u32>,
    pending: Pieces,
    acknowledged: u64,
    end: Option<u64>,
    lost: Lost,
    repeated: u64,
}

/// The byte that is waited for.
#[derive(Clone, Copy, Debug)]
struct Next {
    sequence: u32,
    place: u64,
}

impl Next {
    /// How far ahead of it this number lies, or behind.
    fn distance(self, sequence: u32) -> i64 {
        i64::from(sequence.wrapping_sub(self.sequence).cast_signed())
    }

    /// Where in the stream this number lies, if it is at most a window away and not before the beginning.
    fn place(self, sequence: u32) -> Option<u64> {
        let distance = Some(self.distance(sequence)).filter(|distance| *distance <= WINDOW)?;
        self.place.checked_add_signed(distance)
    }
}

impl Stream {
    /// The number that the connection began with, if that was seen.
    pub(super) const fn isn(&self) -> Option<u32> {
        self.isn
    }

    /// Whether its place is known.
    pub(super) const fn is_open(&self) -> bool {
        self.next.is_some()
    }

    /// Whether its end was seen, and all before it.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some_and(|end| self.next.is_some_and(|next| next.place >= end))
    }

    pub(super) const fn lost(&self) -> Lost {
        self.lost
    }

    /// How many bytes came more than once.
    pub(super) const fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The other side has received everything before this number.
    pub(super) fn acknowledge(&mut self, sequence: u32) {
        if let Some(place) = self.next.and_then(|next| next.place(sequence)) {
            self.acknowledged = self.acknowledged.max(place);
        }
    }

    /// Takes a segment, and gives how many bytes of it are new.
    pub(super) fn push(
        &mut self,
        segment: &Segment<'_>,
        budget: &mut Budget,
        take: &mut impl FnMut(Part<'_>),
    ) -> u64 {
        let before = self.pending.cost();
        let mut sequence = segment.sequence;
        if segment.is_syn {
            sequence = sequence.wrapping_add(1);
            self.open(segment.sequence, sequence);
        }
        let new = if segment.length == 0 { 0 } else { self.place(sequence, segment, take) };
        if segment.is_fin {
            self.close(sequence.wrapping_add(segment.length as u32));
        }
        self.account(before, budget);
        if !self.pending.is_empty() {
            self.relieve(budget, take);
        }
        new
    }

    /// Gives up all holes.
    pub(super) fn finish(&mut self, budget: &mut Budget, take: &mut impl FnMut(Part<'_>)) {
        let before = self.pending.cost();
        let end = self.pending.end().max(self.end);
        self.lose(end.unwrap_or(0), take);
        self.account(before, budget);
    }

    fn open(&mut self, isn: u32, sequence: u32) {
        // A second SYN with another number, before anything was said, is another attempt.
        if self.next.is_none_or(|next| next.place == 0 && self.pending.is_empty()) {
            self.isn = Some(isn);
            self.next = Some(Next { sequence, place: 0 });
        }
    }

    fn close(&mut self, sequence: u32) {
        let next = self.next.get_or_insert(Next { sequence, place: 0 });
        if let Some(place) = next.place(sequence) {
            self.end.get_or_insert(place);
        }
    }

    fn account(&self, before: usize, budget: &mut Budget) {
        budget.used = budget.used.saturating_sub(before) + self.pending.cost();
    }

    /// Hands on what is in order, and keeps what is new and isn't.
    fn place(&mut self, sequence: u32, segment: &Segment<'_>, take: &mut impl FnMut(Part<'_>)) -> u64 {
        let next = *self.next.get_or_insert(Next { sequence, place: 0 });
        let distance = next.distance(sequence);
        if distance > WINDOW {
            return 0;
        }
        let known = usize::try_from(-distance).unwrap_or(0); // what lies before what is waited for
        if known >= segment.length {
            self.repeated += segment.length as u64;
            return 0;
        }
        let bytes = segment.bytes.get(known..).unwrap_or_default();
        let start = next.place + distance.max(0).unsigned_abs();
        let new = self.fill(start, bytes, take);
        self.repeated += (segment.bytes.len() as u64).saturating_sub(new);
        let uncaptured = start + bytes.len() as u64;
        if self.is_next(uncaptured) {
            self.lose(start + (segment.length - known) as u64, take);
        }
        new
    }

    fn fill(&mut self, start: u64, bytes: &[u8], take: &mut impl FnMut(Part<'_>)) -> u64 {
        let end = start + bytes.len() as u64;
        let (mut from, mut new) = (start, 0);
        while let Some(hole) = self.pending.hole(from..end) {
            let part = (hole.start - start) as usize..(hole.end - start) as usize; // within the bytes
            let part = bytes.get(part).unwrap_or_default();
            if self.is_next(hole.start) {
                self.advance(Part::Bytes(hole.start, part), part.len() as u64, take);
                self.drain(take);
            } else {
                self.pending.fill(hole.start, part);
            }
            new += part.len() as u64;
            // What was kept behind the hole may have been handed on just now.
            from = self.next.map_or(hole.end, |next| next.place.max(hole.end));
        }
        new
    }

    fn is_next(&self, place: u64) -> bool {
        self.next.is_some_and(|next| next.place == place)
    }

    fn advance(&mut self, part: Part<'_>, length: u64, take: &mut impl FnMut(Part<'_>)) {
        if let Some(next) = &mut self.next {
            next.sequence = next.sequence.wrapping_add(length as u32); // modulo 2³², as TCP counts
            next.place += length;
        }
        take(part);
    }

    /// Hands on what was kept and is now in order.
    fn drain(&mut self, take: &mut impl FnMut(Part<'_>)) {
        while let Some(next) = self.next.filter(|_| !self.pending.is_empty()) {
            let Some(piece) = self.pending.take(next.place) else { return };
            self.advance(Part::Bytes(next.place, &piece), piece.len() as u64, take);
        }
    }

    /// Goes on to this place, and gives up the holes before it.
    fn lose(&mut self, place: u64, take: &mut impl FnMut(Part<'_>)) {
        while let Some(next) = self.next.filter(|next| next.place < place) {
            let until = self.pending.first().unwrap_or(place).min(place);
            let length = until.saturating_sub(next.place);
            self.lost.gaps += 1;
            self.lost.bytes += length;
            self.advance(Part::Hole(length), length, take);
            self.drain(take);
        }
    }

    /// Gives up holes while there is reason to.
    fn relieve(&mut self, budget: &mut Budget, take: &mut impl FnMut(Part<'_>)) {
        while let Some(first) = self.pending.first() {
            let is_seen = first <= self.acknowledged && self.pending.count() >= REORDERED;
            let is_much = self.pending.bytes() > KEPT || self.pending.count() > SEGMENTS;
            if !is_seen && !is_much && budget.used <= budget.limit {
                return;
            }
            let before = self.pending.cost();
            self.lose(first, take);
            self.account(before, budget);
        }
    }
}

#[cfg(test)]
mod tests;
