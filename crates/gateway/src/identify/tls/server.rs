//! The server's answer: its ServerHello, and up to TLS 1.2 the names of its certificate.

use event::{Protocol, Text};

use super::certificate::Names;
use super::record::{ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, Messages, Next, follow, header};
use crate::identify::claim::{Claim, Follow, HEAD, Step};
use crate::identify::reader::{Reader, big24};

/// What a server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The version that it chose, as on the wire.
    pub version: u16,
    /// The names of its certificate: DNS names and addresses, at most 32. Encrypted from TLS 1.3 on.
    pub names: Vec<Text>,
    /// The common name of its certificate's subject.
    pub subject: Option<Text>,
    /// The common name of its certificate's issuer.
    pub issuer: Option<Text>,
}

const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SUPPORTED_VERSIONS: u16 = 43;

/// A server's ServerHello, or an alert.
pub(crate) fn recognise(head: &[u8]) -> Step {
    if head.first() == Some(&ALERT) {
        return alert(head);
    }
    let mut messages = Messages::new(head);
    match messages.next(SERVER_HELLO) {
        Next::More => Step::More,
        Next::Broken => Step::No,
        Next::Message(hello) => Step::from_option(parse(&hello).map(|version| {
            let claim = Claim::certain(Protocol::Tls, format!("a whole ServerHello, version {version:#06x}"));
            let claim = claim.with(|details| {
                details.tls_server = Some(ServerHello { version, ..ServerHello::default() });
            });
            if version == 0x0304 { claim.followed(0, follow) } else { claim.followed(0, certificate) }
        })),
    }
}

/// An alert in the clear: a record of two bytes.
fn alert(head: &[u8]) -> Step {
    let mut reader = Reader::new(head);
    if head.get(1).is_some_and(|major| *major != 3) {
        return Step::No;
    }
    let (Some(bytes), Some([level, _])) = (reader.array(), reader.array()) else { return Step::More };
    if header(bytes) != Some((ALERT, 2)) || !(1..=2).contains(&level) {
        return Step::No;
    }
    Claim::likely(Protocol::Tls, "an alert of TLS").into()
}

/// The version that the message chooses, if it is well-formed to its end.
fn parse(message: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(message);
    let mut version = reader.short()?;
    reader.take(32)?;
    let session = reader.run8()?;
    reader.take(3)?;
    if !(0x0300..=0x0303).contains(&version) || session.len() > 32 {
        return None;
    }
    let mut extensions = Reader::new(if reader.is_empty() { &[] } else { reader.run16()? });
    while !extensions.is_empty() {
        let (kind, content) = (extensions.short()?, extensions.run16()?);
        if kind == SUPPORTED_VERSIONS {
            version = Reader::new(content).short()?;
        }
    }
    reader.is_empty().then_some(version)
}

/// Waits for the first certificate, which is the server's own.
fn certificate(claim: &mut Claim, head: &[u8]) -> Follow {
    let mut messages = Messages::new(head);
    while let Some((kind, body, is_whole)) = messages.beginning() {
        match kind {
            CERTIFICATE => match first(&body) {
                Some(certificate) => return read(claim, certificate),
                None if is_whole => return done(claim),
                None => break,
            },
            _ if !is_whole => break,
            _ => {}
        }
    }
    // Without a certificate, as in a resumed session, the handshake ends in another type of record.
    if has_ended(head) || head.len() >= HEAD {
        return done(claim);
    }
    Follow::More
}

fn first(body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(body);
    reader.triple().map(big24)?;
    reader.run24()
}

fn read(claim: &mut Claim, certificate: &[u8]) -> Follow {
    if let (Some(names), Some(server)) = (Names::parse(certificate), claim.details.tls_server.as_mut()) {
        server.names = names.alternatives;
        server.subject = names.subject;
        server.issuer = names.issuer;
    }
    claim.evidence.push_str(", and a certificate");
    done(claim)
}

/// From here on only that records follow.
fn done(claim: &mut Claim) -> Follow {
    claim.follow = Some(follow);
    Follow::Consumed { bytes: 0, skip: 0 }
}

/// Whether a record that isn't a handshake has begun.
fn has_ended(head: &[u8]) -> bool {
    let mut reader = Reader::new(head);
    loop {
        let kind = reader.rest().first();
        if kind.is_some_and(|kind| *kind != HANDSHAKE) {
            return true;
        }
        let Some(bytes) = reader.array() else { return false };
        let Some((kind, length)) = header(bytes) else { return true };
        if kind == CHANGE_CIPHER_SPEC {
            return true;
        }
        if reader.take(length).is_none() {
            return false;
        }
    }
}
