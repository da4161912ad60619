//! AMQP: the protocol header, and the server's `connection.start` (0-9-1) or its own header (1.0).

use event::Protocol;

use super::claim::{Claim, Step, begins};
use super::identity::Confidence;

/// The headers of 0-8, 0-9, 0-9-1, 1.0, and 1.0 with TLS and with SASL.
const HEADERS: [&[u8; 8]; 6] = [
    b"AMQP\x01\x01\x08\x00",
    b"AMQP\x01\x01\x00\x09",
    b"AMQP\x00\x00\x09\x01",
    b"AMQP\x00\x01\x00\x00",
    b"AMQP\x02\x01\x00\x00",
    b"AMQP\x03\x01\x00\x00",
];

pub(super) fn client(head: &[u8]) -> Step {
    header(head, Confidence::Certain)
}

fn header(head: &[u8], confidence: Confidence) -> Step {
    let answers = HEADERS.map(|header| begins(head, header));
    if answers.contains(&Some(true)) {
        Claim::new(Protocol::Amqp, confidence, "the header of AMQP").into()
    } else if answers.contains(&None) {
        Step::More
    } else {
        Step::No
    }
}

pub(super) fn server(head: &[u8]) -> Step {
    // A method frame on channel 0: connection.start, version 0-9.
    let start = [
        Some(1),
        Some(0),
        Some(0),
        None,
        None,
        None,
        None,
        Some(0),
        Some(10),
        Some(0),
        Some(10),
        Some(0),
        Some(9),
    ];
    if head.first() == Some(&b'A') {
        return header(head, Confidence::Likely);
    }
    if !head.iter().zip(start).all(|(byte, wanted)| wanted.is_none_or(|wanted| *byte == wanted)) {
        return Step::No;
    }
    if head.len() < start.len() {
        return Step::More;
    }
    Claim::certain(Protocol::Amqp, "AMQP's connection.start").into()
}
