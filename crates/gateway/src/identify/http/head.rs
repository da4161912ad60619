//! The head of a message: where it ends, and what in its raw bytes readers disagree about.
//!
//! `httparse` is the grammar; it forgives some of what is reported here, as other readers do and some don't.

use crate::identify::ambiguity::Ambiguity;

/// The most header fields of a message.
pub(super) const FIELDS: usize = 128;

/// How many bytes the head takes, with the empty line at its end, by whichever line ends; `None` if it isn't complete.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|place| match bytes.get(place + 1..)? {
        [b'\n', ..] => Some(place + 2),
        [b'\r', b'\n', ..] => Some(place + 3),
        _ => None,
    })
}

/// What the raw bytes of a head leave open.
pub(super) fn doubts(head: &[u8]) -> Vec<Ambiguity> {
    let mut doubts = Vec::new();
    let mut doubt = |ambiguity| {
        if !doubts.contains(&ambiguity) {
            doubts.push(ambiguity);
        }
    };
    for place in memchr::memchr2_iter(b'\r', b'\n', head) {
        let before = place.checked_sub(1).and_then(|before| head.get(before));
        match (before, head.get(place..).unwrap_or_default()) {
            (_, [b'\r', b'\n', ..]) => {}
            (_, [b'\r', ..]) => doubt(Ambiguity::BareCarriageReturn),
            (before, rest) => {
                if before != Some(&b'\r') {
                    doubt(Ambiguity::BareLineFeed);
                }
                if matches!(rest, [_, b' ' | b'\t', ..]) {
                    doubt(Ambiguity::FoldedHeader);
                }
            }
        }
    }
    doubts.sort_unstable();
    doubts
}

/// Whether a part of a head has a carriage return that ends no line.
pub(super) fn has_bare_return(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', head).any(|place| head.get(place + 1).is_some_and(|next| *next != b'\n'))
}

/// Whether a list of tokens, separated by commas, has this one.
pub(super) fn lists(value: &[u8], token: &str) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
