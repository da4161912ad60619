//! TLS (RFC 8446, RFC 5246): the client's opening, the server's answer, and that records go on as records.
//!
//! A record header alone is not TLS: the ClientHello is put together over its records and parsed to its last byte.
//! An opening that isn't, is unknown.

mod certificate;
mod hello;
mod ja4;
mod record;
mod server;

use event::{Protocol, Text};

pub use hello::ClientHello;
pub(super) use hello::is_host_name;
pub use server::ServerHello;

use super::ambiguity::Ambiguity;
use super::claim::{Claim, Step};
use super::identity::{Confidence, Identity};
use record::Messages;

/// A client's ClientHello.
pub(super) fn client(head: &[u8]) -> Step {
    let mut messages = Messages::new(head);
    let hello = match messages.next(record::CLIENT_HELLO) {
        record::Next::Message(hello) => hello,
        record::Next::More => return Step::More,
        record::Next::Broken => return Step::No,
    };
    if !messages.is_at_end_of_record() {
        return Step::No;
    }
    let Some(hello) = ClientHello::parse(&hello) else { return Step::No };
    let mut claim = Claim::certain(Protocol::Tls, format!("a whole ClientHello, JA4 {}", hello.ja4));
    if hello.has_bad_name {
        claim.doubt(Ambiguity::ServerNameNotAName);
    }
    claim.with(|details| details.tls_client = Some(hello)).followed(messages.used(), record::follow).into()
}

pub(super) use server::recognise as server;

/// Tor's relays show a certificate that nothing else shows: subject and issuer are made-up names
/// `www.<letters of base32>.net` and `.com`, of nobody. In TLS 1.3 it is encrypted, and only the server name is left,
/// which proves nothing.
pub(super) fn name_tor(identity: &mut Identity) {
    if identity.protocol != Protocol::Tls {
        return;
    }
    let asked = identity.details.tls_client.as_ref().and_then(|hello| hello.server_name.as_ref());
    let looks_asked = asked.is_some_and(|name| is_made_up(name, b".com"));
    let shown = identity.details.tls_server.as_ref();
    let is_shown = shown.is_some_and(|server| {
        let subject = server.subject.as_ref().is_some_and(|name| is_made_up(name, b".net"));
        let issuer = server.issuer.as_ref().is_some_and(|name| is_made_up(name, b".com"));
        subject && issuer && server.names.is_empty()
    });
    if is_shown {
        identity.protocol = Protocol::Tor;
        identity.confidence = if looks_asked { Confidence::Likely } else { Confidence::Guess };
        identity
            .evidence
            .push("the certificate has made-up names for subject and issuer, as Tor's relays have".into());
    } else if looks_asked && asked.is_some_and(has_digits) {
        identity.evidence.push("the server name could be made up as Tor's are; the bytes don't tell".into());
    }
}

/// `www.`, 4 to 25 characters of base32, and the ending.
fn is_made_up(name: &Text, ending: &[u8]) -> bool {
    let label = name.as_bytes().strip_prefix(b"www.").and_then(|rest| rest.strip_suffix(ending));
    label.is_some_and(|label| {
        (4..=25).contains(&label.len()) && label.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    })
}

fn has_digits(name: &Text) -> bool {
    name.as_bytes().iter().filter(|byte| byte.is_ascii_digit()).count() >= 2
}
