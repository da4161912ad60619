//! IRC (RFC 2812).

use event::Protocol;

use super::claim::{Claim, Step, line};
use super::identity::{Confidence, text};

/// The longest line: 512 bytes, and as much again for tags.
const LINE: usize = 1024;

/// How many lines of a client are looked at.
const WATCHED: usize = 8;

/// The next line in whole, and how far it goes; `Err` says what follows from its absence.
fn next(head: &[u8], place: usize) -> Result<(&[u8], usize), Step> {
    let rest = head.get(place..).unwrap_or_default();
    let seen = rest.get(..LINE).unwrap_or(rest);
    if seen.iter().take_while(|byte| **byte != b'\n').any(|byte| matches!(byte, 0..=8 | 14..=31)) {
        return Err(Step::No);
    }
    match line(seen) {
        Some((line, used)) => Ok((line, place + used)),
        None if seen.len() < LINE => Err(Step::More),
        None => Err(Step::No),
    }
}

fn words(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect()
}

/// A client's registration: `NICK` and `USER`, in any order, perhaps behind `CAP` and `PASS`.
pub(super) fn client(head: &[u8]) -> Step {
    const VERBS: [&[u8]; 4] = [b"CAP ", b"PASS ", b"NICK ", b"USER "];
    let is_possible =
        |verb: &[u8]| head.iter().zip(verb).all(|(byte, wanted)| byte.eq_ignore_ascii_case(wanted));
    if !VERBS.into_iter().any(is_possible) {
        return Step::No;
    }
    let (mut place, mut nick, mut has_user) = (0, None, false);
    for _ in 0..WATCHED {
        let (line, end) = match next(head, place) {
            Ok(found) => found,
            Err(step) => return step,
        };
        place = end;
        let words = words(line);
        match (
            words.first().map(|verb| verb.to_ascii_uppercase()).as_deref(),
            words.get(1..).unwrap_or_default(),
        ) {
            (Some(b"CAP" | b"PASS"), [_, ..]) => {}
            (Some(b"NICK"), [name]) => nick = Some(*name),
            (Some(b"USER"), [_, _, _, _, ..]) => has_user = true,
            _ => return Step::No,
        }
        if let (Some(nick), true) = (nick, has_user) {
            let claim = Claim::certain(Protocol::Irc, "a registration of IRC: NICK and USER");
            return claim.with(|details| details.user = Some(text(nick))).into();
        }
    }
    Step::No
}

/// A server's first line: a notice before the login, or a reply with a number.
pub(super) fn server(head: &[u8]) -> Step {
    if head.first().is_some_and(|first| !matches!(first, b':' | b'N' | b'P')) {
        return Step::No;
    }
    if head.first() != Some(&b':') {
        let is_possible = |verb: &[u8]| head.iter().zip(verb).all(|(byte, wanted)| byte == wanted);
        if !is_possible(b"NOTICE ") && !is_possible(b"PING :") {
            return Step::No;
        }
    }
    let (line, _) = match next(head, 0) {
        Ok(found) => found,
        Err(step) => return step,
    };
    let words = words(line);
    let (source, rest) = match words.split_first() {
        Some((source, rest)) if source.starts_with(b":") => (Some(*source), rest),
        _ => (None, &words[..]),
    };
    let confidence = match rest {
        [b"NOTICE", b"*" | b"AUTH" | b"Auth", ..] => Confidence::Certain,
        [b"NOTICE", _, text, ..] if text.starts_with(b":") => Confidence::Likely,
        [[b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'], _, _, ..] if source.is_some() => Confidence::Likely,
        [b"PING", token] if token.starts_with(b":") => Confidence::Guess,
        _ => return Step::No,
    };
    let claim = Claim::new(Protocol::Irc, confidence, "the first line of an IRC server");
    claim.with(|details| details.server = source.and_then(|source| source.get(1..)).map(text)).into()
}
