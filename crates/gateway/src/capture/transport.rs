//! TCP segments and UDP datagrams (RFC 9293, RFC 768).

use super::ip::IpPacket;

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport<'a> {
    Tcp(Ports, Segment<'a>),
    Udp(Ports, Datagram<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) source: u16,
    pub(super) destination: u16,
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) sequence: u32,
    /// The next byte that the sender expects, if it says so.
    pub(super) acknowledged: Option<u32>,
    pub(super) is_syn: bool,
    pub(super) is_fin: bool,
    pub(super) is_reset: bool,
    /// What was captured of its bytes.
    pub(super) bytes: &'a [u8],
    /// How many bytes it had, at least what was captured.
    pub(super) length: usize,
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    /// What was captured of its bytes.
    pub(super) bytes: &'a [u8],
    /// How many bytes it had, at least what was captured.
    pub(super) length: usize,
}

/// Reads what a packet carries; nothing if it is malformed or another transport.
pub(super) fn read<'a>(packet: &IpPacket<'a>) -> Option<Transport<'a>> {
    match packet.transport {
        TCP => read_tcp(packet),
        UDP => read_udp(packet),
        _ => None,
    }
}

fn read_tcp<'a>(packet: &IpPacket<'a>) -> Option<Transport<'a>> {
    let header: &[u8; 20] = packet.payload.first_chunk()?;
    let header_length = usize::from(header[12] >> 4) * 4;
    if header_length < header.len() || header_length > packet.length {
        return None;
    }
    let flags = header[13];
    let segment = Segment {
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledged: (flags & 0x10 != 0)
            .then(|| u32::from_be_bytes([header[8], header[9], header[10], header[11]])),
        is_syn: flags & 0x02 != 0,
        is_fin: flags & 0x01 != 0,
        is_reset: flags & 0x04 != 0,
        // Where the capture ends within the options, nothing of the bytes is there.
        bytes: packet.payload.get(header_length..).unwrap_or_default(),
        length: packet.length - header_length,
    };
    Some(Transport::Tcp(ports(header)?, segment))
}

fn read_udp<'a>(packet: &IpPacket<'a>) -> Option<Transport<'a>> {
    let header: &[u8; 8] = packet.payload.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // A length of zero is a jumbogram's, or that of a host that leaves it to the network card.
    let length = if length == 0 { packet.length } else { length.min(packet.length) };
    let bytes = packet.payload.get(..length.min(packet.payload.len()))?.get(header.len()..)?;
    Some(Transport::Udp(ports(header)?, Datagram { bytes, length: length.checked_sub(header.len())? }))
}

fn ports(header: &[u8]) -> Option<Ports> {
    let [a, b, c, d] = *header.first_chunk()?;
    Some(Ports { source: u16::from_be_bytes([a, b]), destination: u16::from_be_bytes([c, d]) })
}
