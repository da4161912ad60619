//! Remote Desktop: the connection request and confirmation of X.224 in TPKT (MS-RDPBCGR 2.2.1), and TLS behind them.

use event::Protocol;

use super::claim::{Claim, Follow, Step};
use super::identity::text;
use super::reader::Reader;

const REQUEST: u8 = 0xe0;
const CONFIRM: u8 = 0xd0;

/// The longest: a cookie is short.
const LONGEST: u16 = 1024;

/// The variable part of the connection packet, and how long the packet is. `None` while it isn't complete.
fn packet(head: &[u8], code: u8) -> Option<Option<(&[u8], usize)>> {
    let wanted = [Some(3), Some(0), None, None, None, Some(code)];
    if !head.iter().zip(wanted).all(|(byte, wanted)| wanted.is_none_or(|wanted| *byte == wanted)) {
        return Some(None);
    }
    let mut reader = Reader::new(head);
    reader.short()?;
    let length = reader.short()?;
    if !(11..=LONGEST).contains(&length) {
        return Some(None);
    }
    let mut content = Reader::new(head.get(4..usize::from(length))?);
    let inside = || {
        let header = usize::from(content.byte()?);
        let is_whole = header == content.rest().len();
        content.take(6)?;
        is_whole.then(|| content.rest())
    };
    let mut inside = inside;
    Some(inside().map(|variable| (variable, usize::from(length))))
}

/// A client's request: with a cookie, or with what security it can do.
pub(super) fn client(head: &[u8]) -> Step {
    match packet(head, REQUEST) {
        None => Step::More,
        Some(None) => Step::No,
        Some(Some((variable, used))) => {
            let (cookie, rest) = cookie(variable);
            let negotiates = matches!(rest, [1, _, 8, 0, _, _, _, _, ..]);
            if cookie.is_none() && !negotiates {
                return Step::No;
            }
            let claim = Claim::certain(Protocol::Rdp, "a whole connection request of Remote Desktop");
            claim.with(|details| details.user = cookie.map(text)).followed(used, follow).into()
        }
    }
}

fn cookie(variable: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let found = variable.strip_prefix(b"Cookie: mstshash=").and_then(|rest| {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        Some((rest.get(..end)?, rest.get(end + 2..)?))
    });
    found.map_or((None, variable), |(user, rest)| (Some(user), rest))
}

/// A server's confirmation, with what security it chose or refuses.
pub(super) fn server(head: &[u8]) -> Step {
    match packet(head, CONFIRM) {
        None => Step::More,
        Some(Some((variable, used)))
            if matches!(variable, [2 | 3, _, 8, 0, _, _, _, _]) || variable.is_empty() =>
        {
            Claim::likely(Protocol::Rdp, "a connection confirmation of Remote Desktop")
                .followed(used, follow)
                .into()
        }
        Some(_) => Step::No,
    }
}

/// TLS, or more of TPKT.
fn follow(claim: &mut Claim, head: &[u8]) -> Follow {
    match head.first() {
        None => Follow::More,
        Some(0x16) => Follow::Tunnel,
        Some(3) => Follow::Done,
        Some(_) => claim.goes_on_as_another(),
    }
}
