//! HTTP/2 in the clear (RFC 9113): the preface and a SETTINGS frame, then the header blocks of all requests.
//!
//! The first request is told; each later one has to be for the same host. A tunnel through it (`CONNECT`) is doubted.

mod hpack;

pub(super) use hpack::{LARGEST, Table};

use event::Protocol;
use hpack::Field;

use super::ambiguity::Ambiguity;
use super::claim::{Claim, Follow, HEAD, Step, begins};
use super::http::{Request, is_authority};
use super::identity::{Confidence, text};
use super::reader::{Reader, big24};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

/// The header of a frame, and whatever of its payload is there.
fn header(bytes: [u8; 9]) -> (usize, u8, u8, u32) {
    let [a, b, c, kind, flags, stream @ ..] = bytes;
    (big24([a, b, c]), kind, flags, u32::from_be_bytes(stream) & 0x7fff_ffff)
}

fn frame<'a>(reader: &mut Reader<'a>) -> Option<Frame<'a>> {
    let mut ahead = *reader;
    let (length, kind, flags, stream) = header(ahead.array()?);
    let payload = ahead.take(length)?;
    *reader = ahead;
    Some(Frame { kind, flags, stream, payload })
}

/// Whether a SETTINGS frame of a connection that opens is at the start: `None` while it may be.
fn settings(bytes: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(bytes);
    let (length, kind, flags, stream) = header(reader.array()?);
    Some(kind == SETTINGS && flags == 0 && stream == 0 && length % 6 == 0 && length <= 6 * 64)
}

/// A client's preface and SETTINGS.
pub(super) fn client(head: &[u8]) -> Step {
    match begins(head, PREFACE) {
        None => return Step::More,
        Some(false) => return Step::No,
        Some(true) => {}
    }
    match settings(head.get(PREFACE.len()..).unwrap_or_default()) {
        None => Step::More,
        Some(false) => Step::No,
        Some(true) => Claim::certain(Protocol::Http2, "the preface of HTTP/2 and a SETTINGS frame")
            .followed(PREFACE.len(), requests)
            .into(),
    }
}

/// A server's SETTINGS.
pub(super) fn server(head: &[u8]) -> Step {
    // A length below 385, then type 4, no flags, stream 0.
    let wanted: [Option<u8>; 9] = [Some(0), None, None, Some(4), Some(0), Some(0), Some(0), Some(0), Some(0)];
    if !head.iter().zip(wanted).all(|(byte, wanted)| wanted.is_none_or(|wanted| *byte == wanted)) {
        return Step::No;
    }
    match settings(head) {
        None => Step::More,
        Some(false) => Step::No,
        Some(true) => Claim::likely(Protocol::Http2, "a SETTINGS frame of HTTP/2").into(),
    }
}

/// Passes over frames up to the next header block, and reads it.
fn requests(claim: &mut Claim, head: &[u8]) -> Follow {
    let Some((length, kind, ..)) = Reader::new(head).array().map(header) else { return Follow::More };
    let is_first = claim.details.http.is_none();
    match kind {
        HEADERS => block(claim, head),
        CONTINUATION => claim.goes_on_as_another(),
        DATA if is_first => claim.goes_on_as_another(),
        _ => Follow::Consumed { bytes: 9, skip: length as u64 },
    }
}

/// A header block, which may go on in further frames.
fn block(claim: &mut Claim, head: &[u8]) -> Follow {
    let mut reader = Reader::new(head);
    let Some(first) = frame(&mut reader) else { return wait(claim, head) };
    let Some(mut block) = fragment(&first).map(<[u8]>::to_vec) else { return claim.goes_on_as_another() };
    let mut is_last = first.flags & END_HEADERS != 0;
    while !is_last {
        match frame(&mut reader) {
            Some(next) if next.kind == CONTINUATION && next.stream == first.stream => {
                block.extend_from_slice(next.payload);
                is_last = next.flags & END_HEADERS != 0;
            }
            Some(_) => return claim.goes_on_as_another(),
            None => return wait(claim, head),
        }
    }
    let used = head.len() - reader.rest().len();
    match claim.headers.get_or_insert_default().decode(&block) {
        Some(fields) => {
            read(claim, &fields);
            Follow::Consumed { bytes: used, skip: 0 }
        }
        None => claim.goes_on_as_another(),
    }
}

/// Waits for a frame that can be held.
fn wait(claim: &mut Claim, head: &[u8]) -> Follow {
    match Reader::new(head).array().map(header) {
        Some((length, ..)) if length > HEAD - 9 => {
            claim.doubt(Ambiguity::TooLong);
            Follow::Done
        }
        _ => Follow::More,
    }
}

/// The part of a HEADERS frame that is headers.
fn fragment<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    let mut reader = Reader::new(frame.payload);
    let padding = if frame.flags & PADDED != 0 { usize::from(reader.byte()?) } else { 0 };
    if frame.flags & PRIORITY != 0 {
        reader.take(5)?;
    }
    let length = reader.rest().len().checked_sub(padding)?;
    reader.take(length)
}

fn read(claim: &mut Claim, fields: &[Field]) {
    let all = |name: &'static [u8]| {
        fields.iter().filter(move |field| field.name == name).map(|field| &field.value[..])
    };
    let mut hosts: Vec<&[u8]> = all(b":authority").chain(all(b"host")).collect();
    hosts.dedup();
    let method = all(b":method").next();
    let before = claim.details.http.as_ref().map(|request| request.host.clone());
    // Trailers of a request name neither.
    if before.is_some() && method.is_none() && hosts.is_empty() {
        return;
    }
    match hosts.as_slice() {
        [] => claim.doubt(Ambiguity::NoHost),
        [host] if is_authority(host) => {}
        [_] => claim.doubt(Ambiguity::HostNotAName),
        _ => claim.doubt(Ambiguity::SeveralHosts),
    }
    let host = hosts.first().map(|host| text(&super::http::bare(host)));
    let is_tunnel = method == Some(b"CONNECT");
    match before {
        Some(first) if first != host => claim.doubt(Ambiguity::LaterHost),
        Some(_) if is_tunnel => claim.doubt(Ambiguity::LaterTunnel),
        Some(_) => {}
        None => {
            if is_tunnel {
                claim.details.target = hosts.first().map(|host| text(host));
                claim.doubt(Ambiguity::LaterTunnel);
            }
            claim.details.http = Some(Request {
                method: text(method.unwrap_or_default()),
                host,
                path: text(all(b":path").next().unwrap_or_default()),
                user_agent: all(b"user-agent").next().map(text),
                upgrade: all(b":protocol").next().map(text),
            });
        }
    }
    if !claim.ambiguities.is_empty() {
        claim.confidence = Confidence::Guess;
    }
}
