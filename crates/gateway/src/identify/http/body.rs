//! The bodies of requests: how long they are, and whether they are JSON-RPC, which is how some miners speak.

use event::Protocol;
use httparse::{Header, Status};

use super::head::lists;
use super::request::{later, values};
use crate::identify::ambiguity::Ambiguity;
use crate::identify::claim::{Claim, Follow, HEAD};
use crate::identify::stratum;

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    None,
    Known(u64),
    Chunked,
}

impl Length {
    /// What the headers say, if they say one thing only.
    pub(super) fn of(headers: &[Header<'_>]) -> Result<Self, Ambiguity> {
        let mut lengths = values(headers, "content-length");
        let mut codings = values(headers, "transfer-encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Self::None),
            (Some(length), None) if lengths.next().is_none() => match number(length, 10) {
                Some(0) => Ok(Self::None),
                Some(length) => Ok(Self::Known(length)),
                None => Err(Ambiguity::BodyLength),
            },
            (None, Some(coding)) if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Self::Chunked)
            }
            (None, Some(coding)) if !lists(coding, "chunked") => Err(Ambiguity::BodyLength),
            _ => Err(Ambiguity::BodyLength),
        }
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::None
    }
}

/// Digits only: no sign, no space, no underscore.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let text = str::from_utf8(digits).ok().filter(|_| digits.iter().all(is_digit))?;
    u64::from_str_radix(text, radix).ok()
}

/// Sets who follows behind a head.
pub(super) fn expect(claim: &mut Claim, length: Length) {
    (claim.follow, claim.note) = match length {
        Length::None => (Some(later as _), 0),
        Length::Known(length) => (Some(known as _), length),
        Length::Chunked => (Some(chunked as _), 0),
    };
}

/// A body of known length.
fn known(claim: &mut Claim, bytes: &[u8]) -> Follow {
    let length = claim.note;
    let held = usize::try_from(length).unwrap_or(usize::MAX);
    let seen = bytes.get(..held).unwrap_or(bytes);
    match is_json(seen) {
        None if (seen.len() as u64) < length && seen.len() < HEAD => return Follow::More,
        Some(true) if held <= HEAD => {
            if bytes.len() < held && bytes.len() < HEAD {
                return Follow::More;
            }
            inspect(claim, seen);
        }
        Some(true) => claim.doubt(Ambiguity::TooLong),
        _ => {}
    }
    next_request(claim);
    Follow::Consumed { bytes: 0, skip: length }
}

/// Whether the first visible byte begins a JSON object or array; `None` while there is none.
fn is_json(bytes: &[u8]) -> Option<bool> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
    Some(matches!(first, b'{' | b'['))
}

fn inspect(claim: &mut Claim, json: &[u8]) {
    let found = stratum::inspect(json);
    if let Some(ambiguity) = found.ambiguity {
        claim.doubt(ambiguity);
    }
    if let Some(mining) = found.mining
        && claim.protocol != Protocol::Stratum
    {
        claim.protocol = Protocol::Stratum;
        claim.evidence = format!("an HTTP/1 request with {}", mining.evidence());
        claim.details.stratum = Some(mining);
    }
}

fn next_request(claim: &mut Claim) {
    claim.follow = Some(later);
    claim.note = 0;
}

/// A body in chunks, held together as long as it looks like JSON.
fn chunked(claim: &mut Claim, bytes: &[u8]) -> Follow {
    let mut body = Vec::new();
    let joined = join(bytes, &mut body);
    let looks = is_json(&body);
    match joined {
        _ if looks == Some(false) => pass_over(claim),
        Err(Broken) => broken(claim),
        Ok(Some(used)) => {
            inspect(claim, &body);
            next_request(claim);
            Follow::Consumed { bytes: used, skip: 0 }
        }
        Ok(None) if bytes.len() >= HEAD => {
            if looks == Some(true) {
                claim.doubt(Ambiguity::TooLong);
            }
            pass_over(claim)
        }
        Ok(None) => Follow::More,
    }
}

fn pass_over(claim: &mut Claim) -> Follow {
    claim.follow = Some(chunk);
    Follow::Consumed { bytes: 0, skip: 0 }
}

/// Chunks that aren't: where the body ends is the reader's choice.
fn broken(claim: &mut Claim) -> Follow {
    claim.doubt(Ambiguity::BodyLength);
    claim.goes_on_as_another()
}

struct Broken;

/// Puts the data of the chunks behind each other; says how many bytes the chunks take, once the last is there.
fn join(bytes: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, Broken> {
    let mut place = 0;
    loop {
        let rest = bytes.get(place..).unwrap_or_default();
        let Some((start, size)) = chunk_size(rest)? else { return Ok(None) };
        if size == 0 {
            return Ok(trailers(rest.get(start..).unwrap_or_default()).map(|end| place + start + end));
        }
        let data = rest.get(start..).unwrap_or_default();
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        body.extend_from_slice(data.get(..size).unwrap_or(data));
        match data.get(size..).unwrap_or_default() {
            [b'\r', b'\n', ..] => place += start + size + 2,
            [] | [b'\r'] => return Ok(None),
            _ => return Err(Broken),
        }
    }
}

/// Where a chunk's data starts, and its size.
fn chunk_size(bytes: &[u8]) -> Result<Option<(usize, u64)>, Broken> {
    match httparse::parse_chunk_size(bytes) {
        Ok(Status::Complete(found)) => Ok(Some(found)),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(Broken),
    }
}

/// Where the trailers and the empty line behind them end.
fn trailers(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"\r\n") { Some(2) } else { super::head::end(bytes) }
}

/// A chunk that is passed over.
fn chunk(claim: &mut Claim, bytes: &[u8]) -> Follow {
    match chunk_size(bytes) {
        Ok(Some((start, 0))) => match trailers(bytes.get(start..).unwrap_or_default()) {
            Some(end) => {
                next_request(claim);
                Follow::Consumed { bytes: start + end, skip: 0 }
            }
            None => Follow::More,
        },
        Ok(Some((start, size))) => {
            claim.follow = Some(chunk_end);
            Follow::Consumed { bytes: start, skip: size }
        }
        Ok(None) => Follow::More,
        Err(Broken) => broken(claim),
    }
}

/// The line end behind a chunk's data.
fn chunk_end(claim: &mut Claim, bytes: &[u8]) -> Follow {
    match bytes {
        [] | [b'\r'] => Follow::More,
        [b'\r', b'\n', ..] => {
            claim.follow = Some(chunk);
            Follow::Consumed { bytes: 2, skip: 0 }
        }
        _ => broken(claim),
    }
}
