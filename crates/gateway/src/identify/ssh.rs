//! SSH (RFC 4253): the banner, then the KEXINIT packet and its fingerprint HASSH (Salesforce, BSD 3-clause).
//!
//! A banner alone is likely, since anyone can write one line; a KEXINIT that parses to its end makes it certain. Lines
//! of a server before its banner, which the RFC permits and nobody sends, aren't accepted.

use event::{Protocol, Text};
use md5::{Digest, Md5};

use super::claim::{Claim, Follow, HEAD, Step, begins, line};
use super::identity::{Confidence, text};
use super::reader::Reader;

/// One end of an SSH connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its banner, without the line end.
    pub banner: Text,
    /// The fingerprint of the algorithms that it offers, in its own direction: HASSH of a client, HASSH of a server.
    pub hassh: Option<String>,
}

/// The longest banner, with its line end.
const BANNER: usize = 255;

const KEXINIT: u8 = 20;

pub(super) fn client(head: &[u8]) -> Step {
    banner(head, |endpoint, details| details.ssh_client = Some(endpoint), client_kexinit)
}

pub(super) fn server(head: &[u8]) -> Step {
    banner(head, |endpoint, details| details.ssh_server = Some(endpoint), server_kexinit)
}

fn banner(head: &[u8], set: fn(Endpoint, &mut super::Details), follow: super::claim::Follower) -> Step {
    match begins(head, b"SSH-") {
        Some(true) => {}
        Some(false) => return Step::No,
        None => return Step::More,
    }
    let Some((banner, used)) = line(head.get(..BANNER).unwrap_or(head)) else {
        return if head.len() >= BANNER { Step::No } else { Step::More };
    };
    let is_version =
        [&b"SSH-2.0-"[..], b"SSH-1.99-", b"SSH-1.5-"].iter().any(|prefix| banner.starts_with(prefix));
    if !is_version || !banner.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Step::No;
    }
    let endpoint = Endpoint { banner: text(banner), hassh: None };
    Claim::likely(Protocol::Ssh, "a banner of SSH")
        .with(|details| set(endpoint, details))
        .followed(used, follow)
        .into()
}

fn client_kexinit(claim: &mut Claim, head: &[u8]) -> Follow {
    kexinit(claim, head, [0, 2, 4, 6], |details| details.ssh_client.as_mut())
}

fn server_kexinit(claim: &mut Claim, head: &[u8]) -> Follow {
    kexinit(claim, head, [0, 3, 5, 7], |details| details.ssh_server.as_mut())
}

/// Waits for the packet; `order` says which of its ten lists make the fingerprint.
fn kexinit(
    claim: &mut Claim,
    head: &[u8],
    order: [usize; 4],
    endpoint: fn(&mut super::Details) -> Option<&mut Endpoint>,
) -> Follow {
    let mut reader = Reader::new(head);
    let Some(length) = reader.word().map(|length| usize::try_from(length).unwrap_or(usize::MAX)) else {
        return Follow::More;
    };
    if !(64..=HEAD - 4).contains(&length) {
        return claim.goes_on_as_another();
    }
    let Some(packet) = reader.take(length) else { return Follow::More };
    let Some(lists) = parse(packet) else { return claim.goes_on_as_another() };
    let chosen: Vec<&[u8]> = order.iter().filter_map(|place| lists.get(*place).copied()).collect();
    let digest = Md5::digest(chosen.join(&b';'));
    if let Some(endpoint) = endpoint(&mut claim.details) {
        endpoint.hassh = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    claim.confidence = Confidence::Certain;
    claim.evidence = "a banner of SSH and a whole KEXINIT".into();
    Follow::Done
}

/// The ten lists of names.
fn parse(packet: &[u8]) -> Option<[&[u8]; 10]> {
    let mut reader = Reader::new(packet);
    let padding = usize::from(reader.byte()?);
    let mut payload = Reader::new(reader.take(reader.rest().len().checked_sub(padding)?)?);
    if payload.byte()? != KEXINIT {
        return None;
    }
    payload.take(16)?;
    let mut lists = [&[][..]; 10];
    for list in &mut lists {
        *list = payload.run32()?;
        if !list.iter().all(|byte| matches!(byte, b'!'..=b'~')) {
            return None;
        }
    }
    payload.take(5)?;
    payload.is_empty().then_some(lists)
}
