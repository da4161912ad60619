//! Bytes that the agent controls.
//!
//! Paths, arguments and ids are bytes, mostly but not always UTF-8. A record that drops or replaces the rest
//! is one that an agent can blur, so [`Text`] is lossless in both directions: as JSON it is one string,
//! where each byte that isn't part of valid UTF-8 is the code point U+EF00 plus the byte (U+EF80 to U+EFFF,
//! the private-use block that MirBSD's OPTU-8 uses for this). The block's own characters are written byte by
//! byte in the same way, and so nothing means two things.
//!
//! Base64 beside a "lossy" field was the alternative: two fields for one value, and rules written against
//! the field that lies.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What bytes that aren't UTF-8 are written as: the byte plus this.
const BASE: u32 = 0xEF00;

/// Bytes that the agent controls: lossless as JSON, harmless on a terminal.
///
/// [`Display`](fmt::Display) is for people, and can neither move a terminal nor hide or reorder what stands
/// beside it: control characters, bidi controls, invisible characters, line and paragraph separators and
/// bytes that aren't UTF-8 are printed as `\x1b` or `\u{202e}`. It is not meant to be read back.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Vec<u8>);

impl Text {
    /// The first `max` bytes, or up to three fewer so as not to cut through a character.
    pub fn truncated(bytes: &[u8], max: usize) -> Self {
        if bytes.len() <= max {
            return Self::from(bytes);
        }
        let is_boundary = |at: &usize| bytes[*at] & 0b1100_0000 != 0b1000_0000;
        let end = (max.saturating_sub(3)..=max).rev().find(is_boundary).unwrap_or(max);
        Self::from(&bytes[..end])
    }

    /// The bytes as they were seen.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as the string that stands for them in JSON.
    fn encoded(&self) -> Cow<'_, str> {
        match str::from_utf8(&self.0) {
            Ok(text) if !text.chars().any(|c| escaped_byte(c).is_some()) => Cow::Borrowed(text),
            _ => Cow::Owned(encode(&self.0)),
        }
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Each byte that isn't text, and each byte of the characters that stand for such bytes, by its own character.
fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len() * 3);
    let escape = |byte: &u8| char::from_u32(BASE + u32::from(*byte)).unwrap_or(char::REPLACEMENT_CHARACTER);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match escaped_byte(c) {
                None => encoded.push(c),
                Some(_) => encoded.extend(c.encode_utf8(&mut [0; 4]).as_bytes().iter().map(escape)),
            }
        }
        encoded.extend(chunk.invalid().iter().map(escape));
    }
    encoded
}

/// The bytes that a JSON string stands for. Total: every string stands for some bytes.
fn decode(encoded: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded.len());
    for c in encoded.chars() {
        match escaped_byte(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The byte that this character stands for, if it is one that does.
fn escaped_byte(c: char) -> Option<u8> {
    let byte = u32::from(c).checked_sub(BASE).and_then(|byte| u8::try_from(byte).ok())?;
    (byte >= 0x80).then_some(byte)
}

/// Whether a terminal, or a person reading it, could be misled by this character.
fn is_hostile(c: char) -> bool {
    matches!(c,
        '\u{AD}' // soft hyphen
        | '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{206F}' // bidi
        | '\u{200B}' | '\u{2060}'..='\u{2065}' | '\u{FEFF}' // of no width
        | '\u{2028}' | '\u{2029}' // line and paragraph separators
        | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}' // annotations, tags
    ) || c.is_control()
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    _ if !is_hostile(c) => f.write_char(c)?,
                    '\0'..='\x7f' => write!(f, "\\x{:02x}", u32::from(c))?,
                    _ => write!(f, "\\u{{{:04x}}}", u32::from(c))?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text(\"{self}\")")
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encoded())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Decode;

        impl Visitor<'_> for Decode {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, encoded: &str) -> Result<Text, E> {
                Ok(Text(decode(encoded)))
            }
        }

        deserializer.deserialize_str(Decode)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Bytes that the agent controls, without loss: a code point from U+EF80 to U+EFFF stands \
                            for the one byte 0x80 to 0xFF, any other code point for its UTF-8 bytes.",
            "type": "string",
        })
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&OsStr> for Text {
    fn from(text: &OsStr) -> Self {
        text.as_bytes().into()
    }
}

impl From<OsString> for Text {
    fn from(text: OsString) -> Self {
        text.into_vec().into()
    }
}

impl From<&Path> for Text {
    fn from(path: &Path) -> Self {
        path.as_os_str().into()
    }
}

impl From<PathBuf> for Text {
    fn from(path: PathBuf) -> Self {
        path.into_os_string().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(bytes: &[u8]) -> String {
        serde_json::to_string(&Text::from(bytes)).unwrap()
    }

    #[test]
    fn utf8_stays_as_it_is() {
        assert_eq!(json("naïve/日本/🦀".as_bytes()), "\"naïve/日本/🦀\"");
    }

    #[test]
    fn other_bytes_have_their_own_characters() {
        assert_eq!(json(b"a\x80\xffb"), "\"a\u{ef80}\u{efff}b\"");
        assert_eq!(json(b"cut \xe6\x97"), "\"cut \u{efe6}\u{ef97}\"");
    }

    #[test]
    fn the_characters_that_stand_for_bytes_are_not_taken_for_them() {
        assert_eq!(json("\u{ef80}".as_bytes()), "\"\u{efee}\u{efbe}\u{ef80}\"");
        assert_eq!(json("\u{ef7f}\u{f000}".as_bytes()), "\"\u{ef7f}\u{f000}\"");
    }

    #[test]
    fn a_terminal_is_never_moved() {
        let hostile =
            "\u{1b}[2J\r\n\0\u{7f}\u{85}\u{9b}\u{200e}\u{61c}\u{202e}\u{2066}\u{2028}\u{feff}\u{e0041}";
        let shown = Text::from(hostile).to_string();
        assert_eq!(
            shown,
            r"\x1b[2J\x0d\x0a\x00\x7f\u{0085}\u{009b}\u{200e}\u{061c}\u{202e}\u{2066}\u{2028}\u{feff}\u{e0041}"
        );
        assert_eq!(Text::from(&b"\xff\x1b"[..]).to_string(), r"\xff\x1b");
        assert_eq!(Text::from("日本 a\\b").to_string(), "日本 a\\b");
    }

    #[test]
    fn a_cut_does_not_go_through_a_character() {
        let text = "a🦀".as_bytes();
        for (max, kept) in [(0, ""), (1, "a"), (2, "a"), (4, "a"), (5, "a🦀"), (9, "a🦀")] {
            assert_eq!(Text::truncated(text, max).as_bytes(), kept.as_bytes(), "at {max}");
        }
        assert_eq!(Text::truncated(&[0x80; 9], 5).as_bytes(), [0x80; 5], "what isn't text is cut anywhere");
    }

    /// Bytes with many near-misses: characters of the block, their halves, and noise.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            (0xEF70u32..0xF010).prop_map(|c| char::from_u32(c).unwrap().to_string().into_bytes()),
            prop::collection::vec(prop_oneof![Just(0xEE), Just(0xBE), Just(0xBF), any::<u8>()], 0..4),
        ];
        prop::collection::vec(piece, 0..32).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_survive_json(bytes in bytes()) {
            let back: Text = serde_json::from_str(&json(&bytes)).unwrap();
            prop_assert_eq!(back.as_bytes(), &bytes[..]);
        }

        #[test]
        fn display_has_no_control_characters(bytes in bytes()) {
            prop_assert!(!Text::from(bytes).to_string().chars().any(is_hostile));
        }

        #[test]
        fn a_cut_keeps_a_prefix_of_nearly_the_size(bytes in bytes(), max in 0usize..64) {
            let cut = Text::truncated(&bytes, max);
            prop_assert!(bytes.starts_with(cut.as_bytes()));
            prop_assert!(cut.as_bytes().len() <= max);
            prop_assert!(cut.as_bytes().len() + 3 >= max.min(bytes.len()));
        }
    }
}
