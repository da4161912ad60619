//! DNS over TCP (RFC 1035, section 4.2.2): one message behind its length, parsed to its end, and that what follows
//! are messages.

use event::Protocol;

use super::claim::{Claim, Follow, HEAD, Step};
use super::identity::text;
use super::reader::Reader;

const HEADER: usize = 12;

/// The message, once it is complete; nothing if it can't be one.
fn message(head: &[u8]) -> Option<Option<&[u8]>> {
    let length = usize::from(u16::from_be_bytes(*head.first_chunk()?));
    if !(HEADER + 5..HEAD - 2).contains(&length) {
        return Some(None);
    }
    if head.get(2..2 + HEADER).is_some_and(|header| counts(header).is_none()) {
        return Some(None);
    }
    head.get(2..2 + length).map(Some)
}

struct Counts {
    is_answer: bool,
    records: usize,
}

/// What the header says: one question, a known operation, and few records.
fn counts(header: &[u8]) -> Option<Counts> {
    let mut reader = Reader::new(header);
    reader.short()?;
    let flags = reader.short()?;
    let [questions, answers, authorities, additional] =
        [reader.short()?, reader.short()?, reader.short()?, reader.short()?].map(usize::from);
    let operation = flags >> 11 & 0x0f;
    let is_answer = flags & 0x8000 != 0;
    let is_sane = questions == 1 && matches!(operation, 0 | 4 | 5) && flags & 0x0040 == 0;
    let is_question = answers == 0 && authorities <= 1 && additional <= 4 && flags & 0x000f == 0;
    (is_sane && (is_answer || is_question))
        .then_some(Counts { is_answer, records: answers + authorities + additional })
}

pub(super) fn client(head: &[u8]) -> Step {
    recognise(head, false)
}

pub(super) fn server(head: &[u8]) -> Step {
    recognise(head, true)
}

fn recognise(head: &[u8], is_answer: bool) -> Step {
    match message(head) {
        None => Step::More,
        Some(message) => Step::from_option(message.and_then(|message| claim(message, is_answer))),
    }
}

fn claim(message: &[u8], is_answer: bool) -> Option<Claim> {
    let mut reader = Reader::new(message);
    let counts = counts(reader.take(HEADER)?)?;
    if counts.is_answer != is_answer {
        return None;
    }
    let asked = name(&mut reader)?;
    let (_, class) = (reader.short()?, reader.short()?);
    if !matches!(class, 1 | 3 | 4 | 254 | 255) {
        return None;
    }
    for _ in 0..counts.records {
        name(&mut reader)?;
        reader.take(8)?;
        reader.run16()?;
    }
    let claim = Claim::certain(Protocol::Dns, "a whole DNS message behind its length");
    let claim = claim.with(|details| details.target = Some(text(&asked)));
    reader
        .is_empty()
        .then(|| claim.followed(2 + message.len(), if is_answer { next_answer } else { next_question }))
}

fn next_question(claim: &mut Claim, head: &[u8]) -> Follow {
    next_message(claim, head, false)
}

fn next_answer(claim: &mut Claim, head: &[u8]) -> Follow {
    next_message(claim, head, true)
}

/// Sees that a message of the same direction follows, by its header.
fn next_message(claim: &mut Claim, head: &[u8], is_answer: bool) -> Follow {
    let mut reader = Reader::new(head);
    let (Some(length), Some(header)) = (reader.short(), reader.take(HEADER)) else { return Follow::More };
    let length = usize::from(length);
    // An answer over several messages repeats the question in the first only (RFC 5936, section 2.2).
    let is_same = header.get(2).is_some_and(|flags| (flags & 0x80 != 0) == is_answer);
    if length < HEADER || !is_same || !is_answer && counts(header).is_none() {
        return claim.goes_on_as_another();
    }
    Follow::Consumed { bytes: 2 + HEADER, skip: (length - HEADER) as u64 }
}

/// A name; one that refers to an earlier is cut there.
fn name(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    loop {
        match reader.byte()? {
            0 => return Some(name),
            length @ 1..=63 => {
                if !name.is_empty() {
                    name.push(b'.');
                }
                name.extend_from_slice(reader.take(usize::from(length))?);
            }
            0xc0.. => {
                reader.byte()?;
                return Some(name);
            }
            _ => return None,
        }
        if name.len() > 255 {
            return None;
        }
    }
}
