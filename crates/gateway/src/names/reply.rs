//! Replies on the wire, as stub resolvers expect them.
//!
//! - The question comes back as it came, byte for byte, case and all: c-ares and musl compare it.
//! - RA is set, AA and AD are not: this is a recursive resolver that proves nothing. CD and DO come back.
//! - "There is none" carries an SOA, or its answer is not cached and asked again (RFC 2308).
//! - OPT is in the reply where it was in the query (RFC 6891), with the reason of a refusal (RFC 8914).
//! - What doesn't fit a datagram is cut off with TC set, and asked again over TCP.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, AAAA, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record};

use super::record::Transport;

/// The largest datagram: what passes any link unbroken, and the bound that resolvers agreed on (DNS flag day 2020).
const LARGEST_DATAGRAM: u16 = 1232;
/// The largest datagram for a client without EDNS (RFC 1035, 2.3.4).
const SMALLEST_DATAGRAM: u16 = 512;
/// Seconds that an address may be kept. It never changes; that it could be allowed may.
const TTL: u32 = 60;
/// Seconds that "there is none" may be kept, so that a policy that was widened is soon seen.
const NEGATIVE_TTL: u32 = 5;
/// Extended DNS errors (RFC 8914): `Blocked`.
const BLOCKED: (u16, u16) = (15, 15);
/// Bytes of a header.
pub(super) const HEADER: usize = 12;

/// What a reply says.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) code: ResponseCode,
    pub(super) answers: Vec<RData>,
    /// That the policy is the reason.
    pub(super) is_blocked: bool,
}

impl Content {
    pub(super) fn code(code: ResponseCode) -> Self {
        Self { code, ..Self::default() }
    }

    pub(super) fn addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let data = |address| match address {
            IpAddr::V4(v4) => RData::A(A(v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
        };
        Self { answers: addresses.into_iter().map(data).collect(), ..Self::default() }
    }

    pub(super) fn pointer(name: Name) -> Self {
        Self { answers: vec![RData::PTR(PTR(name))], ..Self::default() }
    }
}

/// The reply to a query, as bytes that fit its transport.
pub(super) fn reply(query: &Message, content: Content, transport: Transport) -> Option<Vec<u8>> {
    let message = message(query, content);
    let bytes = message.to_vec().ok()?;
    let limit = match transport {
        Transport::Tcp => u16::MAX,
        Transport::Udp => query
            .edns
            .as_ref()
            .map_or(SMALLEST_DATAGRAM, |edns| edns.max_payload().clamp(SMALLEST_DATAGRAM, LARGEST_DATAGRAM)),
    };
    within(&message, bytes, usize::from(limit))
}

/// A reply to what can't be read: a header alone.
pub(super) fn header_only(query: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let [id_high, id_low, flags, ..] = *query else { return None };
    let (opcode_and_rd, response) = (flags & 0b0111_1001, 0b1000_0000);
    let mut bytes = vec![id_high, id_low, opcode_and_rd | response, 0b1000_0000 | code.low()];
    bytes.resize(HEADER, 0);
    Some(bytes)
}

fn message(query: &Message, content: Content) -> Message {
    let mut message = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    message.metadata = Metadata::response_from_request(&query.metadata);
    message.metadata.recursion_available = true;
    message.metadata.response_code = content.code;
    message.add_queries(query.queries.iter().cloned());
    let owner = query.queries.first().map(|question| question.name.clone()).unwrap_or_default();
    let is_none =
        content.answers.is_empty() && matches!(content.code, ResponseCode::NoError | ResponseCode::NXDomain);
    message.add_answers(content.answers.into_iter().map(|data| Record::from_rdata(owner.clone(), TTL, data)));
    if is_none {
        message.add_authority(Record::from_rdata(
            Name::root(),
            NEGATIVE_TTL,
            RData::SOA(start_of_authority()),
        ));
    }
    if let Some(edns) = &query.edns {
        message.set_edns(edns_of_reply(edns, content.is_blocked));
    }
    message
}

fn edns_of_reply(query: &Edns, is_blocked: bool) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(LARGEST_DATAGRAM).set_version(0).set_dnssec_ok(query.flags().dnssec_ok);
    if is_blocked {
        let mut extended = BLOCKED.1.to_be_bytes().to_vec();
        extended.extend(b"not allowed by the policy");
        edns.options_mut().insert(EdnsOption::Unknown(BLOCKED.0, extended));
    }
    edns
}

/// The root's, as this resolver is all that there is.
fn start_of_authority() -> SOA {
    // Both are names by their looks; the root stands in where a name could not be made.
    let name = |text| Name::from_ascii(text).unwrap_or_default();
    SOA::new(name("aurelian.invalid."), name("nobody.invalid."), 1, 3600, 600, 86_400, NEGATIVE_TTL)
}

fn within(message: &Message, bytes: Vec<u8>, limit: usize) -> Option<Vec<u8>> {
    if bytes.len() <= limit { Some(bytes) } else { message.truncate().to_vec().ok() }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Query;
    use hickory_proto::rr::RecordType;

    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_off_and_says_so() {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii("a.example.").unwrap(), RecordType::A));
        let content = || Content::addresses((0..100).map(|n| IpAddr::from([198, 18, 0, n])));
        let cut = Message::from_vec(&reply(&query, content(), Transport::Udp).unwrap()).unwrap();
        assert!(cut.metadata.truncation && cut.answers.is_empty() && cut.queries == query.queries);
        let whole = Message::from_vec(&reply(&query, content(), Transport::Tcp).unwrap()).unwrap();
        assert!(!whole.metadata.truncation && whole.answers.len() == 100);
        query.set_edns(Edns::new());
        query.edns.as_mut().unwrap().set_max_payload(65_535);
        let cut = reply(&query, content(), Transport::Udp).unwrap();
        assert!(Message::from_vec(&cut).unwrap().metadata.truncation);
    }
}
