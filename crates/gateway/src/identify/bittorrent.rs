//! BitTorrent (BEP 3): the handshake between peers. Its obfuscated form (MSE) looks like noise, and is unknown.

use event::Protocol;

use super::claim::{Claim, Step, begins};
use super::identity::text;

/// The protocol's name, eight reserved bytes, the hash of what is shared.
const HANDSHAKE: usize = 20 + 8 + 20;

pub(super) fn recognise(head: &[u8]) -> Step {
    match begins(head, b"\x13BitTorrent protocol") {
        None => return Step::More,
        Some(false) => return Step::No,
        Some(true) => {}
    }
    let Some(hash) = head.get(28..HANDSHAKE) else { return Step::More };
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let claim = Claim::certain(Protocol::Bittorrent, "a whole handshake of BitTorrent");
    claim.with(|details| details.target = Some(text(hash.as_bytes()))).into()
}
