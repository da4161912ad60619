//! Coin networks from node to node, which are not mining: Bitcoin and its relatives, and Monero's Levin, which has no
//! name of its own in the list and is told apart only so that nothing else is seen in it.

use event::Protocol;
use sha2::{Digest, Sha256};

use super::claim::{Claim, HEAD, Step};
use super::identity::text;
use super::reader::Reader;

/// The magic of the main networks: Bitcoin, its test networks, Litecoin, Dogecoin, Dash, Bitcoin Cash, Zcash.
const MAGIC: &[[u8; 4]] = &[
    [0xf9, 0xbe, 0xb4, 0xd9],
    [0x0b, 0x11, 0x09, 0x07],
    [0xfa, 0xbf, 0xb5, 0xda],
    [0xfb, 0xc0, 0xb6, 0xdb],
    [0xc0, 0xc0, 0xc0, 0xc0],
    [0xbf, 0x0c, 0x6b, 0xbd],
    [0xe3, 0xe1, 0xf3, 0xe8],
    [0x24, 0xe9, 0x27, 0x64],
];

/// The first message of a node; with a magic that we know any, else `version` with the right checksum.
pub(super) fn bitcoin(head: &[u8]) -> Step {
    let mut reader = Reader::new(head);
    let Some(magic) = reader.array::<4>() else { return Step::More };
    let name = reader.rest();
    let is_name = name.iter().take(12).all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | 0));
    if !is_name || name.first() == Some(&0) {
        return Step::No;
    }
    let (Some(name), Some(length)) = (reader.take(12), reader.array()) else { return Step::More };
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let (command, padding) = name.split_at(end);
    if !padding.iter().all(|byte| *byte == 0) {
        return Step::No;
    }
    if MAGIC.contains(&magic) {
        // Before 2012 there was no checksum.
        let claim = Claim::likely(Protocol::Bitcoin, "the header of a message between coin nodes");
        return claim.with(|details| details.client = Some(text(command))).into();
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if command != b"version" || length > HEAD - 24 {
        return Step::No;
    }
    let Some(checksum) = reader.take(4) else { return Step::More };
    let Some(payload) = reader.take(length) else { return Step::More };
    if !Sha256::digest(Sha256::digest(payload)).starts_with(checksum) {
        return Step::No;
    }
    let claim = Claim::certain(Protocol::Bitcoin, "a whole message between coin nodes, with its checksum");
    claim.with(|details| details.client = Some(text(command))).into()
}

/// Monero's protocol between nodes.
pub(super) fn levin(head: &[u8]) -> Step {
    const SIGNATURE: &[u8] = &[0x01, 0x21, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01];
    match super::claim::begins(head, SIGNATURE) {
        None => Step::More,
        Some(false) => Step::No,
        Some(true) => {
            Claim::certain(Protocol::Unknown, "the signature of Levin, which Monero's nodes speak").into()
        }
    }
}
