//! Classic pcap: a header of 24 bytes, then packets behind 16 bytes each (draft-ietf-opsawg-pcap).

use std::io::Read;
use std::time::Duration;

use super::number::{Order, Unit};
use super::source::{LONGEST, Source};
use super::{LinkType, Reason, Record};

const HEADER: usize = 24;
const RECORD: usize = 16;
const VERSION: u16 = 2;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// What the header says of all packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    order: Order,
    per_second: u32,
    link: LinkType,
}

impl Header {
    pub(super) fn read<R: Read>(magic: [u8; 4], source: &mut Source<R>) -> Result<Self, Reason> {
        let (order, per_second) = match (u32::from_be_bytes(magic), u32::from_le_bytes(magic)) {
            (MICROSECONDS, _) => (Order::Big, 1_000_000),
            (NANOSECONDS, _) => (Order::Big, 1_000_000_000),
            (_, MICROSECONDS) => (Order::Little, 1_000_000),
            (_, NANOSECONDS) => (Order::Little, 1_000_000_000),
            _ => return Err(Reason::NotACapture),
        };
        let header = source.need("header of the file", HEADER)?;
        let version = order.short(header, 4);
        if version != VERSION {
            return Err(Reason::Version(version));
        }
        // The upper bits tell of a frame check sequence behind each packet, which the packet's own lengths leave out.
        let link = LinkType(order.long(header, 20) as u16);
        source.take(HEADER);
        Ok(Self { order, per_second, link })
    }

    pub(super) fn record<R: Read>(&self, source: &mut Source<R>) -> Result<Option<Record>, Reason> {
        if source.fill(RECORD)? == 0 {
            return Ok(None);
        }
        let header = source.need("header of the packet", RECORD)?;
        let (seconds, fraction) = (self.order.long(header, 0), self.order.long(header, 4));
        let length = self.order.long(header, 8) as usize;
        if length > LONGEST - RECORD {
            return Err(Reason::Length { what: "packet", length: length as u64 });
        }
        let whole = RECORD + length;
        source.need("packet", whole)?;
        let time = Some(self.time(seconds, fraction));
        Ok(Some(Record { time, link: self.link, start: RECORD, length, whole }))
    }

    fn time(&self, seconds: u32, fraction: u32) -> Duration {
        let unit = Unit { per_second: u128::from(self.per_second), offset: i64::from(seconds) };
        unit.time(u64::from(fraction))
    }
}
