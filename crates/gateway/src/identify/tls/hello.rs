//! The ClientHello.

use event::Text;

use super::ja4;
use crate::identify::identity::text;
use crate::identify::reader::{Reader, shorts};

/// What a client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The name of the server that it asks for (SNI), in lower case, if it is a well-formed host name.
    pub server_name: Option<Text>,
    /// The protocols that it offers inside (ALPN), in its order.
    pub alpn: Vec<Text>,
    /// The versions that it offers, as on the wire (0x0304 is TLS 1.3), without GREASE, in its order.
    pub versions: Vec<u16>,
    /// It offers Encrypted ClientHello (or its predecessor ESNI): the name above may not be the one it means. A
    /// GREASE extension, which browsers send as a decoy, is made to look the same, and so counts as well.
    pub encrypted_hello: bool,
    /// The JA4 fingerprint.
    pub ja4: String,
    /// It gives a server name that is no host name, or more than one.
    pub(super) has_bad_name: bool,
}

const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ENCRYPTED_HELLO: u16 = 0xfe0d;
const ENCRYPTED_NAME: u16 = 0xffce;

/// What the fingerprint is made of.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) version: u16,
    pub(super) ciphers: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) signature_algorithms: Vec<u16>,
}

impl ClientHello {
    /// Parses the message to its last byte; `None` if it isn't one.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        let mut offer = Offer { version: reader.short()?, ..Offer::default() };
        reader.take(32)?;
        let session = reader.run8()?;
        offer.ciphers = shorts(reader.run16()?)?;
        let compressions = reader.run8()?;
        let is_legacy = (0x0300..=0x0303).contains(&offer.version);
        if !is_legacy || session.len() > 32 || offer.ciphers.is_empty() || !compressions.contains(&0) {
            return None;
        }
        let mut hello = Self { versions: vec![offer.version], ..Self::default() };
        if !reader.is_empty() {
            hello.read_extensions(reader.run16()?, &mut offer)?;
        }
        hello.ja4 = ja4::fingerprint(&hello, &offer);
        reader.is_empty().then_some(hello)
    }

    fn read_extensions(&mut self, bytes: &[u8], offer: &mut Offer) -> Option<()> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let (kind, content) = (reader.short()?, reader.run16()?);
            // No extension may come twice (RFC 8446, section 4.2): which one counts would be the reader's choice.
            if offer.extensions.contains(&kind) {
                return None;
            }
            offer.extensions.push(kind);
            self.read_extension(kind, content, offer)?;
        }
        Some(())
    }

    fn read_extension(&mut self, kind: u16, content: &[u8], offer: &mut Offer) -> Option<()> {
        let mut reader = Reader::new(content);
        match kind {
            SERVER_NAME => self.read_name(content)?,
            ALPN => self.alpn = protocols(reader.run16()?)?,
            SUPPORTED_VERSIONS => {
                self.versions = shorts(reader.run8()?)?;
                self.versions.retain(|version| !ja4::is_grease(*version));
            }
            SIGNATURE_ALGORITHMS => offer.signature_algorithms = shorts(reader.run16()?)?,
            ENCRYPTED_HELLO | ENCRYPTED_NAME => self.encrypted_hello = true,
            _ => {}
        }
        Some(())
    }

    fn read_name(&mut self, content: &[u8]) -> Option<()> {
        let mut names = Reader::new(Reader::new(content).run16()?);
        while !names.is_empty() {
            let (kind, name) = (names.byte()?, names.run16()?);
            if kind != 0 || self.server_name.is_some() || !is_host_name(name) {
                self.has_bad_name = true;
            } else {
                self.server_name = Some(text(&name.to_ascii_lowercase()));
            }
        }
        if self.has_bad_name {
            self.server_name = None;
        }
        Some(())
    }
}

fn protocols(bytes: &[u8]) -> Option<Vec<Text>> {
    let mut reader = Reader::new(bytes);
    let mut protocols = Vec::new();
    while !reader.is_empty() {
        protocols.push(Text::from(reader.run8()?));
    }
    Some(protocols)
}

/// Letters, digits, hyphens and underscores in labels of 1 to 63, 253 in all, no dot at the end (RFC 6066, section 3).
pub(crate) fn is_host_name(name: &[u8]) -> bool {
    let is_label = |label: &[u8]| {
        let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.iter().all(is_inner)
    };
    name.len() <= 253 && name.split(|byte| *byte == b'.').all(is_label)
}
