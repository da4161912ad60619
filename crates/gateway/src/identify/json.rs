//! JSON-RPC in the clear, message after message: mining if one of them is, and as long as none is, just that.
//!
//! Every message is looked at, also after the first, because any of them can be the one that mines. Messages that
//! aren't JSON-RPC are unknown; the next one may not be.

mod value;

use event::Protocol;

pub(super) use value::Value;

use super::ambiguity::Ambiguity;
use super::claim::{Claim, Follow, HEAD, Step};
use super::identity::Confidence;
use super::stratum::{self, Found};

/// Either side's first message.
pub(super) fn recognise(head: &[u8]) -> Step {
    let length = match extent(head) {
        Extent::Whole(length) => length,
        Extent::More => return Step::More,
        Extent::None => return Step::No,
    };
    let mut claim = Claim::guess(Protocol::Unknown, "JSON that isn't JSON-RPC");
    learn(&mut claim, &stratum::inspect(head.get(..length).unwrap_or_default()));
    claim.or_also(&[Protocol::JsonRpc, Protocol::Stratum]).followed(length, next_message).into()
}

/// What a message adds: that it is JSON-RPC, or that it mines.
fn learn(claim: &mut Claim, found: &Found) {
    found.ambiguity.into_iter().for_each(|ambiguity| claim.doubt(ambiguity));
    if let Some(mining) = &found.mining {
        claim.protocol = Protocol::Stratum;
        claim.confidence = mining.confidence();
        claim.evidence = mining.evidence();
        claim.details.stratum = Some(mining.clone());
    } else if found.is_rpc && claim.protocol == Protocol::Unknown {
        claim.protocol = Protocol::JsonRpc;
        claim.confidence = Confidence::Likely;
        claim.evidence = "a JSON-RPC message that doesn't mine".into();
    }
}

/// Looks at the next message, until one mines.
fn next_message(claim: &mut Claim, head: &[u8]) -> Follow {
    if claim.protocol == Protocol::Stratum {
        return Follow::Done;
    }
    let length = match extent(head) {
        Extent::Whole(length) => length,
        Extent::More if head.len() < HEAD => return Follow::More,
        Extent::More => {
            claim.doubt(Ambiguity::TooLong);
            return Follow::Done;
        }
        Extent::None => return claim.goes_on_as_another(),
    };
    learn(claim, &stratum::inspect(head.get(..length).unwrap_or_default()));
    Follow::Consumed { bytes: length, skip: 0 }
}

/// How far the JSON value at the start goes, blanks before it included.
enum Extent {
    Whole(usize),
    More,
    None,
}

/// Finds the end of an object or array by its brackets alone, so that broken JSON has an end as well.
fn extent(bytes: &[u8]) -> Extent {
    let Some(start) = bytes.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != 0) else {
        return Extent::More;
    };
    if !matches!(bytes.get(start), Some(b'{' | b'[')) {
        return Extent::None;
    }
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (place, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return Extent::Whole(place + 1),
            b'}' | b']' => depth -= 1,
            // Nothing binary stands in JSON: what does isn't.
            0..=8 | 11 | 12 | 14..=31 | 127.. => return Extent::None,
            _ => {}
        }
    }
    Extent::More
}
