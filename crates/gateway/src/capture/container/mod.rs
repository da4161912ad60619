//! The files that captures are kept in: classic pcap and pcapng, in either byte order.
//!
//! [`Packets`] gives one packet after the other, with its time and link type, from any reader: it never seeks and
//! holds one packet at a time. A file that breaks gives all packets before the break and then says where that is:
//! [`Broken`] has the offset of the record that can't be read and the number of packets before it.
//!
//! Our own reader rather than a crate's, because of that offset, because every bound must be ours to state, and because it
//! is the first thing that hostile bytes meet. Sources: draft-ietf-opsawg-pcap and
//! draft-ietf-opsawg-pcapng. Left out: what isn't a packet (names, statistics, secrets, journals) is passed over.

mod number;
mod pcap;
mod pcapng;
mod source;

use std::fmt;
use std::io::Read;
use std::time::Duration;

use thiserror::Error;

use super::link::LinkType;
use source::Source;

/// A packet, as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When, since 1970-01-01T00:00:00Z. A packet without a time has that of the packet before.
    pub time: Duration,
    /// What it begins with.
    pub link: LinkType,
    /// What was kept of it.
    pub bytes: &'a [u8],
}

/// Where and why a capture could not be read further.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Broken {
    /// The place of the record that can't be read, in bytes from the beginning of the file.
    pub offset: u64,
    /// How many packets were read before it.
    pub packets: u64,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken at byte {}, after {} packets: {}", self.offset, self.packets, self.reason)
    }
}

/// Why a capture could not be read further.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// The system doesn't give it.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// It is something else.
    #[error("it is neither a pcap nor a pcapng file")]
    NotACapture,
    /// It is one, but packed.
    #[error("it is packed with gzip; unpack it first")]
    Gzip,
    /// It ends too early.
    #[error("the {what} should have {wanted} bytes, and the file ends after {found} of them")]
    Truncated {
        /// What ends too early.
        what: &'static str,
        /// How long it should be.
        wanted: u64,
        /// How much of it there is.
        found: u64,
    },
    /// A length that can't be.
    #[error("the {what} has a length of {length}, which can't be")]
    Length {
        /// Of what.
        what: &'static str,
        /// The length.
        length: u64,
    },
    /// A section says nothing we know of its byte order.
    #[error("the section has no byte order")]
    ByteOrder,
    /// Another version of the format.
    #[error("version {0} of the format is not known")]
    Version(u16),
    /// More interfaces than are kept.
    #[error("the section has more than {} interfaces", pcapng::INTERFACES)]
    Interfaces,
}

/// The packets of a capture, one after the other.
#[derive(Debug)]
pub struct Packets<R> {
    source: Source<R>,
    format: Option<Format>,
    packets: u64,
    time: Duration,
    has_ended: bool,
}

#[derive(Debug)]
enum Format {
    Pcap(pcap::Header),
    Pcapng(pcapng::Section),
}

/// What a record was read as: where the packet lies in what is ahead, and how long the whole record is.
#[derive(Debug)]
struct Record {
    /// When; nothing if the record doesn't say.
    time: Option<Duration>,
    link: LinkType,
    /// The place of the packet in the record, and the packet's length.
    start: usize,
    length: usize,
    /// The length of the record.
    whole: usize,
}

impl<R: Read> Packets<R> {
    /// The packets in what this reader gives. It needs no buffer of its own.
    pub fn new(reader: R) -> Self {
        let source = Source::new(reader);
        Self { source, format: None, packets: 0, time: Duration::ZERO, has_ended: false }
    }

    /// How many packets were read.
    pub const fn count(&self) -> u64 {
        self.packets
    }

    /// How many bytes of the file were read, up to the end of the last packet.
    pub const fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// The next packet; nothing at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// If the file can't be read further: where and why.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, Broken> {
        if self.has_ended {
            return Ok(None);
        }
        let record = self.record();
        let offset = self.source.offset();
        match record {
            Ok(Some(record)) => Ok(Some(self.packet(&record))),
            Ok(None) => {
                self.has_ended = true;
                Ok(None)
            }
            Err(reason) => {
                self.has_ended = true;
                Err(Source::<R>::broken(offset, self.packets, reason))
            }
        }
    }

    fn packet(&mut self, record: &Record) -> Packet<'_> {
        self.packets += 1;
        self.time = record.time.unwrap_or(self.time);
        let bytes = self.source.take(record.whole);
        let bytes = bytes.get(record.start..record.start + record.length).unwrap_or_default();
        Packet { time: self.time, link: record.link, bytes }
    }

    /// Reads a whole record ahead.
    fn record(&mut self) -> Result<Option<Record>, Reason> {
        let format = match &mut self.format {
            Some(format) => format,
            None => self.format.insert(Format::recognise(&mut self.source)?),
        };
        match format {
            Format::Pcap(header) => header.record(&mut self.source),
            Format::Pcapng(section) => section.record(&mut self.source),
        }
    }
}

impl Format {
    fn recognise<R: Read>(source: &mut Source<R>) -> Result<Self, Reason> {
        source.fill(4)?;
        let Some(magic) = source.ahead().first_chunk::<4>().copied() else { return Err(Reason::NotACapture) };
        if magic == pcapng::SECTION {
            return Ok(Self::Pcapng(pcapng::Section::default()));
        }
        if let [0x1f, 0x8b, _, _] = magic {
            return Err(Reason::Gzip);
        }
        pcap::Header::read(magic, source).map(Self::Pcap)
    }
}

#[cfg(test)]
mod tests;
