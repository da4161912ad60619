//! Raw IP packets with TCP or UDP inside (RFC 791, 8200, 9293, 768), with their checksums (RFC 1071).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

const TCP: u8 = 6;
const UDP: u8 = 17;
const HOPS: u8 = 64;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// What a segment says beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    pub(super) flags: u8,
}

/// Writes a packet with a segment.
pub(super) fn tcp(out: &mut Vec<u8>, header: &Header, bytes: &[u8]) {
    ip(out, header.from.ip(), header.to.ip(), TCP, TCP_HEADER + bytes.len());
    let start = out.len();
    ports(out, header.from, header.to);
    out.extend(header.sequence.to_be_bytes());
    out.extend(header.acknowledged.to_be_bytes());
    out.extend([(TCP_HEADER as u8 / 4) << 4, header.flags]);
    out.extend(u16::MAX.to_be_bytes()); // the window
    out.extend([0; 4]);
    out.extend_from_slice(bytes);
    let sum = transport_sum(header.from, header.to, TCP, out.get(start..).unwrap_or_default());
    set(out, start + 16, sum);
}

/// Writes a packet with a datagram.
pub(super) fn udp(out: &mut Vec<u8>, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
    let length = UDP_HEADER + bytes.len();
    ip(out, from.ip(), to.ip(), UDP, length);
    let start = out.len();
    ports(out, from, to);
    out.extend((length as u16).to_be_bytes()); // at most DATAGRAM and the header
    out.extend([0; 2]);
    out.extend_from_slice(bytes);
    let sum = transport_sum(from, to, UDP, out.get(start..).unwrap_or_default());
    set(out, start + 6, if sum == 0 { u16::MAX } else { sum });
}

fn ports(out: &mut Vec<u8>, from: SocketAddr, to: SocketAddr) {
    out.extend(from.port().to_be_bytes());
    out.extend(to.port().to_be_bytes());
}

/// Writes the IP header: version 4 if both ends have it, and otherwise version 6 with the other end mapped.
fn ip(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, transport: u8, length: usize) {
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) {
        let start = out.len();
        let total = (20 + length) as u16; // SEGMENT and DATAGRAM leave room
        out.extend([0x45, 0]);
        out.extend(total.to_be_bytes());
        out.extend([0, 0, 0x40, 0, HOPS, transport, 0, 0]); // not to be fragmented
        out.extend(from.octets());
        out.extend(to.octets());
        let sum = !fold(sum(0, out.get(start..).unwrap_or_default()));
        set(out, start + 10, sum);
        return;
    }
    out.extend([0x60, 0, 0, 0]);
    out.extend((length as u16).to_be_bytes());
    out.extend([transport, HOPS]);
    out.extend(mapped(from).octets());
    out.extend(mapped(to).octets());
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The checksum over the pseudo-header and the transport's own bytes.
fn transport_sum(from: SocketAddr, to: SocketAddr, transport: u8, bytes: &[u8]) -> u16 {
    let addresses = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(sum(0, &from.octets()), &to.octets()),
        (from, to) => sum(sum(0, &mapped(from).octets()), &mapped(to).octets()),
    };
    let pseudo = addresses + u64::from(transport) + bytes.len() as u64;
    !fold(sum(pseudo, bytes))
}

fn sum(start: u64, bytes: &[u8]) -> u64 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let whole: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
    start + whole + rest.first().map_or(0, |last| u64::from(*last) << 8)
}

fn fold(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16 // at most u16::MAX
}

fn set(out: &mut [u8], at: usize, value: u16) {
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}
