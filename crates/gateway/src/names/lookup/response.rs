//! What a server's message says to the question that was asked.
//!
//! Anybody on the way can send a message, and the server itself may lie. Only a message with the number and the very
//! question of ours counts, only records of the type and of the names that the question leads to are taken, and what they
//! say is bounded. That the addresses may be dialled is for the module `check` to say.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// Names that one may lead to, one after the other, over all messages of a lookup.
pub(super) const LONGEST_CHAIN: usize = 12;
/// Addresses taken of one message.
const MOST_ADDRESSES: usize = 32;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Not the answer to this question; the answer may still come.
    Nothing,
    /// The answer doesn't fit a datagram.
    Truncated,
    /// The server can't or won't tell; another one may.
    Failed(ResponseCode),
    /// There is no such name.
    NoName,
    /// The addresses, of which there may be none.
    Addresses(Vec<IpAddr>),
    /// Another name stands for this one, and the message doesn't tell its addresses.
    Elsewhere(Name),
    /// The names lead in a circle, or without end.
    Circle,
}

/// Reads a message as the answer to `question` with the number `id`; `hops` is how many names were followed so far.
pub(super) fn read(bytes: &[u8], id: u16, question: &Query, hops: &mut usize) -> Said {
    let Ok(message) = Message::from_vec(bytes) else { return Said::Nothing };
    let header = &message.metadata;
    let is_ours = header.id == id
        && header.message_type == MessageType::Response
        && header.op_code == OpCode::Query
        && matches!(message.queries.as_slice(), [echoed] if is_same(echoed, question));
    if !is_ours {
        return Said::Nothing;
    }
    if header.truncation {
        return Said::Truncated;
    }
    match header.response_code {
        ResponseCode::NoError => follow(&message.answers, question, hops),
        ResponseCode::NXDomain => Said::NoName,
        code => Said::Failed(code),
    }
}

fn is_same(echoed: &Query, question: &Query) -> bool {
    let kind = |query: &Query| (query.query_type, query.query_class);
    echoed.name == question.name && kind(echoed) == kind(question)
}

/// Follows the names from the question through the records, in whatever order they stand.
fn follow(records: &[Record], question: &Query, hops: &mut usize) -> Said {
    let mut name = &question.name;
    let of_type = |name: &Name| -> Vec<IpAddr> {
        let there = records.iter().filter(|record| record.name == *name);
        there.filter_map(|record| address(record, question.query_type)).take(MOST_ADDRESSES).collect()
    };
    loop {
        let addresses = of_type(name);
        if !addresses.is_empty() {
            return Said::Addresses(addresses);
        }
        let Some(next) = records.iter().find_map(|record| alias(record, name)) else { break };
        *hops += 1;
        if *hops > LONGEST_CHAIN {
            return Said::Circle;
        }
        name = next;
    }
    if *name == question.name { Said::Addresses(Vec::new()) } else { Said::Elsewhere(name.clone()) }
}

fn address(record: &Record, wanted: RecordType) -> Option<IpAddr> {
    match (&record.data, wanted) {
        _ if record.dns_class != DNSClass::IN => None,
        (RData::A(v4), RecordType::A) => Some(v4.0.into()),
        (RData::AAAA(v6), RecordType::AAAA) => Some(v6.0.into()),
        _ => None,
    }
}

fn alias<'r>(record: &'r Record, name: &Name) -> Option<&'r Name> {
    match &record.data {
        RData::CNAME(target) if record.name == *name && record.dns_class == DNSClass::IN => Some(&target.0),
        _ => None,
    }
}
