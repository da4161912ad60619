//! Names of hosts: as a policy writes them, as the wire carries them, and when they are the same.
//!
//! A [`HostName`] is in the one form that can be compared: ASCII (IDNA, UTS 46), lower case, without the final dot.
//! What isn't a name but an address in disguise is none: `127.1`, `0x7f000001` and `2130706433` are all loopback to
//! inet_aton(3), and a rule that looked like a name would say something else than it does.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::problem::quoted;

/// Characters of the longest name, without the final dot (RFC 1035, 3.1).
const LONGEST: usize = 253;
/// Characters of the longest label.
const LONGEST_LABEL: usize = 63;

/// A text that isn't the name of a host.
///
/// Displays as what is wrong, then what to write.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}; {help}")]
pub struct HostNameError {
    what: String,
    help: String,
}

impl HostNameError {
    /// What is wrong with the text.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to write instead.
    pub fn help(&self) -> &str {
        &self.help
    }

    fn new(text: &str, wrong: &str, help: impl Into<String>) -> Self {
        Self { what: format!("{} {wrong}", quoted(text)), help: help.into() }
    }
}

/// The name of a host, in the form that names are compared in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name in ASCII, in lower case, without a final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, the most specific one first.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// The name without its first label.
    pub fn parent(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, parent)| parent)
    }

    /// A name from the wire: its labels as they came, in any case. Other than a written one, it may have
    /// labels that begin or end with a hyphen, and isn't taken for IDNA: the resolvers of clients did that.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut name = String::new();
        for label in labels {
            if label.is_empty() || label.len() > LONGEST_LABEL || !label.iter().all(|byte| is_letter(*byte)) {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            if name.len() > LONGEST {
                return None;
            }
        }
        (!name.is_empty()).then_some(Self(name))
    }

    /// Whether this is `localhost` or lies below it: the sandbox's own loopback (RFC 6761, 6.3).
    pub fn is_localhost(&self) -> bool {
        self.0.rsplit('.').next() == Some("localhost")
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let error = |wrong: &str, help: &str| Err(HostNameError::new(text, wrong, help));
        if let Some(address) = as_address(text) {
            return Err(HostNameError::new(
                text,
                "is an address, not a name",
                format!("write `address: {address}`"),
            ));
        }
        if text.contains("://") || text.contains('/') {
            return error("is not the name of a host", "write the name alone, without a scheme or a path");
        }
        if text.contains(':') {
            return error("is not the name of a host", "write the name alone; ports go to `ports`");
        }
        if text.contains('*') {
            return error(
                "has a `*` where none can be",
                "one `*` may stand for the whole first label: `*.example.org`",
            );
        }
        let Ok(ascii) = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::EMPTY) else {
            return error(
                "is not the name of a host",
                "it breaks the rules of internationalised names (UTS 46)",
            );
        };
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        if name.is_empty() {
            return error("is not the name of a host", "write a name such as `example.org`");
        }
        if name.len() > LONGEST || name.split('.').any(|label| label.len() > LONGEST_LABEL) {
            return error("is too long for a name", "a name has up to 253 characters, up to 63 between dots");
        }
        if !name.split('.').all(is_label) {
            return error(
                "is not the name of a host",
                "between dots there are letters, digits, `_` and `-`, and a `-` neither first nor last",
            );
        }
        if let Some(address) = as_address(name) {
            return Err(HostNameError::new(
                text,
                "is an address, not a name",
                format!("write `address: {address}`"),
            ));
        }
        if name.rsplit('.').next().is_some_and(is_number) {
            return error(
                "ends in a number, which programs take for an address",
                "a name ends in letters; an address goes to `address`",
            );
        }
        Ok(Self(name.to_owned()))
    }
}

/// One name, or all that have one label more than a suffix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This name alone.
    Exact(HostName),
    /// Any one label, and then this: `*.example.org` is `a.example.org`, but neither `example.org` nor `a.b.example.org`.
    Below(HostName),
}

impl HostPattern {
    /// Whether a name is meant.
    pub fn matches(&self, name: &HostName) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Below(suffix) => name.parent() == Some(suffix.as_str()),
        }
    }

    /// Whether a name that is meant lies below this one, so that this one exists, if only as a branch.
    pub fn lies_below(&self, branch: &str) -> bool {
        let is_below = |name: &str| {
            branch.is_empty() || name.strip_suffix(branch).is_some_and(|rest| rest.ends_with('.'))
        };
        match self {
            Self::Exact(exact) => is_below(exact.as_str()),
            Self::Below(suffix) => suffix.as_str() == branch || is_below(suffix.as_str()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        if matches!(text, "*" | "*." | "**") {
            let help = "a wildcard stands for one label in front of a name: `*.example.org`";
            return Err(HostNameError::new(text, "would be every name", help));
        }
        match text.strip_prefix("*.") {
            Some(suffix) => suffix.parse().map(Self::Below),
            None => text.parse().map(Self::Exact),
        }
    }
}

/// The address that a program would take a text for: as it is written, in brackets, or in the forms of inet_aton(3).
fn as_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| aton(bare.strip_suffix('.').unwrap_or(bare)).map(IpAddr::V4))
}

/// One to four numbers, decimal, octal (`0…`) or hexadecimal (`0x…`); the last one fills what is left.
fn aton(text: &str) -> Option<Ipv4Addr> {
    let parts = text.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let left = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if left < 32 && *last >> left != 0 {
        return None;
    }
    let high = leading.iter().fold(0u64, |all, part| all << 8 | u64::from(*part)) << left;
    u32::try_from(high | u64::from(*last)).ok().map(Ipv4Addr::from_bits)
}

fn number(text: &str) -> Option<u32> {
    let digits = |text: &str, radix| {
        let right = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
        right.then(|| u32::from_str_radix(text, radix).ok()).flatten()
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => digits(hexadecimal, 16),
        None if text.len() > 1 && text.starts_with('0') => digits(text, 8),
        None => digits(text, 10),
    }
}

/// Whether a last label makes programs take the name for an address (WHATWG URL, "ends in a number").
fn is_number(label: &str) -> bool {
    let hexadecimal =
        label.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || label.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(is_letter)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn one_name_has_one_form() {
        for (text, form) in [
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER。example", "xn--bcher-kva.example"),
            ("ｅｘａｍｐｌｅ.org", "example.org"),
            ("_dmarc.example.org", "_dmarc.example.org"),
            ("localhost", "localhost"),
            ("3com.example", "3com.example"),
        ] {
            assert_eq!(name(text).as_str(), form, "{text}");
        }
    }

    #[test]
    fn an_address_in_any_form_is_no_name() {
        for (text, meant) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1.", "10.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0X7F.1", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("１２７.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[fd00::1]", "fd00::1"),
        ] {
            let error = text.parse::<HostName>().unwrap_err();
            assert_eq!(error.help(), format!("write `address: {meant}`"), "{text}");
        }
        for text in ["4294967296", "1.2.3.4.5", "256.1.1.1", "example.42", "a.0x7f", "08.1"] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_no_resolver_takes_is_refused() {
        let long = format!("{}.org", "a".repeat(64));
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "-a.org",
            "a-.org",
            "a b.org",
            "a\0.org",
            "http://a.org",
            "a.org:443",
            "a@b",
            &long,
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
        assert!(format!("{}a", "a.".repeat(126)).parse::<HostName>().is_ok());
        assert!(format!("{}ab", "a.".repeat(126)).parse::<HostName>().is_err());
    }

    #[test]
    fn a_wildcard_is_one_whole_label_in_front() {
        let pattern: HostPattern = "*.Example.org.".parse().unwrap();
        assert_eq!(pattern.to_string(), "*.example.org");
        assert!(pattern.matches(&name("a.example.org")));
        for other in ["example.org", "a.b.example.org", "a.example.org.evil.com", "aexample.org", "b.org"] {
            assert!(!pattern.matches(&name(other)), "{other}");
        }
        for text in ["*", "*.", "a.*.org", "*a.org", "a*.org", "*.*.org", "**.org", "*.10.0.0.1", "*.5"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn branches_of_what_is_meant_are_known() {
        let pattern: HostPattern = "*.pkg.example.org".parse().unwrap();
        for branch in ["", "org", "example.org", "pkg.example.org"] {
            assert!(pattern.lies_below(branch), "{branch}");
        }
        for branch in ["a.pkg.example.org", "g", "xample.org", "com"] {
            assert!(!pattern.lies_below(branch), "{branch}");
        }
        let exact: HostPattern = "a.example.org".parse().unwrap();
        assert!(exact.lies_below("example.org") && !exact.lies_below("a.example.org"));
    }

    #[test]
    fn names_from_the_wire_are_compared_without_case() {
        let labels: [&[u8]; 2] = [b"ExAmple", b"ORG"];
        assert_eq!(HostName::from_labels(labels), Some(name("example.org")));
        for label in [&b"a.b"[..], b"", b"a\0", b"\xffa", &[b'a'; 64]] {
            assert_eq!(HostName::from_labels([label, b"org"]), None);
        }
        assert_eq!(HostName::from_labels([]), None);
        assert_eq!(HostName::from_labels([[b'a'; 63].as_slice(); 5]), None);
        assert!(name("a.localhost").is_localhost() && !name("localhost.org").is_localhost());
    }

    proptest! {
        #[test]
        fn a_form_is_its_own_form(text in "[a-zA-Z0-9._*-]{0,20}|\\PC{0,12}") {
            if let Ok(pattern) = text.parse::<HostPattern>() {
                prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
            }
        }
    }
}
