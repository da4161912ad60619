//! MySQL and MariaDB: the server's greeting, and the client's answer to it.

use event::Protocol;

use super::claim::{Claim, Step, tunnel};
use super::identity::text;
use super::reader::Reader;

/// The longest greeting or answer; attributes of the connection can make an answer long.
const LONGEST: usize = 8192;

const SSL: u32 = 0x0800;
const PROTOCOL_41: u32 = 0x0200;

/// The content of the first packet, if it has this number; and how long it is. `None` while it isn't complete.
fn packet(head: &[u8], number: u8) -> Option<Option<(&[u8], usize)>> {
    if head.get(3).is_some_and(|found| *found != number) || head.get(2).is_some_and(|high| *high != 0) {
        return Some(None);
    }
    let length = usize::from(u16::from_le_bytes(*head.first_chunk()?));
    if !(9..=LONGEST).contains(&length) {
        return Some(None);
    }
    head.get(4..4 + length).map(|content| Some((content, 4 + length)))
}

pub(super) fn server(head: &[u8]) -> Step {
    // The protocol is 10, or an error is sent in place of a greeting.
    if head.get(4).is_some_and(|first| !matches!(first, 10 | 0xff)) {
        return Step::No;
    }
    match packet(head, 0) {
        None => Step::More,
        Some(None) => Step::No,
        Some(Some((content, used))) => Step::from_option(greeting(content).map(|mut claim| {
            claim.used = used;
            claim
        })),
    }
}

fn greeting(content: &[u8]) -> Option<Claim> {
    let mut reader = Reader::new(content);
    if reader.byte()? == 0xff {
        reader.short()?;
        let message = reader.rest();
        let is_text = message.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let claim = Claim::likely(Protocol::Mysql, "an error of MySQL in place of a greeting");
        return is_text.then(|| claim.with(|details| details.server = Some(text(message))));
    }
    let version = reader.c_string()?;
    reader.take(4 + 8)?;
    let is_whole = reader.byte()? == 0 && !version.is_empty() && version.iter().all(u8::is_ascii_graphic);
    reader.take(2 + 1 + 2 + 2 + 1 + 10)?;
    let claim = Claim::certain(Protocol::Mysql, "a whole greeting of MySQL");
    is_whole.then(|| claim.with(|details| details.server = Some(text(version))).followed(0, after_greeting))
}

/// TLS begins in the place of the next packet.
fn after_greeting(_: &mut Claim, head: &[u8]) -> super::claim::Follow {
    match head {
        [] | [0x16] => super::claim::Follow::More,
        [0x16, 3, ..] => super::claim::Follow::Tunnel,
        _ => super::claim::Follow::Done,
    }
}

pub(super) fn client(head: &[u8]) -> Step {
    // Behind capabilities, size and character set are 19 bytes that are zero, which nothing else has.
    let is_old = head.get(5).is_some_and(|second| second & 0x02 == 0);
    if is_old || head.iter().take(4 + 9 + 19).skip(4 + 9).any(|byte| *byte != 0) {
        return Step::No;
    }
    match packet(head, 1) {
        None => Step::More,
        Some(None) => Step::No,
        Some(Some((content, used))) => Step::from_option(answer(content, used)),
    }
}

fn answer(content: &[u8], used: usize) -> Option<Claim> {
    let mut reader = Reader::new(content);
    let capabilities = u32::from_le_bytes(reader.array()?);
    reader.take(4 + 1)?;
    // 23 bytes that are zero; MariaDB has its own capabilities in the last four.
    let is_reserved = reader.take(19)?.iter().all(|byte| *byte == 0);
    reader.take(4)?;
    if capabilities & PROTOCOL_41 == 0 || !is_reserved {
        return None;
    }
    if reader.is_empty() && capabilities & SSL != 0 {
        return Some(Claim::likely(Protocol::Mysql, "a request of MySQL for TLS").followed(used, tunnel));
    }
    let user = reader.c_string()?;
    let claim = Claim::certain(Protocol::Mysql, "a whole login of MySQL");
    Some(claim.with(|details| details.user = Some(text(user))))
}
