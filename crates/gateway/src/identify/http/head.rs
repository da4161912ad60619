//! The head of a message: where it ends, and what in its raw bytes readers disagree about.
//!
//! `httparse` is the grammar; it forgives some of what is reported here, as other readers do and some don't.

use crate::identify::ambiguity::Ambiguity;

/// The most header fields of a message.
pub(super) const FIELDS: usize = 128;

/// How many bytes the head takes, with the empty line at its end, by whichever line ends; `None` if it isn't complete.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let feeds = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place);
    feeds.into_iter().find_map(|place| match bytes.get(place + 1..)? {
        [b'\n', ..] => Some(place + 2),
        [b'\r', b'\n', ..] => Some(place + 3),
        _ => None,
    })
}

/// What the raw bytes of a head leave open.
pub(super) fn doubts(head: &[u8]) -> Vec<Ambiguity> {
    let mut doubts = Vec::new();
    let pairs = || head.iter().zip(head.iter().skip(1));
    if pairs().any(|(before, byte)| *byte == b'\n' && *before != b'\r') {
        doubts.push(Ambiguity::BareLineFeed);
    }
    if pairs().any(|(byte, after)| *byte == b'\r' && *after != b'\n') {
        doubts.push(Ambiguity::BareCarriageReturn);
    }
    if pairs().any(|(byte, after)| *byte == b'\n' && matches!(after, b' ' | b'\t')) {
        doubts.push(Ambiguity::FoldedHeader);
    }
    doubts
}

/// Whether a list of tokens, separated by commas, has this one.
pub(super) fn lists(value: &[u8], token: &str) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
