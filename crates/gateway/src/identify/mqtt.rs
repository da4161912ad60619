//! MQTT 3.1, 3.1.1 and 5: the CONNECT packet to its end, and CONNACK.

use event::Protocol;

use super::claim::{Claim, HEAD, Step};
use super::identity::text;
use super::reader::Reader;

/// A length in up to four bytes of seven bits; `None` while it isn't complete.
fn length(reader: &mut Reader<'_>) -> Option<Option<usize>> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = reader.byte()?;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(Some(value));
        }
    }
    Some(None)
}

/// The content of the first packet, if it is of this type.
fn packet(head: &[u8], kind: u8) -> Option<Option<&[u8]>> {
    if head.first().is_some_and(|first| *first != kind) {
        return Some(None);
    }
    let mut reader = Reader::new(head);
    reader.byte()?;
    match length(&mut reader)? {
        Some(length) if (2..HEAD - 5).contains(&length) => {
            // What isn't MQTT is known by its name, before the packet is complete.
            let is_named = |name: &[u8]| reader.rest().iter().zip(name).all(|(byte, wanted)| byte == wanted);
            if kind == 0x10 && !is_named(b"\0\x04MQTT") && !is_named(b"\0\x06MQIsdp") {
                return Some(None);
            }
            reader.take(length).map(Some)
        }
        _ => Some(None),
    }
}

pub(super) fn client(head: &[u8]) -> Step {
    match packet(head, 0x10) {
        None => Step::More,
        Some(content) => Step::from_option(content.and_then(connect)),
    }
}

fn connect(content: &[u8]) -> Option<Claim> {
    let mut reader = Reader::new(content);
    reader.run16()?;
    let level = reader.byte()?;
    let flags = reader.byte()?;
    if !matches!(level & 0x7f, 3..=5) || flags & 1 != 0 {
        return None;
    }
    reader.short()?;
    let is_fifth = level & 0x7f == 5;
    if is_fifth {
        properties(&mut reader)?;
    }
    let name = reader.run16()?;
    if flags & 0x04 != 0 {
        if is_fifth {
            properties(&mut reader)?;
        }
        reader.run16()?;
        reader.run16()?;
    }
    let user = if flags & 0x80 != 0 { Some(reader.run16()?) } else { None };
    if flags & 0x40 != 0 {
        reader.run16()?;
    }
    let claim = Claim::certain(Protocol::Mqtt, "a whole CONNECT packet of MQTT").with(|details| {
        details.client = (!name.is_empty()).then(|| text(name));
        details.user = user.map(text);
    });
    reader.is_empty().then_some(claim)
}

fn properties(reader: &mut Reader<'_>) -> Option<()> {
    let length = length(reader)??;
    reader.take(length).map(drop)
}

pub(super) fn server(head: &[u8]) -> Step {
    match packet(head, 0x20) {
        None => Step::More,
        Some(Some([0..=1, code, rest @ ..]))
            if *code <= 5 && rest.is_empty() || !head.is_empty() && is_fifth(head) =>
        {
            Claim::likely(Protocol::Mqtt, "a CONNACK packet of MQTT").into()
        }
        Some(_) => Step::No,
    }
}

/// A CONNACK of version 5 has properties that end where it does.
fn is_fifth(head: &[u8]) -> bool {
    let Some(Some([0..=1, 0 | 0x80.., rest @ ..])) = packet(head, 0x20) else { return false };
    let mut reader = Reader::new(rest);
    properties(&mut reader).is_some() && reader.is_empty()
}
