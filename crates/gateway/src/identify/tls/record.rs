//! TLS records, and the handshake messages that lie in them.

use crate::identify::claim::{Claim, Follow, HEAD};
use crate::identify::reader::{Reader, big24};

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

pub(super) const CLIENT_HELLO: u8 = 1;

/// The longest fragment: 2^14 bytes, and what encryption may add.
const LONGEST: usize = (1 << 14) + 2048;

/// How many records are looked at after the opening.
const WATCHED: u64 = 16;

/// The header of a record: its type and the length of its fragment. `None` if it is none.
pub(super) fn header([kind, major, minor, high, low]: [u8; 5]) -> Option<(u8, usize)> {
    let length = usize::from(u16::from_be_bytes([high, low]));
    let is_record = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind)
        && major == 3
        && minor <= 4
        && (1..=LONGEST).contains(&length);
    is_record.then_some((kind, length))
}

/// The next handshake message.
pub(super) enum Next {
    Message(Vec<u8>),
    More,
    Broken,
}

/// Handshake messages, put together over records.
pub(super) struct Messages<'a> {
    stream: Reader<'a>,
    length: usize,
    fragments: Vec<u8>,
}

impl<'a> Messages<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Self { stream: Reader::new(stream), length: stream.len(), fragments: Vec::new() }
    }

    /// The next message, without its header, if it is of this type.
    pub(super) fn next(&mut self, wanted: u8) -> Next {
        loop {
            let mut reader = Reader::new(&self.fragments);
            match reader.byte() {
                Some(kind) if kind != wanted => return Next::Broken,
                Some(_) => match message(reader) {
                    Ok(Some(message)) => {
                        let message = message.to_vec();
                        self.fragments.drain(..4 + message.len());
                        return Next::Message(message);
                    }
                    Ok(None) => {}
                    Err(TooLong) => return Next::Broken,
                },
                None => {}
            }
            match self.fragment() {
                Next::Message(fragment) => self.fragments.extend_from_slice(&fragment),
                other => return other,
            }
        }
    }

    /// What has come of the next message so far, its type and its body, whether it is complete or not.
    pub(super) fn beginning(&mut self) -> Option<(u8, Vec<u8>, bool)> {
        loop {
            let mut reader = Reader::new(&self.fragments);
            if let (Some(kind), Some(length)) = (reader.byte(), reader.triple().map(big24)) {
                let body = reader.rest();
                if body.len() >= length {
                    let body = body.get(..length)?.to_vec();
                    self.fragments.drain(..4 + length);
                    return Some((kind, body, true));
                }
                if !self.extend() {
                    let body = self.fragments.get(4..)?.to_vec();
                    return Some((kind, body, false));
                }
            } else if !self.extend() {
                return None;
            }
        }
    }

    /// The next fragment, or as much of it as has come.
    fn extend(&mut self) -> bool {
        let mut ahead = self.stream;
        let Some((HANDSHAKE, length)) = ahead.array().and_then(header) else { return false };
        let fragment = ahead.take(length.min(ahead.rest().len())).unwrap_or_default();
        self.fragments.extend_from_slice(fragment);
        self.stream = ahead;
        !fragment.is_empty()
    }

    fn fragment(&mut self) -> Next {
        let seen = self.stream.rest();
        // What isn't a record is known before its header is complete.
        if !seen.iter().zip([HANDSHAKE, 3]).all(|(byte, wanted)| *byte == wanted) {
            return Next::Broken;
        }
        let mut ahead = self.stream;
        let Some(bytes) = ahead.array() else { return Next::More };
        let Some((HANDSHAKE, length)) = header(bytes) else { return Next::Broken };
        if length > 1 << 14 {
            return Next::Broken;
        }
        let Some(fragment) = ahead.take(length) else { return Next::More };
        self.stream = ahead;
        Next::Message(fragment.to_vec())
    }

    /// Whether nothing follows the last message in its record.
    pub(super) const fn is_at_end_of_record(&self) -> bool {
        self.fragments.is_empty()
    }

    /// How many bytes of the stream the records took so far.
    pub(super) const fn used(&self) -> usize {
        self.length - self.stream.rest().len()
    }
}

struct TooLong;

fn message(mut reader: Reader<'_>) -> Result<Option<&[u8]>, TooLong> {
    let Some(length) = reader.triple().map(big24) else { return Ok(None) };
    if length > HEAD { Err(TooLong) } else { Ok(reader.take(length)) }
}

/// Sees that what follows the opening is records, until data flows.
pub(super) fn follow(claim: &mut Claim, head: &[u8]) -> Follow {
    if head.first().is_some_and(|kind| !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(kind)) {
        return claim.goes_on_as_another();
    }
    let Some(bytes) = Reader::new(head).array::<5>() else { return Follow::More };
    let Some((kind, length)) = header(bytes) else { return claim.goes_on_as_another() };
    claim.note += 1;
    if kind == APPLICATION_DATA || claim.note >= WATCHED {
        return Follow::Done;
    }
    Follow::Consumed { bytes: 5, skip: length as u64 }
}
