//! Protocols of lines in which the server greets: SMTP (RFC 5321) and FTP (RFC 959), and how they change to TLS
//! (RFC 3207, RFC 4217).
//!
//! Both greet with 220 and words for people; what the client says tells them apart where the words don't.

use event::Protocol;

use super::claim::{Claim, Follow, Step, line};
use super::identity::{Confidence, text};

/// The longest line (RFC 5321 asks for 512 and extensions for more).
const LINE: usize = 2048;

/// How many lines are looked at for a change to TLS.
const WATCHED: u64 = 64;

/// A command line: the verb in upper case, what follows it, and how many bytes it takes.
type Command<'a> = (Vec<u8>, &'a [u8], usize);

/// A client's command line: `None` while it isn't complete, nothing if it is none.
fn command(head: &[u8]) -> Option<Option<Command<'_>>> {
    let is_command = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t' | 0x80..);
    let seen = head.get(..LINE).unwrap_or(head);
    let letters = seen.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if letters > 8 || letters < seen.len().min(3) {
        return Some(None);
    }
    let Some((line, used)) = line(seen) else {
        return if seen.iter().all(is_command) && seen.len() < LINE { None } else { Some(None) };
    };
    if !line.iter().all(is_command) {
        return Some(None);
    }
    let (verb, rest) = line.split_at(letters);
    Some(Some((verb.to_ascii_uppercase(), rest.trim_ascii(), used)))
}

pub(super) fn smtp_client(head: &[u8]) -> Step {
    match command(head) {
        None => Step::More,
        Some(Some((verb, name, used)))
            if matches!(&verb[..], b"EHLO" | b"HELO" | b"LHLO") && !name.is_empty() =>
        {
            Claim::likely(Protocol::Smtp, "a client's hello of SMTP")
                .with(|details| details.client = Some(text(name)))
                .followed(used, commands)
                .into()
        }
        Some(_) => Step::No,
    }
}

pub(super) fn ftp_client(head: &[u8]) -> Step {
    match command(head) {
        None => Step::More,
        Some(Some((verb, rest, used))) => match (&verb[..], rest) {
            (b"USER", user) if !user.is_empty() && !user.contains(&b' ') => {
                Claim::guess(Protocol::Ftp, "a login as FTP has it, and others")
                    .with(|details| details.user = Some(text(user)))
                    .followed(used, commands)
                    .into()
            }
            (b"AUTH", b"TLS" | b"SSL" | b"TLS-C") => {
                let mut claim = Claim::likely(Protocol::Ftp, "a change to TLS as FTP asks for it");
                claim.used = used;
                claim.follow = Some(after_change);
                claim.into()
            }
            (b"FEAT", b"") => {
                Claim::likely(Protocol::Ftp, "a question of FTP").followed(used, commands).into()
            }
            _ => Step::No,
        },
        Some(None) => Step::No,
    }
}

/// Goes through the client's commands until it asks for TLS or sends content.
fn commands(claim: &mut Claim, head: &[u8]) -> Follow {
    match command(head) {
        None => Follow::More,
        Some(None) => claim.goes_on_as_another(),
        Some(Some((verb, rest, used))) => {
            claim.note += 1;
            match (&verb[..], rest) {
                (b"STARTTLS", b"") | (b"AUTH", b"TLS" | b"SSL" | b"TLS-C") => {
                    claim.follow = Some(after_change)
                }
                // A line of credentials is no command.
                (b"AUTH" | b"DATA" | b"BDAT" | b"QUIT" | b"PASV" | b"EPSV", _) => return Follow::Done,
                (b"USER", user) if claim.details.user.is_none() => claim.details.user = Some(text(user)),
                _ if claim.note >= WATCHED => return Follow::Done,
                _ => {}
            }
            Follow::Consumed { bytes: used, skip: 0 }
        }
    }
}

/// After the client has asked for TLS: a record of it, or more commands if it was refused.
fn after_change(claim: &mut Claim, head: &[u8]) -> Follow {
    match head.first() {
        None => Follow::More,
        Some(0x16) => Follow::Tunnel,
        Some(_) => {
            claim.follow = Some(commands);
            Follow::Consumed { bytes: 0, skip: 0 }
        }
    }
}

/// A server's greeting, over as many lines as it has.
pub(super) fn server(head: &[u8]) -> Step {
    let mut place = 0;
    loop {
        let rest = head.get(place..).unwrap_or_default();
        if !rest.iter().zip(*b"220").all(|(byte, wanted)| *byte == wanted)
            || rest.get(3).is_some_and(|byte| !matches!(byte, b' ' | b'-'))
        {
            return Step::No;
        }
        let Some((line, used)) = line(rest.get(..LINE).unwrap_or(rest)) else {
            return if rest.len() < LINE { Step::More } else { Step::No };
        };
        place += used;
        if line.get(3) == Some(&b'-') {
            continue;
        }
        let (greeting, _) = head.split_at(place);
        return greeted(greeting).followed(place, replies).into();
    }
}

fn greeted(greeting: &[u8]) -> Claim {
    const BOTH: &[Protocol] = &[Protocol::Smtp, Protocol::Ftp];
    let upper = greeting.to_ascii_uppercase();
    let says = |word: &str| upper.windows(word.len()).any(|window| window == word.as_bytes());
    let (protocol, confidence) = if says("SMTP") {
        (Protocol::Smtp, Confidence::Likely)
    } else if says("FTP") {
        (Protocol::Ftp, Confidence::Likely)
    } else {
        (Protocol::Smtp, Confidence::Guess)
    };
    let claim =
        Claim::new(protocol, confidence, "a greeting with 220, as SMTP and FTP have it").or_also(BOTH);
    claim.with(|details| details.server = Some(text(greeting.get(4..).unwrap_or_default().trim_ascii())))
}

/// Goes through the server's replies until TLS begins.
fn replies(claim: &mut Claim, head: &[u8]) -> Follow {
    if head.first() == Some(&0x16) {
        return Follow::Tunnel;
    }
    let Some((line, used)) = line(head.get(..LINE).unwrap_or(head)) else {
        return if head.len() < LINE { Follow::More } else { Follow::Done };
    };
    claim.note += 1;
    let is_reply = line.iter().take(3).all(u8::is_ascii_digit) || line.first() == Some(&b' ');
    if !is_reply {
        return claim.goes_on_as_another();
    }
    if claim.note >= WATCHED || line.starts_with(b"354") || line.starts_with(b"334") {
        return Follow::Done;
    }
    Follow::Consumed { bytes: used, skip: 0 }
}
