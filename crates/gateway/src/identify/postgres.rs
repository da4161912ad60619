//! PostgreSQL (protocol 3): the startup packet, and TLS or GSSAPI asked for before it.

use event::Protocol;

use super::claim::{Claim, Follow, Step, tunnel};
use super::identity::{Confidence, Details, text};
use super::reader::Reader;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// The longest startup packet that servers take.
const LONGEST: u32 = 10_000;

/// The code of the first packet, what follows it, and its length. `None` while it isn't complete.
fn packet(head: &[u8]) -> Option<Option<(u32, &[u8], usize)>> {
    let mut reader = Reader::new(head);
    // Three bytes of code tell as much as there is to tell early.
    let is_code = |bytes: &[u8]| {
        [&[0, 3, 0][..], &[4, 210, 22]].iter().any(|code| bytes.iter().zip(*code).all(|(a, b)| a == b))
    };
    if !head.iter().take(2).all(|byte| *byte == 0) || !is_code(head.get(4..).unwrap_or_default()) {
        return Some(None);
    }
    let length = reader.word()?;
    if !(8..=LONGEST).contains(&length) {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    let mut content = Reader::new(head.get(4..length)?);
    Some(content.word().map(|code| (code, content.rest(), length)))
}

pub(super) fn client(head: &[u8]) -> Step {
    let Some(packet) = packet(head) else { return Step::More };
    match packet {
        Some((SSL_REQUEST | GSS_REQUEST, [], used)) => {
            Claim::likely(Protocol::Postgres, "a request of PostgreSQL for encryption")
                .followed(used, after_request)
                .into()
        }
        Some((CANCEL_REQUEST, [_, _, _, _, _, _, _, _, ..], _)) => {
            Claim::likely(Protocol::Postgres, "a cancel request of PostgreSQL").into()
        }
        Some((0x0003_0000..=0x0003_ffff, parameters, used)) => {
            let mut claim = Claim::certain(Protocol::Postgres, "a whole startup packet of PostgreSQL");
            claim.used = used;
            Step::from_option(startup(parameters, &mut claim.details).map(|()| claim))
        }
        _ => Step::No,
    }
}

/// The pairs of names and values, to the empty name at the end.
fn startup(parameters: &[u8], details: &mut Details) -> Option<()> {
    let mut reader = Reader::new(parameters);
    loop {
        match reader.c_string()? {
            b"" => break,
            b"user" => details.user = Some(text(reader.c_string()?)),
            b"database" => details.database = Some(text(reader.c_string()?)),
            b"application_name" => details.client = Some(text(reader.c_string()?)),
            _ => _ = reader.c_string()?,
        }
    }
    (reader.is_empty() && details.user.is_some()).then_some(())
}

/// After a request for encryption: TLS, another request, or the startup packet in the clear.
fn after_request(claim: &mut Claim, head: &[u8]) -> Follow {
    match head.first() {
        None => return Follow::More,
        Some(0x16) => return Follow::Tunnel,
        Some(_) => {}
    }
    match packet(head) {
        None => Follow::More,
        Some(Some((SSL_REQUEST | GSS_REQUEST, [], used))) => {
            claim.note += 1;
            if claim.note > 4 { Follow::Done } else { Follow::Consumed { bytes: used, skip: 0 } }
        }
        Some(Some((0x0003_0000..=0x0003_ffff, parameters, _))) => {
            if startup(parameters, &mut claim.details).is_none() {
                return claim.goes_on_as_another();
            }
            claim.confidence = Confidence::Certain;
            claim.evidence = "a whole startup packet of PostgreSQL".into();
            Follow::Done
        }
        Some(_) => claim.goes_on_as_another(),
    }
}

/// A server's first answer: to a request for encryption one letter, or a question for credentials.
pub(super) fn server(head: &[u8]) -> Step {
    match head {
        [] | [b'S' | b'N'] => Step::More,
        [b'S', 0x16, ..] => {
            Claim::guess(Protocol::Postgres, "a consent of PostgreSQL to TLS").followed(1, tunnel).into()
        }
        [b'N', rest @ ..] => authentication(rest),
        _ => authentication(head),
    }
}

fn authentication(head: &[u8]) -> Step {
    let wanted = [Some(b'R'), Some(0), Some(0), Some(0), None, Some(0), Some(0), Some(0), None];
    if !head.iter().zip(wanted).all(|(byte, wanted)| wanted.is_none_or(|wanted| *byte == wanted)) {
        return Step::No;
    }
    match (head.get(4), head.get(8)) {
        (Some(8..), Some(0..=12)) => {
            Claim::likely(Protocol::Postgres, "a question of PostgreSQL for credentials").into()
        }
        (Some(..8), _) | (_, Some(13..)) => Step::No,
        _ => Step::More,
    }
}
