//! The server's first final answer: enough to know that it speaks HTTP, and whether it grants a change.

use event::Protocol;
use httparse::{EMPTY_HEADER, Status};

use super::head::{FIELDS, end};
use crate::identify::claim::{Claim, Step, begins};

/// What a client may have asked for with HTTP.
const ALSO: &[Protocol] = &[Protocol::HttpConnect, Protocol::Websocket, Protocol::Stratum, Protocol::Http2];

/// A server's answer. Interim ones (100, 103) are passed over.
pub(crate) fn recognise(bytes: &[u8]) -> Step {
    let mut place = 0;
    loop {
        let rest = bytes.get(place..).unwrap_or_default();
        match begins(rest, b"HTTP/1.") {
            Some(true) => {}
            Some(false) => return Step::No,
            None => return Step::More,
        }
        let Some(length) = end(rest) else { return Step::More };
        let (head, _) = rest.split_at(length);
        let Some((status, server)) = parse(head) else { return Step::No };
        place += length;
        if matches!(status, 100 | 102..=199) {
            continue;
        }
        let mut claim =
            Claim::certain(Protocol::Http, format!("a whole HTTP/1 response head, status {status}"));
        claim.used = place;
        claim.answered = Some(status);
        return claim
            .or_also(ALSO)
            .with(|details| {
                details.http_status = Some(status);
                details.server = server;
            })
            .into();
    }
}

fn parse(head: &[u8]) -> Option<(u16, Option<event::Text>)> {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let Ok(Status::Complete(_)) = parsed.parse(head) else { return None };
    let server = super::request::values(parsed.headers, "server").next();
    Some((parsed.code?, server.map(crate::identify::identity::text)))
}
