//! MongoDB's wire protocol: `OP_MSG`, and the older `OP_QUERY` and `OP_REPLY`.

use event::Protocol;

use super::claim::{Claim, Step};
use super::identity::text;
use super::reader::Reader;

const REPLY: u32 = 1;
const QUERY: u32 = 2004;
const COMPRESSED: u32 = 2012;
const MESSAGE: u32 = 2013;

/// The longest message (48 MB).
const LONGEST: u32 = 48_000_000;

struct Header {
    length: usize,
    answers: u32,
    operation: u32,
}

fn little(reader: &mut Reader<'_>) -> Option<u32> {
    reader.array().map(u32::from_le_bytes)
}

/// The header: `None` while it isn't complete, nothing if it is none.
fn header(head: &[u8]) -> Option<Option<Header>> {
    let mut reader = Reader::new(head);
    let length = little(&mut reader)?;
    if !(26..=LONGEST).contains(&length) {
        return Some(None);
    }
    little(&mut reader)?;
    let answers = little(&mut reader)?;
    let operation = little(&mut reader)?;
    let is_known = matches!(operation, REPLY | QUERY | COMPRESSED | MESSAGE);
    let length = usize::try_from(length).ok()?;
    Some(is_known.then_some(Header { length, answers, operation }))
}

/// Whether a document begins that has a name of a field, and fits; and that name.
fn document(mut reader: Reader<'_>, room: usize) -> Option<Option<&[u8]>> {
    let length = usize::try_from(little(&mut reader)?).ok()?;
    let kind = reader.byte()?;
    if !(6..=room).contains(&length) || !(1..=0x13).contains(&kind) {
        return Some(None);
    }
    let seen = reader.rest();
    if !seen.iter().take(64).take_while(|byte| **byte != 0).all(u8::is_ascii_graphic) {
        return Some(None);
    }
    match reader.c_string() {
        Some(name) => Some((1..=64).contains(&name.len()).then_some(name)),
        None if seen.len() > 64 => Some(None),
        None => None,
    }
}

/// The name of the first field of the first document, which is the command.
fn command<'a>(head: &'a [u8], header: &Header) -> Option<Option<&'a [u8]>> {
    let mut reader = Reader::new(head.get(16..)?);
    let room = header.length;
    match header.operation {
        MESSAGE => {
            let flags = little(&mut reader)?;
            if flags & 0xfffc != 0 || reader.byte()? != 0 {
                return Some(None);
            }
            document(reader, room - 21)
        }
        QUERY => {
            little(&mut reader)?;
            let Some(collection) = reader.c_string() else {
                return if reader.rest().len() > 256 { Some(None) } else { None };
            };
            if collection.len() > 256
                || !collection.contains(&b'.')
                || !collection.iter().all(u8::is_ascii_graphic)
            {
                return Some(None);
            }
            reader.take(8)?;
            document(reader, room)
        }
        REPLY => {
            reader.take(20)?;
            document(reader, room)
        }
        _ => {
            let original = little(&mut reader)?;
            let (_, compressor) = (little(&mut reader)?, reader.byte()?);
            let is_known = matches!(original, QUERY | MESSAGE | REPLY) && compressor <= 3;
            Some(is_known.then_some(&b"compressed"[..]))
        }
    }
}

pub(super) fn client(head: &[u8]) -> Step {
    let header = match header(head) {
        None => return Step::More,
        Some(Some(header)) if header.answers == 0 && header.operation != REPLY => header,
        Some(_) => return Step::No,
    };
    match command(head, &header) {
        None => Step::More,
        Some(None) => Step::No,
        Some(Some(name)) => Claim::certain(Protocol::Mongo, "a message of MongoDB with a command")
            .with(|details| details.client = Some(text(name)))
            .into(),
    }
}

pub(super) fn server(head: &[u8]) -> Step {
    let header = match header(head) {
        None => return Step::More,
        Some(Some(header)) if header.operation != QUERY => header,
        Some(_) => return Step::No,
    };
    match command(head, &header) {
        None => Step::More,
        Some(None) => Step::No,
        Some(Some(_)) => Claim::likely(Protocol::Mongo, "a message of MongoDB").into(),
    }
}
