//! IP packets that were sent in parts, put together within bounds.
//!
//! At most [`WAITING`] packets wait for their parts, each of at most 64 KiB in at most [`PARTS`]; the one that has waited
//! longest gives way, and after [`PATIENCE`] it is given up. Parts that overlap are joined with the first winning, and what doesn't fit
//! the end that another part told is dropped. What was given up is counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::ip::{Fragment, IpPacket};
use super::pieces::Pieces;

/// How many packets wait for their parts at a time.
const WAITING: usize = 64;

/// How long a packet waits for its parts (RFC 8200 has 60 s, Linux 30 s).
const PATIENCE: Duration = Duration::from_secs(30);

/// How many parts are kept of one packet. Ethernet makes 45 of the longest.
const PARTS: usize = 256;

/// The longest payload of an IP packet.
const LONGEST: u64 = 65_535;

/// The packets that wait for their parts.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: HashMap<Key, Waiting>,
    given_up: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    transport: u8,
    id: u32,
}

#[derive(Debug)]
struct Waiting {
    since: Duration,
    pieces: Pieces,
    length: Option<u64>,
}

impl Fragments {
    /// How many packets were given up.
    pub(super) const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Takes a part, and gives the payload of the whole packet if this was the last one missing.
    pub(super) fn push(&mut self, now: Duration, packet: &IpPacket<'_>, part: Fragment) -> Option<Vec<u8>> {
        let transport = packet.transport;
        let key = Key { source: packet.source, destination: packet.destination, transport, id: part.id };
        if self.waiting.get(&key).is_some_and(|waiting| waiting.is_stale(now)) {
            self.give_up(key);
        }
        if !self.waiting.contains_key(&key) {
            self.make_room(now);
        }
        let waiting = self.waiting.entry(key).or_insert_with(|| Waiting::new(now));
        waiting.push(packet.payload, part);
        let payload = waiting.whole()?;
        self.waiting.remove(&key);
        Some(payload)
    }

    /// Gives up all that still waits.
    pub(super) fn finish(&mut self) {
        self.given_up += self.waiting.len() as u64;
        self.waiting.clear();
    }

    fn make_room(&mut self, now: Duration) {
        if self.waiting.len() < WAITING {
            return;
        }
        let before = self.waiting.len();
        self.waiting.retain(|_, waiting| !waiting.is_stale(now));
        self.given_up += (before - self.waiting.len()) as u64;
        let oldest = self.waiting.iter().min_by_key(|(_, waiting)| waiting.since).map(|(key, _)| *key);
        if let Some(key) = oldest.filter(|_| self.waiting.len() >= WAITING) {
            self.give_up(key);
        }
    }

    fn give_up(&mut self, key: Key) {
        if self.waiting.remove(&key).is_some() {
            self.given_up += 1;
        }
    }
}

impl Waiting {
    fn new(since: Duration) -> Self {
        Self { since, pieces: Pieces::default(), length: None }
    }

    fn is_stale(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) > PATIENCE
    }

    fn push(&mut self, bytes: &[u8], part: Fragment) {
        let start = part.offset as u64;
        let end = start + bytes.len() as u64;
        if end > self.length.unwrap_or(LONGEST) || self.pieces.count() >= PARTS {
            return;
        }
        if part.is_last && self.pieces.end().is_none_or(|last| last <= end) {
            self.length.get_or_insert(end);
        }
        self.pieces.insert(start, bytes);
    }

    fn whole(&mut self) -> Option<Vec<u8>> {
        let length = self.length?;
        if self.pieces.hole(0..length).is_some() {
            return None;
        }
        let mut whole = Vec::with_capacity(self.pieces.bytes());
        while let Some(piece) = self.pieces.take(whole.len() as u64) {
            whole.extend_from_slice(&piece);
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn push(
        fragments: &mut Fragments,
        id: u32,
        offset: usize,
        bytes: &[u8],
        is_last: bool,
    ) -> Option<Vec<u8>> {
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let part = Fragment { id, offset, is_last };
        let packet = IpPacket {
            source: address,
            destination: address,
            transport: 17,
            payload: bytes,
            length: bytes.len(),
            fragment: Some(part),
        };
        fragments.push(Duration::ZERO, &packet, part)
    }

    #[test]
    fn packets_that_never_end_give_way() {
        let mut fragments = Fragments::default();
        for id in 0..1000 {
            assert_eq!(push(&mut fragments, id, 0, &[0; 8], false), None);
        }
        assert_eq!((fragments.waiting.len(), fragments.given_up()), (WAITING, 1000 - WAITING as u64));
        fragments.finish();
        assert_eq!(fragments.given_up(), 1000);
    }

    #[test]
    fn nothing_reaches_past_the_longest_packet_or_its_own_end() {
        let mut fragments = Fragments::default();
        assert_eq!(push(&mut fragments, 1, 65_528, &[0; 16], false), None);
        assert_eq!(push(&mut fragments, 1, 8, b"end", true), None);
        assert_eq!(push(&mut fragments, 1, 16, &[0; 8], false), None);
        assert_eq!(push(&mut fragments, 1, 0, b"12345678", false), Some(b"12345678end".to_vec()));
    }

    proptest! {
        #[test]
        fn parts_in_any_order_make_the_packet(
            payload in prop::collection::vec(any::<u8>(), 9..400),
            order in Just((0..50usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut fragments = Fragments::default();
            let parts: Vec<_> = payload.chunks(8).enumerate().collect();
            let mut found = None;
            for index in order.into_iter().filter(|index| *index < parts.len()) {
                let (number, bytes) = parts[index];
                prop_assert_eq!(&found, &None);
                found = push(&mut fragments, 5, number * 8, bytes, number + 1 == parts.len());
            }
            prop_assert_eq!(found, Some(payload));
        }
    }
}
