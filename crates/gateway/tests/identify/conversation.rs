//! Conversations as tests hold them: who said what, in order.

use std::path::Path;

use event::Protocol;
use gateway::identify::{Confidence, Identifier, Identity, Side};

/// What was said, in turns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) turns: Vec<(Side, Vec<u8>)>,
}

impl Conversation {
    pub(crate) fn client(self, bytes: impl AsRef<[u8]>) -> Self {
        self.turn(Side::Client, bytes.as_ref())
    }

    pub(crate) fn server(self, bytes: impl AsRef<[u8]>) -> Self {
        self.turn(Side::Server, bytes.as_ref())
    }

    fn turn(mut self, side: Side, bytes: &[u8]) -> Self {
        self.turns.push((side, bytes.to_vec()));
        self
    }

    /// All that a side says.
    pub(crate) fn all(&self, side: Side) -> Vec<u8> {
        self.turns.iter().filter(|(who, _)| *who == side).flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// What it is, once all was said.
    pub(crate) fn identity(&self) -> Identity {
        let mut identifier = Identifier::new();
        for (side, bytes) in &self.turns {
            identifier.push(*side, bytes);
        }
        identifier.finish().identity().cloned().expect("what is finished has a name")
    }

    /// The names of its layers, from the outside in.
    pub(crate) fn protocols(&self) -> Vec<Protocol> {
        self.identity().layers().map(|layer| layer.protocol).collect()
    }
}

/// A conversation in which only the client speaks.
pub(crate) fn client(bytes: impl AsRef<[u8]>) -> Conversation {
    Conversation::default().client(bytes)
}

/// A conversation in which the server speaks first.
pub(crate) fn server(bytes: impl AsRef<[u8]>) -> Conversation {
    Conversation::default().server(bytes)
}

/// The conversations that were recorded on loopback between programs of Debian 12, by name: lines of hexadecimal
/// digits behind `>` for the client and `<` for the server, cut after about 1,800 bytes of each.
pub(crate) fn recorded() -> Vec<(String, Conversation)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/identify/conversations");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "hex"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, parse(&std::fs::read_to_string(path).unwrap()))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(found.len() > 30, "the recordings are there");
    found
}

fn parse(text: &str) -> Conversation {
    let mut turns: Vec<(Side, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        let (mark, digits) = line.split_once(' ').unwrap();
        let side = if mark == ">" { Side::Client } else { Side::Server };
        match turns.last_mut() {
            Some((last, bytes)) if *last == side => bytes.extend(hex(digits)),
            _ => turns.push((side, hex(digits))),
        }
    }
    Conversation { turns }
}

/// Bytes from hexadecimal digits; blanks are passed over.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[track_caller]
pub(crate) fn assert_is(conversation: &Conversation, protocol: Protocol, confidence: Confidence) {
    let identity = conversation.identity();
    assert_eq!((identity.protocol, identity.confidence), (protocol, confidence), "{identity:#?}");
}
