//! What kind of place an address is, whatever it is dressed as.
//!
//! A name that an agent may use can be made to answer with any address, so what matters is where a packet would end
//! up: `::ffff:10.0.0.1`, `64:ff9b::a00:1` and `2002:a00:1::` are all 10.0.0.1 to some kernel or router. An address
//! is judged as the worst of itself and all that it may stand for.
//!
//! The ranges are those of the IANA special-purpose registries (RFC 6890 and its updates), and the metadata services
//! of clouds, which hand out credentials to whoever asks from the machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// Anywhere on the internet.
    Public,
    /// Kept back by the IETF, or for protocols between routers.
    Reserved,
    /// A private network (RFC 1918).
    Private,
    /// A provider's own network (100.64.0.0/10, RFC 6598).
    SharedCarrier,
    /// A private network of IPv6 (fc00::/7, RFC 4193), and what came before it (fec0::/10, RFC 3879).
    UniqueLocal,
    /// The link alone (169.254.0.0/16, fe80::/10).
    LinkLocal,
    /// This machine (127.0.0.0/8, ::1).
    Loopback,
    /// For examples in texts (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// For measuring equipment (198.18.0.0/15, 2001:2::/48).
    Benchmarking,
    /// No address at all, or a packet thrown away (0.0.0.0/8, ::, 100::/64).
    Unspecified,
    /// Many at once (224.0.0.0/4, ff00::/8).
    Multicast,
    /// All of the link (255.255.255.255).
    Broadcast,
    /// The metadata service of a cloud.
    Metadata,
}

impl AddressClass {
    /// All there are.
    pub const ALL: [Self; 13] = [
        Self::Public,
        Self::Reserved,
        Self::Private,
        Self::SharedCarrier,
        Self::UniqueLocal,
        Self::LinkLocal,
        Self::Loopback,
        Self::Documentation,
        Self::Benchmarking,
        Self::Unspecified,
        Self::Multicast,
        Self::Broadcast,
        Self::Metadata,
    ];

    /// What kind of place an address is: of all that it may stand for, the one that matters most.
    pub fn of(address: IpAddr) -> Self {
        let itself = match address {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        };
        embedded(address).map(of_v4).into_iter().fold(itself, Self::max)
    }

    /// The name, as it stands in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::SharedCarrier => "shared-carrier",
            Self::UniqueLocal => "unique-local",
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Reserved => "reserved",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Metadata => "metadata",
        }
    }

    /// Whether `private: true` lets a name resolve to it. A metadata service has to be named by its address.
    pub const fn is_opened_by_private(self) -> bool {
        match self {
            Self::Private
            | Self::SharedCarrier
            | Self::UniqueLocal
            | Self::LinkLocal
            | Self::Loopback
            | Self::Documentation
            | Self::Benchmarking => true,
            Self::Public
            | Self::Reserved
            | Self::Unspecified
            | Self::Multicast
            | Self::Broadcast
            | Self::Metadata => false,
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The address that a packet to this one goes to when the kernel sends it: an IPv4-mapped address is the IPv4 one.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The IPv4 address that an IPv6 one carries, where some kernel or router would take it out and go there.
///
/// Mapped and translated (RFC 4291, RFC 2765), compatible (RFC 4291), NAT64 by the well-known and the local prefix
/// (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380) and ISATAP (RFC 5214).
pub fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0] if (g, h) != (0, 0) && (g, h) != (0, 1) => Some(join(g, h)),
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] => Some(join(g, h)),
        [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => Some(join(g, h)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        [0x2001, 0, ..] => Some(join(!g, !h)),
        [.., 0x0000 | 0x0200, 0x5efe] => Some(join(g, h)),
        _ => None,
    }
}

/// Metadata services: AWS, GCP, Azure, Oracle and most others; AWS's task credentials, and pod identity; Azure's
/// wire server; Alibaba; Oracle's classic cloud; and over IPv6 AWS's, its pod identity's and GCP's.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

fn of_v4(address: Ipv4Addr) -> AddressClass {
    if METADATA_V4.contains(&address) {
        return AddressClass::Metadata;
    }
    match address.octets() {
        [0, ..] => AddressClass::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressClass::Private,
        [100, 64..=127, ..] => AddressClass::SharedCarrier,
        [127, ..] => AddressClass::Loopback,
        [169, 254, ..] => AddressClass::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressClass::Documentation,
        // IETF protocol assignments, and what is left of 6to4's anycast (RFC 7526).
        [192, 0, 0, _] | [192, 88, 99, _] => AddressClass::Reserved,
        [198, 18 | 19, ..] => AddressClass::Benchmarking,
        [224..=239, ..] => AddressClass::Multicast,
        [255, 255, 255, 255] => AddressClass::Broadcast,
        [240..=255, ..] => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    if METADATA_V6.contains(&address) {
        return AddressClass::Metadata;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        [0x100, 0, 0, 0 | 1, ..] => AddressClass::Unspecified,
        [0x2001, 2, 0, ..] => AddressClass::Benchmarking,
        [0x2001, 0xdb8, ..] => AddressClass::Documentation,
        [0x3fff, second, ..] if second < 0x1000 => AddressClass::Documentation,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xfec0..=0xfeff, ..] | [0xfc00..=0xfdff, ..] => AddressClass::UniqueLocal,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        // Judged by the address they carry: mapped, NAT64, Teredo.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x2001, 0, ..] => {
            AddressClass::Public
        }
        // The rest of 2001::/23 is the IETF's; of what is left, 2000::/3 alone is given out.
        [0x2001, second, ..] if second < 0x200 => AddressClass::Reserved,
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::AddressClass as Class;
    use super::*;

    fn class(text: &str) -> Class {
        Class::of(text.parse().unwrap())
    }

    #[test]
    fn each_range_of_ipv4_begins_and_ends_where_its_rfc_says() {
        // (first, last, class): the neighbours on both sides are something else.
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", Class::Unspecified),
            ("10.0.0.0", "10.255.255.255", Class::Private),
            ("100.64.0.0", "100.127.255.255", Class::SharedCarrier),
            ("127.0.0.0", "127.255.255.255", Class::Loopback),
            ("169.254.0.0", "169.254.255.255", Class::LinkLocal),
            ("172.16.0.0", "172.31.255.255", Class::Private),
            ("192.0.0.0", "192.0.0.255", Class::Reserved),
            ("192.0.2.0", "192.0.2.255", Class::Documentation),
            ("192.88.99.0", "192.88.99.255", Class::Reserved),
            ("192.168.0.0", "192.168.255.255", Class::Private),
            ("198.18.0.0", "198.19.255.255", Class::Benchmarking),
            ("198.51.100.0", "198.51.100.255", Class::Documentation),
            ("203.0.113.0", "203.0.113.255", Class::Documentation),
            ("224.0.0.0", "239.255.255.255", Class::Multicast),
            ("240.0.0.0", "255.255.255.254", Class::Reserved),
            ("255.255.255.255", "255.255.255.255", Class::Broadcast),
        ] {
            let (first, last): (Ipv4Addr, Ipv4Addr) = (first.parse().unwrap(), last.parse().unwrap());
            assert_eq!((of_v4(first), of_v4(last)), (expected, expected), "{first} {last}");
            for beside in
                [first.to_bits().checked_sub(1), last.to_bits().checked_add(1)].into_iter().flatten()
            {
                assert_ne!(of_v4(Ipv4Addr::from_bits(beside)), expected, "beside {first} {last}");
            }
        }
    }

    #[test]
    fn each_range_of_ipv6_begins_and_ends_where_its_rfc_says() {
        for (first, last, expected) in [
            ("::", "::", Class::Unspecified),
            ("::1", "::1", Class::Loopback),
            ("100::", "100::1:ffff:ffff:ffff:ffff", Class::Unspecified),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Class::Benchmarking),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Class::Documentation),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Class::Documentation),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::UniqueLocal),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::LinkLocal),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::UniqueLocal),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::Multicast),
        ] {
            let (first, last): (Ipv6Addr, Ipv6Addr) = (first.parse().unwrap(), last.parse().unwrap());
            assert_eq!((of_v6(first), of_v6(last)), (expected, expected), "{first} {last}");
            for beside in
                [first.to_bits().checked_sub(1), last.to_bits().checked_add(1)].into_iter().flatten()
            {
                assert_ne!(of_v6(Ipv6Addr::from_bits(beside)), expected, "beside {first} {last}");
            }
        }
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "93.184.215.14",
            "192.0.1.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::5",
        ] {
            assert_eq!(class(text), Class::Public, "{text}");
        }
        for text in ["1fff::1", "4000::1", "2001:1ff::1", "5f00::1"] {
            assert_eq!(class(text), Class::Reserved, "{text}");
        }
        assert_eq!(class("2001:200::1"), Class::Public);
    }

    #[test]
    fn metadata_services_are_known_in_every_dress() {
        for address in METADATA_V4 {
            let [a, b, c, d] = address.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for text in [
                format!("{address}"),
                format!("::ffff:{address}"),
                format!("::ffff:0:{address}"),
                format!("::{address}"),
                format!("64:ff9b::{address}"),
                format!("64:ff9b:1::{address}"),
                format!("2002:{high:x}:{low:x}::1"),
                format!("2001:0:5ef5:79fb:0:0:{:x}:{:x}", !high, !low),
                format!("fe80::5efe:{address}"),
            ] {
                assert_eq!(class(&text), Class::Metadata, "{text}");
            }
        }
        assert_eq!(class("fd00:ec2::254"), Class::Metadata);
        assert_eq!(class("169.254.169.253"), Class::LinkLocal);
    }

    #[test]
    fn a_carried_address_is_judged_and_a_public_one_changes_nothing() {
        assert_eq!(class("::ffff:10.0.0.1"), Class::Private);
        assert_eq!(class("::ffff:127.0.0.1"), Class::Loopback);
        assert_eq!(class("::7f00:1"), Class::Loopback);
        assert_eq!(class("::ffff:1.1.1.1"), Class::Public);
        assert_eq!(class("64:ff9b::1.1.1.1"), Class::Public);
        assert_eq!(class("64:ff9b::192.168.0.1"), Class::Private);
        assert_eq!(class("2002:101:101::1"), Class::Public);
        assert_eq!(class("2002:7f00:1::"), Class::Loopback);
        assert_eq!(class("::1.1.1.1"), Class::Reserved);
        assert_eq!(canonical("::ffff:10.0.0.1".parse().unwrap()), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(canonical("64:ff9b::a00:1".parse().unwrap()), "64:ff9b::a00:1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn every_class_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Class::ALL.iter().map(|class| class.name()).collect();
        assert_eq!(names.len(), Class::ALL.len());
    }
}
