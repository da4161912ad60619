//! The git protocol on a port of its own (`gitprotocol-pack(5)`).

use event::Protocol;

use super::claim::{Claim, Step};
use super::identity::text;
use super::reader::Reader;

/// The longest line (`gitprotocol-common(5)`); a request is far shorter.
const LINE: usize = 4096;

/// The payload of the first pkt-line: `None` while it isn't complete, nothing if it is none.
fn line(head: &[u8]) -> Option<Option<&[u8]>> {
    let digits = head.get(..4).unwrap_or(head);
    if !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Some(None);
    }
    let length = str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    if digits.len() < 4 {
        return None;
    }
    match length.filter(|length| (5..=LINE).contains(length)) {
        Some(length) if head.len() < length => None,
        Some(length) => Some(head.get(4..length)),
        None => Some(None),
    }
}

/// A client's request: the service, the repository, the host.
pub(super) fn client(head: &[u8]) -> Step {
    if head.len() > 4 && !b"git-".iter().zip(head.iter().skip(4)).all(|(wanted, byte)| byte == wanted) {
        return Step::No;
    }
    match line(head) {
        None => Step::More,
        Some(request) => Step::from_option(request.and_then(request_of)),
    }
}

fn request_of(line: &[u8]) -> Option<Claim> {
    let mut reader = Reader::new(line);
    let call = reader.c_string()?;
    let space = call.iter().position(|byte| *byte == b' ')?;
    let (service, path) = call.split_at_checked(space)?;
    if !matches!(service, b"git-upload-pack" | b"git-receive-pack" | b"git-upload-archive") {
        return None;
    }
    let host = reader.c_string().and_then(|host| host.strip_prefix(b"host=")).unwrap_or_default();
    let claim = Claim::certain(Protocol::Git, "a whole request of git");
    Some(claim.with(|details| {
        details.target = Some(text(&[host, path.trim_ascii()].concat()));
        details.client = Some(text(service));
    }))
}

/// A server's first line: the version, an error, or a reference behind its hash.
pub(super) fn server(head: &[u8]) -> Step {
    match line(head) {
        None => Step::More,
        Some(Some(line)) => {
            let is_hash = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
            let is_reference = [40, 64].into_iter().any(|length| {
                line.split_at_checked(length)
                    .is_some_and(|(hash, rest)| is_hash(hash) && rest.starts_with(b" "))
            });
            if is_reference || line.starts_with(b"version ") || line.starts_with(b"ERR ") {
                Claim::likely(Protocol::Git, "a reference, version or error as git sends it").into()
            } else {
                Step::No
            }
        }
        Some(None) => Step::No,
    }
}
