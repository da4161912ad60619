//! VNC (RFC 6143): both sides open with the version, twelve bytes.

use event::Protocol;

use super::claim::{Claim, Step};
use super::identity::text;

pub(super) fn recognise(head: &[u8]) -> Step {
    let is_wanted =
        |(byte, wanted): (&u8, &u8)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
    if !head.iter().zip(b"RFB 000.000\n").all(is_wanted) {
        return Step::No;
    }
    let Some(version) = head.first_chunk::<12>() else { return Step::More };
    let claim = Claim::likely(Protocol::Vnc, "the version of VNC");
    claim.with(|details| details.server = Some(text(version.trim_ascii()))).into()
}
