//! What stands before the IP packet, by link type.
//!
//! Ethernet with any VLAN tags (up to [`TAGS`]), Linux cooked in both versions, raw IP, BSD loopback. Numbers are those
//! of the tcpdump group's list of link-layer header types.

/// How many VLAN tags may stand one behind the other.
const TAGS: usize = 4;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// A link-layer header type: what a captured packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: four bytes with the address family in the byte order of the host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IPv4 or IPv6, told by its first four bits.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: four bytes with the address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked, version 1: what the `any` interface gives.
    pub const LINUX_COOKED: Self = Self(113);
    /// IPv4.
    pub const IPV4: Self = Self(228);
    /// IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked, version 2.
    pub const LINUX_COOKED_2: Self = Self(276);
    /// Of an interface that nobody described.
    pub(super) const UNKNOWN: Self = Self(u16::MAX);
    /// What some systems wrote for raw IP before it had a number.
    const RAW_BSD: [Self; 2] = [Self(12), Self(14)];
}

/// What was found behind the link layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network<'a> {
    /// An IP packet of either version.
    Ip(&'a [u8]),
    /// Something else, such as ARP.
    Other,
    /// A link type that isn't read.
    UnknownLink,
    /// It ends before it says what it holds.
    Malformed,
}

/// Finds the IP packet.
pub(super) fn network(link: LinkType, bytes: &[u8]) -> Network<'_> {
    let found = match link {
        LinkType::ETHERNET => short(bytes, 12).map(|ethertype| behind(ethertype, bytes, 14)),
        LinkType::LINUX_COOKED => short(bytes, 14).map(|ethertype| behind(ethertype, bytes, 16)),
        LinkType::LINUX_COOKED_2 => short(bytes, 0).map(|ethertype| behind(ethertype, bytes, 20)),
        LinkType::NULL | LinkType::LOOP => loopback(bytes),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => Some(Network::Ip(bytes)),
        _ if LinkType::RAW_BSD.contains(&link) => Some(Network::Ip(bytes)),
        _ => Some(Network::UnknownLink),
    };
    found.unwrap_or(Network::Malformed)
}

fn behind(mut ethertype: u16, bytes: &[u8], mut at: usize) -> Network<'_> {
    for _ in 0..=TAGS {
        match ethertype {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => {
                return bytes.get(at..).map_or(Network::Malformed, Network::Ip);
            }
            // 802.1Q, 802.1ad, and what was used for the latter before.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => match short(bytes, at + 2) {
                Some(inner) => (ethertype, at) = (inner, at + 4),
                None => return Network::Malformed,
            },
            _ => return Network::Other,
        }
    }
    Network::Other
}

/// The address family is the writer's own, in the writer's byte order: AF_INET is 2 everywhere, AF_INET6 isn't.
fn loopback(bytes: &[u8]) -> Option<Network<'_>> {
    let family = bytes.first_chunk::<4>()?;
    let family = u32::from_le_bytes(*family).min(u32::from_be_bytes(*family));
    let is_ip = matches!(family, 2 | 10 | 24 | 28 | 30);
    Some(if is_ip { Network::Ip(bytes.get(4..)?) } else { Network::Other })
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: &[u8] = &[0x45, 1, 2, 3];

    fn with(header: &[u8]) -> Vec<u8> {
        [header, IP].concat()
    }

    #[test]
    fn ip_is_found_behind_every_link_layer() {
        let ethernet = |behind: &[u8]| with(&[&[0; 12], behind].concat());
        let cases = [
            (LinkType::ETHERNET, ethernet(&[8, 0])),
            (LinkType::ETHERNET, ethernet(&[0x86, 0xdd])),
            (LinkType::ETHERNET, ethernet(&[0x81, 0, 0, 5, 8, 0])),
            (LinkType::ETHERNET, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd])),
            (LinkType::LINUX_COOKED, with(&[&[0; 14][..], &[8, 0]].concat())),
            (LinkType::LINUX_COOKED, with(&[&[0; 14][..], &[0x81, 0, 0, 5, 8, 0]].concat())),
            (LinkType::LINUX_COOKED_2, with(&[&[8, 0][..], &[0; 18]].concat())),
            (LinkType::NULL, with(&[2, 0, 0, 0])),
            (LinkType::NULL, with(&[0, 0, 0, 30])),
            (LinkType::LOOP, with(&[0, 0, 0, 24])),
            (LinkType::RAW, IP.to_vec()),
            (LinkType(12), IP.to_vec()),
            (LinkType::IPV4, IP.to_vec()),
        ];
        for (link, bytes) in cases {
            assert_eq!(network(link, &bytes), Network::Ip(IP), "{link:?} {bytes:02x?}");
            assert!(!matches!(network(link, &bytes[..1]), Network::Other), "{link:?}");
        }
    }

    #[test]
    fn what_is_not_ip_is_told_apart() {
        assert_eq!(network(LinkType::ETHERNET, &[&[0; 12][..], &[8, 6]].concat()), Network::Other);
        assert_eq!(network(LinkType::ETHERNET, &[0; 13]), Network::Malformed);
        assert_eq!(network(LinkType(147), IP), Network::UnknownLink);
        let endless = [&[0; 12][..], &[0x81, 0, 0, 5].repeat(64)].concat();
        assert_eq!(network(LinkType::ETHERNET, &endless), Network::Other);
    }
}
