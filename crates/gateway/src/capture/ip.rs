//! IP packets: addresses, the transport inside, and whether it is a fragment.
//!
//! IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200). A packet that the capture cut short is read as far
//! as it goes: its header says how long it was. A length of zero, as hosts that leave segmentation to the network card
//! see it, means all that was captured. Checksums aren't verified: on the sending host the card computes them after
//! the capture. Tunnels (IP in IP, GRE) are not looked into.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many extension headers are passed over.
const EXTENSIONS: usize = 16;

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IpPacket<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// The transport protocol, by its number.
    pub(super) transport: u8,
    /// What was captured of the payload.
    pub(super) payload: &'a [u8],
    /// How long the payload was, at least what was captured.
    pub(super) length: usize,
    pub(super) fragment: Option<Fragment>,
}

/// Which part of a larger packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) id: u32,
    pub(super) offset: usize,
    pub(super) is_last: bool,
}

/// Reads a packet of either version; nothing if it is malformed.
pub(super) fn read(bytes: &[u8]) -> Option<IpPacket<'_>> {
    match bytes.first()? >> 4 {
        4 => read_v4(bytes),
        6 => read_v6(bytes),
        _ => None,
    }
}

fn read_v4(bytes: &[u8]) -> Option<IpPacket<'_>> {
    let header: &[u8; 20] = bytes.first_chunk()?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let total = if total == 0 { bytes.len() } else { total };
    let payload = bytes.get(..total.min(bytes.len()))?.get(header_length..)?;
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let fragment = Fragment {
        id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        offset: usize::from(flags & 0x1fff) * 8,
        is_last: flags & 0x2000 == 0,
    };
    (header_length >= header.len()).then_some(IpPacket {
        source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
        destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
        transport: header[9],
        payload,
        length: total.checked_sub(header_length)?,
        fragment: (!fragment.is_whole()).then_some(fragment),
    })
}

fn read_v6(bytes: &[u8]) -> Option<IpPacket<'_>> {
    let header: &[u8; 40] = bytes.first_chunk()?;
    let payload = bytes.get(header.len()..)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let length = if length == 0 { payload.len() } else { length };
    let packet = IpPacket {
        source: address_v6(header, 8)?,
        destination: address_v6(header, 24)?,
        transport: header[6],
        payload: payload.get(..length.min(payload.len()))?,
        length,
        fragment: None,
    };
    packet.without_extensions()
}

fn address_v6(header: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = *header.get(at..)?.first_chunk()?;
    Some(Ipv6Addr::from(octets).into())
}

impl Fragment {
    const fn is_whole(self) -> bool {
        self.offset == 0 && self.is_last
    }
}

impl IpPacket<'_> {
    /// Passes over the extension headers, to the transport or to the rest of a fragment.
    pub(super) fn without_extensions(mut self) -> Option<Self> {
        for _ in 0..EXTENSIONS {
            let length = match (self.transport, self.payload) {
                // Hop-by-hop options, routing, destination options, mobility, host identity, shim6.
                (0 | 43 | 60 | 135 | 139 | 140, [_, length, ..]) => (usize::from(*length) + 1) * 8,
                // The authentication header counts otherwise (RFC 4302).
                (51, [_, length, ..]) => (usize::from(*length) + 2) * 4,
                (44, [_, _, high, low, a, b, c, d, ..]) => {
                    let flags = u16::from_be_bytes([*high, *low]);
                    let id = u32::from_be_bytes([*a, *b, *c, *d]);
                    let offset = usize::from(flags & 0xfff8);
                    let fragment = Fragment { id, offset, is_last: flags & 1 == 0 };
                    self.fragment = (!fragment.is_whole()).then_some(fragment);
                    8
                }
                (0 | 43 | 44 | 51 | 60 | 135 | 139 | 140, _) => return None,
                _ => return Some(self),
            };
            self.transport = *self.payload.first()?;
            self.payload = self.payload.get(length..)?;
            self.length = self.length.checked_sub(length)?;
            if self.fragment.is_some() {
                return Some(self);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(flags: u16, total: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 7, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes[6..8].copy_from_slice(&flags.to_be_bytes());
        [&bytes, payload].concat()
    }

    fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 64];
        bytes.extend([0; 32]);
        [&bytes, payload].concat()
    }

    #[test]
    fn padding_is_not_payload_and_what_was_cut_is_known() {
        let padded = v4(0, 22, b"abcdef");
        assert_eq!(read(&padded).map(|packet| (packet.payload, packet.length)), Some((&b"ab"[..], 2)));
        let cut = v4(0, 120, b"abcdef");
        assert_eq!(read(&cut).map(|packet| (packet.payload, packet.length)), Some((&b"abcdef"[..], 100)));
        let offloaded = v4(0, 0, b"abcdef");
        assert_eq!(read(&offloaded).map(|packet| packet.length), Some(6));
    }

    #[test]
    fn fragments_are_recognised() {
        let fragment = |flags| read(&v4(flags, 0, b"ab")).and_then(|packet| packet.fragment);
        assert_eq!(fragment(0x4000), None);
        assert_eq!(fragment(0x2000), Some(Fragment { id: 7, offset: 0, is_last: false }));
        assert_eq!(fragment(0x0002), Some(Fragment { id: 7, offset: 16, is_last: true }));
    }

    #[test]
    fn extension_headers_are_passed_over() {
        let options = [43, 0, 0, 0, 0, 0, 0, 0, 51, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, b'x'];
        let packet = v6(0, &options);
        let packet = read(&packet).expect("it is well-formed");
        assert_eq!((packet.transport, packet.payload, packet.length), (6, &b"x"[..], 1));
        let fragment = v6(44, &[17, 0, 0, 9, 0, 0, 0, 7, b'x']);
        let packet = read(&fragment).expect("it is well-formed");
        assert_eq!(packet.fragment, Some(Fragment { id: 7, offset: 8, is_last: false }));
        assert_eq!(packet.transport, 17);
    }

    #[test]
    fn what_ends_in_its_headers_is_malformed() {
        for whole in [v4(0, 22, b""), v6(0, &[6, 0, 0, 0, 0, 0, 0, 0]), v6(44, &[6, 0, 0, 0, 0, 0, 0, 0])] {
            assert!(read(&whole).is_some());
            for length in 0..whole.len() {
                assert_eq!(read(&whole[..length]), None, "{length} of {whole:02x?}");
            }
        }
        assert_eq!(read(&v6(0, &[0, 0, 0, 0, 0, 0, 0, 0].repeat(20))), None);
        assert_eq!(read(&[0x44; 40]), None);
        assert_eq!(read(&[0x10; 40]), None);
    }
}
