//! JA4, the fingerprint of a TLS client (FoxIO, BSD 3-clause). The others of its family are patented and not used.

use sha2::{Digest, Sha256};

use super::hello::{ClientHello, Offer};

/// Values that mean nothing and are there to keep servers tolerant (RFC 8701).
pub(super) const fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

pub(super) fn fingerprint(hello: &ClientHello, offer: &Offer) -> String {
    let mut ciphers = real(&offer.ciphers);
    let mut extensions = real(&offer.extensions);
    let signatures = real(&offer.signature_algorithms);
    let named = if extensions.contains(&0x0000) { 'd' } else { 'i' };
    let version = version(hello.versions.iter().copied().max().unwrap_or(offer.version));
    let counts = (ciphers.len().min(99), extensions.len().min(99));
    let alpn = ends(hello.alpn.first().map(|first| first.as_bytes()).unwrap_or_default());
    ciphers.sort_unstable();
    extensions.retain(|kind| !matches!(kind, 0x0000 | 0x0010));
    extensions.sort_unstable();
    let mut second = list(&extensions);
    if !signatures.is_empty() {
        second = format!("{second}_{}", list(&signatures));
    }
    let (first, second) =
        (hash(&list(&ciphers)), if extensions.is_empty() { hash("") } else { hash(&second) });
    format!("t{version}{named}{:02}{:02}{alpn}_{first}_{second}", counts.0, counts.1)
}

fn real(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|value| !is_grease(*value)).collect()
}

const fn version(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// The first and the last character, or of their hexadecimal digits where they aren't letters or digits.
fn ends(protocol: &[u8]) -> String {
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else { return "00".into() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

fn list(values: &[u16]) -> String {
    values.iter().map(|value| format!("{value:04x}")).collect::<Vec<_>>().join(",")
}

/// The first 12 digits of the SHA-256; zeros for nothing.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".into();
    }
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use event::Text;

    use super::*;

    #[test]
    fn the_example_of_the_specification_has_its_fingerprint() {
        let offer = Offer {
            version: 0x0303,
            ciphers: vec![
                0x4a4a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
                0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x7a7a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
                0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
            ],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
        };
        let hello = ClientHello {
            alpn: vec![Text::from(&b"h2"[..]), Text::from(&b"http/1.1"[..])],
            versions: vec![0x0304, 0x0303],
            ..ClientHello::default()
        };
        assert_eq!(fingerprint(&hello, &offer), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn odd_protocol_names_are_told_by_their_digits() {
        let example = |bytes: &[u8]| ends(bytes);
        assert_eq!(example(b"http/1.1"), "h1");
        assert_eq!(example(b""), "00");
        assert_eq!(example(&[0xab]), "ab");
        assert_eq!(example(&[0xab, 0xcd]), "ad");
        assert_eq!(example(&[0x30, 0xab]), "3b");
        assert_eq!(example(b"h"), "hh");
    }

    #[test]
    fn grease_is_known() {
        assert!(
            (0..=0xffff)
                .filter(|value| is_grease(*value))
                .eq((0..16).map(|high| (high << 4 | 0x0a) * 0x0101))
        );
    }
}
