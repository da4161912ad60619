//! Arbitrary bytes as a conversation: whatever both sides say, and in whatever pieces, it is identified as the same,
//! what is held stays bounded, and TLS is certain only where a hello was read to its end.
//!
//! The input is turns, each behind two bytes: the side in the highest bit, then the length.
#![no_main]

use event::Protocol;
use gateway::identify::{Confidence, HELD, Identifier, Side, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let turns = turns(bytes);
    let whole = told(turns.iter().copied());
    let size = usize::from(bytes.last().copied().unwrap_or(0) % 37) + 1;
    let pieces = turns.iter().flat_map(|(side, said)| said.chunks(size).map(|piece| (*side, piece)));
    assert_eq!(told(pieces), whole, "in pieces of {size}");
    let (client, server): (Vec<_>, Vec<_>) = turns.iter().partition(|(side, _)| *side == Side::Client);
    assert_eq!(told(server.into_iter().chain(client)), whole, "with the server first");
    if let State::Identified(identity) = &whole {
        assert!(!identity.evidence.is_empty());
        assert!(identity.layers().count() <= 5);
        for layer in identity.layers() {
            // Only what was read to its end is certain.
            let is_tls_read = layer.details.tls_client.is_some() || layer.details.tls_server.is_some();
            assert!(layer.protocol != Protocol::Tls || is_tls_read || layer.confidence < Confidence::Certain);
        }
    }
});

fn turns(mut bytes: &[u8]) -> Vec<(Side, &[u8])> {
    let mut turns = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let side = if high & 0x80 == 0 { Side::Client } else { Side::Server };
        let length = usize::from(u16::from_be_bytes([high & 0x7f, *low])).min(rest.len());
        let (said, after) = rest.split_at(length);
        turns.push((side, said));
        bytes = after;
    }
    turns
}

fn told<'a>(turns: impl Iterator<Item = (Side, &'a [u8])>) -> State {
    let mut identifier = Identifier::new();
    for (side, said) in turns {
        identifier.push(side, said);
        assert!(identifier.held() <= HELD);
    }
    identifier.finish().clone()
}
