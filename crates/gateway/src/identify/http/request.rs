//! Requests.

use event::{Protocol, Text};
use httparse::{EMPTY_HEADER, Header, Status};

use super::body::{self, Length};
use super::head::{FIELDS, doubts, end, has_bare_return, lists};
use crate::identify::ambiguity::Ambiguity;
use crate::identify::claim::{Claim, Follow, Gate, HEAD, Step};
use crate::identify::identity::{Confidence, text};

/// A request, as its head says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Text,
    /// The host that it is for, in lower case and without the port: of `Host`, or of an absolute target.
    pub host: Option<Text>,
    /// The target: a path with its query, at most 512 bytes of it.
    pub path: Text,
    /// `User-Agent`.
    pub user_agent: Option<Text>,
    /// What it asks to change to: `Upgrade`, in lower case.
    pub upgrade: Option<Text>,
}

/// The longest method.
const LONGEST_METHOD: usize = 24;

/// A client's request.
pub(crate) fn recognise(bytes: &[u8]) -> Step {
    match begins_as_request(bytes) {
        Some(true) => {}
        Some(false) => return Step::No,
        None => return Step::More,
    }
    let Some(length) = end(bytes) else { return Step::More };
    let (head, rest) = bytes.split_at(length);
    let (mut claim, body) = read(head);
    claim.used = length;
    body::expect(&mut claim, body.length);
    if claim.gate.is_some() || body.length.is_none() {
        return claim.into();
    }
    // A body that the client sends in any case can still say that this is mining: the name waits for it.
    let next = claim.follow.map_or(Follow::Done, |follow| follow(&mut claim, rest));
    match next {
        Follow::More if bytes.len() < HEAD && !body.is_awaited => return Step::More,
        Follow::Consumed { bytes, skip } => (claim.used, claim.skip) = (length + bytes, skip),
        Follow::More | Follow::Tunnel | Follow::Retract => {}
        Follow::Done => claim.follow = None,
    }
    claim.into()
}

/// Whether the first line is a request's: a token, a target and the version. `None` while it may be.
fn begins_as_request(bytes: &[u8]) -> Option<bool> {
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
    let method = bytes.iter().take_while(|byte| is_method(byte)).count();
    match bytes.get(method) {
        _ if method > LONGEST_METHOD => return Some(false),
        None => return None,
        Some(b' ') if method > 0 => {}
        Some(_) => return Some(false),
    }
    let line = memchr::memchr(b'\n', bytes)?;
    let line = bytes.get(..line)?;
    let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_end();
    Some(line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0"))
}

/// The body that follows a head.
struct Body {
    length: Length,
    /// The client waits for `100 Continue` before it sends it.
    is_awaited: bool,
}

/// The claim of a request, and what body it announces.
fn read(head: &[u8]) -> (Claim, Body) {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let is_whole = matches!(parsed.parse(head), Ok(Status::Complete(length)) if length == head.len());
    let mut claim = Claim::certain(Protocol::Http, "a whole HTTP/1 request head");
    claim.ambiguities = doubts(head);
    if !is_whole {
        claim.doubt(Ambiguity::MalformedRequest);
        claim.confidence = Confidence::Guess;
        claim.evidence = "the first line of an HTTP/1 request, and a head that isn't one".into();
        return (claim, Body { length: Length::None, is_awaited: false });
    }
    let request = describe(&parsed, &mut claim);
    let length = Length::of(parsed.headers).unwrap_or_else(|ambiguity| {
        claim.doubt(ambiguity);
        Length::None
    });
    // Before 1.1 nobody knew chunks, and some still don't (RFC 9112, section 6.1).
    if parsed.version == Some(0) && length == Length::Chunked {
        claim.doubt(Ambiguity::BodyLength);
    }
    let is_awaited = values(parsed.headers, "expect").any(|value| lists(value, "100-continue"));
    name(&mut claim, &request, parsed.headers);
    if claim.gate.is_some() && !length.is_none() {
        claim.doubt(Ambiguity::BodyLength);
    }
    claim.details.http = Some(request);
    if !claim.ambiguities.is_empty() {
        claim.confidence = Confidence::Guess;
    }
    (claim, Body { length, is_awaited })
}

fn describe(parsed: &httparse::Request<'_, '_>, claim: &mut Claim) -> Request {
    let method = parsed.method.unwrap_or_default();
    let target = parsed.path.unwrap_or_default().as_bytes();
    Request {
        method: text(method.as_bytes()),
        host: host(method, target, parsed, claim),
        path: text(target),
        user_agent: values(parsed.headers, "user-agent").next().map(text),
        upgrade: values(parsed.headers, "upgrade").next().map(|value| text(&value.to_ascii_lowercase())),
    }
}

/// The host, and whatever is unclear about it.
fn host(method: &str, target: &[u8], parsed: &httparse::Request<'_, '_>, claim: &mut Claim) -> Option<Text> {
    let mut fields = values(parsed.headers, "host");
    let field = fields.next().map(<[u8]>::trim_ascii);
    if fields.next().is_some() {
        claim.doubt(Ambiguity::SeveralHosts);
    }
    let named = if method == "CONNECT" { Some(target) } else { authority(target) };
    if field.is_none_or(<[u8]>::is_empty) && (parsed.version == Some(1) || named.is_none()) {
        claim.doubt(Ambiguity::NoHost);
    }
    if named.is_none() && !target.starts_with(b"/") && target != b"*" {
        claim.doubt(Ambiguity::MalformedRequest);
    }
    let both = [named, field.filter(|field| !field.is_empty())];
    for given in both.into_iter().flatten() {
        if !is_authority(given) {
            claim.doubt(Ambiguity::HostNotAName);
        }
    }
    let [named, field] = both.map(|given| given.map(bare));
    if let (Some(named), Some(field)) = (&named, &field)
        && named != field
    {
        claim.doubt(Ambiguity::SeveralHosts);
    }
    named.or(field).map(|host| text(&host))
}

/// The authority of an absolute target.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let start = target.windows(3).position(|window| window == b"://")?;
    if target.starts_with(b"/") || !target.get(..start)?.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let rest = target.get(start + 3..)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    rest.get(..end)
}

/// Whether it is a host name or an address, with or without a port; no user, no path, no odd byte.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let (host, port) = split_port(text);
    let is_port = port.iter().all(u8::is_ascii_digit) && port.len() <= 5;
    let is_name = match host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")) {
        Some(address) => str::from_utf8(address).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok()),
        None => crate::identify::tls::is_host_name(host.strip_suffix(b".").unwrap_or(host)),
    };
    is_port && is_name
}

/// The host and the port behind the last colon that isn't part of an address.
fn split_port(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !text.ends_with(b"]") => {
            let (host, port) = text.split_at(colon);
            (host, port.get(1..).unwrap_or_default())
        }
        _ => (text, b""),
    }
}

/// The host in lower case, without port and without a dot at its end.
pub(crate) fn bare(authority: &[u8]) -> Vec<u8> {
    let (host, _) = split_port(authority);
    host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase()
}

pub(super) fn values<'a>(headers: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// What a request asks to change to decides its name.
fn name(claim: &mut Claim, request: &Request, headers: &[Header<'_>]) {
    if request.method.as_bytes() == b"CONNECT" {
        claim.protocol = Protocol::HttpConnect;
        claim.evidence = "a whole HTTP/1 CONNECT request".into();
        claim.details.target = Some(request.path.clone());
        claim.gate = Some(Gate::Connect);
    } else if values(headers, "connection").any(|value| lists(value, "upgrade")) {
        let Some(upgrade) = &request.upgrade else { return };
        if upgrade.as_bytes() == b"websocket" {
            claim.protocol = Protocol::Websocket;
            claim.confidence = Confidence::Likely;
            claim.evidence = "a whole HTTP/1 request to change to WebSocket".into();
            claim.gate = Some(Gate::Websocket);
        } else {
            claim.gate = Some(Gate::Upgrade);
        }
    }
}

/// Looks at a request after the first: another host, or another tunnel, would be one that nobody has allowed.
///
/// Its bytes are passed on as they come, so that a head which for some readers is over before it is for others is told as soon as it
/// shows, and the same whatever the pieces.
pub(super) fn later(claim: &mut Claim, bytes: &[u8]) -> Follow {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |place| place + 1);
    if bytes.get(..line).is_some_and(has_bare_return) {
        return claim.goes_on_as_another();
    }
    match begins_as_request(bytes) {
        // Readers forgive empty lines between requests.
        Some(false) if bytes.starts_with(b"\r\n") => return Follow::Consumed { bytes: 2, skip: 0 },
        Some(false) if bytes == b"\r" => return Follow::More,
        Some(false) => return claim.goes_on_as_another(),
        Some(true) => {}
        None => return Follow::More,
    }
    let length = end(bytes);
    let head = bytes.get(..length.unwrap_or(bytes.len())).unwrap_or_default();
    if has_bare_return(head) {
        claim.doubt(Ambiguity::BareCarriageReturn);
        claim.confidence = Confidence::Guess;
        return Follow::Done;
    }
    let Some(length) = length else { return Follow::More };
    let (next, body) = read(head);
    next.ambiguities.iter().for_each(|ambiguity| claim.doubt(*ambiguity));
    let host = |claim: &Claim| claim.details.http.as_ref().and_then(|request| request.host.clone());
    if host(&next) != host(claim) {
        claim.doubt(Ambiguity::LaterHost);
    }
    if next.gate.is_some() {
        claim.doubt(Ambiguity::LaterTunnel);
    }
    if !claim.ambiguities.is_empty() {
        claim.confidence = Confidence::Guess;
    }
    if next.gate.is_some() {
        return Follow::Done;
    }
    body::expect(claim, body.length);
    Follow::Consumed { bytes: length, skip: 0 }
}
