//! Redis (RESP 2 and 3).

use event::Protocol;

use super::claim::{Claim, Step, line};
use super::identity::{Confidence, text};

/// The longest header of a value: a type, digits and a line end.
const HEADER: usize = 32;

/// Commands with which clients open; any other word could be another protocol of the same shape.
const OPENINGS: &[&str] = &[
    "AUTH",
    "CLIENT",
    "CLUSTER",
    "COMMAND",
    "CONFIG",
    "DEL",
    "ECHO",
    "EVAL",
    "EXISTS",
    "EXPIRE",
    "FLUSHALL",
    "FLUSHDB",
    "GET",
    "HELLO",
    "HGET",
    "HGETALL",
    "HSET",
    "INCR",
    "INFO",
    "KEYS",
    "LPUSH",
    "MGET",
    "MODULE",
    "MONITOR",
    "MSET",
    "MULTI",
    "PING",
    "PSUBSCRIBE",
    "PSYNC",
    "PUBLISH",
    "READONLY",
    "REPLCONF",
    "ROLE",
    "RPUSH",
    "SADD",
    "SAVE",
    "SCAN",
    "SCRIPT",
    "SELECT",
    "SENTINEL",
    "SET",
    "SETEX",
    "SLAVEOF",
    "SUBSCRIBE",
    "SYNC",
    "TTL",
    "TYPE",
    "XADD",
    "XREAD",
    "ZADD",
];

/// A header like `*2` or `$4`: its number and its length. `None` while it isn't complete.
fn header(bytes: &[u8], kind: u8) -> Option<Option<(usize, usize)>> {
    let seen = bytes.get(..HEADER).unwrap_or(bytes);
    let digits = seen.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
    match seen.split_first() {
        None => return None,
        Some((first, _)) if *first != kind => return Some(None),
        Some((_, rest)) if rest.get(digits).is_some_and(|byte| *byte != b'\r') => return Some(None),
        Some(_) => {}
    }
    let Some((text, used)) = line(seen) else {
        return if seen.len() < HEADER { None } else { Some(None) };
    };
    let number =
        text.get(1..).and_then(|digits| str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
    Some(number.map(|number| (number, used)))
}

/// A client's first command, as an array of strings.
pub(super) fn client(head: &[u8]) -> Step {
    let (count, used) = match header(head, b'*') {
        None => return Step::More,
        Some(None) => return inline(head),
        Some(Some(found)) => found,
    };
    if !(1..=1024).contains(&count) {
        return Step::No;
    }
    let rest = head.get(used..).unwrap_or_default();
    let (length, used) = match header(rest, b'$') {
        None => return Step::More,
        Some(None) => return Step::No,
        Some(Some(found)) => found,
    };
    if !(1..=32).contains(&length) {
        return Step::No;
    }
    let Some(word) = rest.get(used..used + length + 2) else { return Step::More };
    let Some(word) = word.strip_suffix(b"\r\n") else { return Step::No };
    let is_known = OPENINGS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word));
    let is_word = word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let claim = match (is_known, is_word) {
        (true, _) => Claim::certain(Protocol::Redis, "a whole command of Redis"),
        (false, true) => Claim::likely(Protocol::Redis, "an array of strings as Redis sends commands"),
        (false, false) => return Step::No,
    };
    claim.with(|details| details.client = Some(text(word))).into()
}

/// A command on one line, as people type it.
fn inline(head: &[u8]) -> Step {
    const TYPED: [&[u8]; 3] = [b"PING\r\n", b"INFO\r\n", b"COMMAND\r\n"];
    if !TYPED
        .iter()
        .any(|typed| head.iter().zip(*typed).all(|(byte, wanted)| byte.eq_ignore_ascii_case(wanted)))
    {
        return Step::No;
    }
    match line(head) {
        None => Step::More,
        Some((word, _)) => Claim::guess(Protocol::Redis, "a command as Redis takes it on one line")
            .with(|details| details.client = Some(text(word)))
            .into(),
    }
}

/// A server's first answer.
pub(super) fn server(head: &[u8]) -> Step {
    const ERRORS: [&[u8]; 4] = [b"-NOAUTH ", b"-DENIED Redis", b"-WRONGPASS ", b"-NOPERM "];
    if head.first().is_some_and(|kind| !b"+-:$*%_#,=~".contains(kind)) {
        return Step::No;
    }
    let seen = head.get(..512).unwrap_or(head);
    if !seen.iter().take_while(|byte| **byte != b'\n').all(|byte| matches!(byte, b' '..=b'~' | b'\r')) {
        return Step::No;
    }
    let Some((line, used)) = line(seen) else {
        return if seen.len() < 512 { Step::More } else { Step::No };
    };
    if !head.get(..used).is_some_and(|line| line.ends_with(b"\r\n")) {
        return Step::No;
    }
    let confidence = if ERRORS.iter().any(|error| line.starts_with(error)) || line == b"+PONG" {
        Confidence::Likely
    } else {
        Confidence::Guess
    };
    Claim::new(Protocol::Redis, confidence, "a value as Redis answers").into()
}
