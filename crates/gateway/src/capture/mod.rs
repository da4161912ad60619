//! Captures: what the network saw, read into flows, and flows of ours written for others to read.
//!
//! [`Flows`] reads a capture (pcap or pcapng, any byte order) from front to back and gives one [`FlowRecord`] per TCP
//! connection and per UDP flow: who, when, what it speaks ([`identify`](crate::identify)), its shape
//! ([`flow`](crate::flow)), and what the capture lacks of it. [`write`](mod@write) makes a capture of what was relayed.
//!
//! How it works, from the outside in: `container` gives packets and knows where a file breaks; `link` and `ip` find the
//! transport, `fragments` joins what was sent in parts; `transport` reads TCP and UDP; `table` holds the flows, `stream`
//! puts each direction of a connection in order, and `recognition` has it identified.
//!
//! A capture is hostile input, and may be endless. Memory is bounded by constants whatever it holds: [`LIVE`] flows of
//! about 2 KiB, [`KEPT_IN_ALL`] bytes of segments behind holes, [`KNOWN_IN_ALL`] bytes for what flows say of themselves. What
//! reaches a bound is let go and says so, and nothing else changes.
//!
//! Left out: VLAN tags don't tell flows apart, checksums aren't verified (on a sending host they aren't there yet), and
//! tunnels aren't looked into.

mod container;
mod fragments;
mod ip;
mod link;
mod pieces;
mod recognition;
mod stream;
mod table;
mod tracked;
mod transport;
mod weight;
pub mod write;

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

pub use container::{Broken, Packet, Packets, Reason};
pub use link::LinkType;
pub use stream::Lost;
pub use table::{KEPT_IN_ALL, KNOWN_IN_ALL, LIVE};
pub use tracked::{Carrier, Ending, FlowRecord};

use fragments::Fragments;
use ip::IpPacket;
use link::Network;
use table::Table;
use transport::Transport;

/// The ends of one IP packet, and the number of what it carries. A port is 0 where that has none, or its header is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) transport: u8,
}

impl Ends {
    /// Those of a packet from its IP header on; none where it is malformed.
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        let packet = ip::read(packet)?;
        let (source, destination) = match transport::read(&packet) {
            Some(Transport::Tcp(ports, _) | Transport::Udp(ports, _)) => (ports.source, ports.destination),
            None => (0, 0),
        };
        Some(Self {
            source: SocketAddr::new(packet.source, source),
            destination: SocketAddr::new(packet.destination, destination),
            transport: packet.transport,
        })
    }
}

/// How much of a capture there was, and what of it is in no flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Bytes of the file, up to the end of the last packet.
    pub bytes: u64,
    /// Flows that began.
    pub flows: u64,
    /// Flows that were let go for others, and may appear again as another flow.
    pub evicted: u64,
    /// Packets of a link type that isn't read.
    pub unknown_link: u64,
    /// Packets that aren't IP, such as ARP.
    pub not_ip: u64,
    /// IP packets that are neither TCP nor UDP, such as ICMP.
    pub other_transport: u64,
    /// Packets that contradict themselves.
    pub malformed: u64,
    /// Packets sent in fragments of which some are missing.
    pub unjoined: u64,
}

/// The flows of a capture, each when it is followed no further.
///
/// ```
/// use gateway::capture::Flows;
///
/// let mut flows = Flows::new(&b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0oh"[..]);
/// assert_eq!(flows.by_ref().count(), 0);
/// let broken = flows.broken().ok_or("it ends within a packet")?;
/// assert_eq!((broken.offset, broken.packets), (24, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Flows<R> {
    packets: Packets<R>,
    dissection: Dissection,
    has_ended: bool,
    broken: Option<Broken>,
}

/// What is known of the packets so far.
#[derive(Debug)]
struct Dissection {
    table: Table,
    fragments: Fragments,
    counts: Counts,
}

impl<R: Read> Flows<R> {
    /// The flows of the capture that this reader gives. It needs no buffer of its own.
    pub fn new(reader: R) -> Self {
        let dissection =
            Dissection { table: Table::new(), fragments: Fragments::default(), counts: Counts::default() };
        Self { packets: Packets::new(reader), dissection, has_ended: false, broken: None }
    }

    /// Where the capture broke, once all that could be read was.
    pub const fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// How much there was so far.
    pub fn counts(&self) -> Counts {
        Counts {
            packets: self.packets.count(),
            bytes: self.packets.offset(),
            flows: self.dissection.table.begun(),
            evicted: self.dissection.table.evicted(),
            unjoined: self.dissection.fragments.given_up(),
            ..self.dissection.counts
        }
    }

    fn finish(&mut self, broken: Option<Broken>) {
        self.has_ended = true;
        self.broken = broken;
        self.dissection.fragments.finish();
        self.dissection.table.finish();
    }
}

impl<R: Read> Iterator for Flows<R> {
    type Item = FlowRecord;

    fn next(&mut self) -> Option<FlowRecord> {
        loop {
            if let Some(flow) = self.dissection.table.pop() {
                return Some(flow);
            }
            if self.has_ended {
                return None;
            }
            match self.packets.next_packet() {
                Ok(Some(packet)) => self.dissection.packet(packet),
                Ok(None) => self.finish(None),
                Err(broken) => self.finish(Some(broken)),
            }
        }
    }
}

impl Dissection {
    fn packet(&mut self, packet: Packet<'_>) {
        match link::network(packet.link, packet.bytes) {
            Network::Ip(bytes) => self.ip(packet.time, bytes),
            Network::Other => self.counts.not_ip += 1,
            Network::UnknownLink => self.counts.unknown_link += 1,
            Network::Malformed => self.counts.malformed += 1,
        }
    }

    fn ip(&mut self, now: Duration, bytes: &[u8]) {
        let Some(packet) = ip::read(bytes) else {
            self.counts.malformed += 1;
            return;
        };
        let Some(part) = packet.fragment else {
            self.transport(now, &packet);
            return;
        };
        if let Some(payload) = self.fragments.push(now, &packet, part) {
            let whole = IpPacket { payload: &payload, length: payload.len(), fragment: None, ..packet };
            match whole.without_extensions().filter(|packet| packet.fragment.is_none()) {
                Some(packet) => self.transport(now, &packet),
                None => self.counts.malformed += 1,
            }
        }
    }

    fn transport(&mut self, now: Duration, packet: &IpPacket<'_>) {
        let ends = |ports: transport::Ports| {
            let from = SocketAddr::new(packet.source, ports.source);
            (from, SocketAddr::new(packet.destination, ports.destination))
        };
        match transport::read(packet) {
            Some(Transport::Tcp(ports, segment)) => {
                let (from, to) = ends(ports);
                self.table.segment(now, from, to, &segment);
            }
            Some(Transport::Udp(ports, datagram)) => {
                let (from, to) = ends(ports);
                self.table.datagram(now, from, to, datagram);
            }
            None if matches!(packet.transport, transport::TCP | transport::UDP) => self.counts.malformed += 1,
            None => self.counts.other_transport += 1,
        }
    }
}

#[cfg(test)]
mod tests;
