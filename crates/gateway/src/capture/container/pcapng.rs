//! pcapng: sections of blocks, each with its length in front and behind (draft-ietf-opsawg-pcapng).

use std::io::Read;

use super::number::{Order, Unit};
use super::source::{LONGEST, Source};
use super::{LinkType, Reason, Record};

/// How a file begins, and each section in it: the same in both byte orders.
pub(super) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// How many interfaces of a section are kept.
pub(super) const INTERFACES: usize = 4096;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const VERSION: u16 = 1;

const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Type and length in front.
const FRONT: usize = 8;
/// The length again, behind.
const BEHIND: usize = 4;

const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;

/// The section that is being read.
#[derive(Debug)]
pub(super) struct Section {
    order: Order,
    interfaces: Vec<Interface>,
}

impl Default for Section {
    fn default() -> Self {
        Self { order: Order::Little, interfaces: Vec::new() }
    }
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snapshot: u32,
    unit: Unit,
}

impl Section {
    /// Reads on to the next packet, and that packet ahead.
    pub(super) fn record<R: Read>(&mut self, source: &mut Source<R>) -> Result<Option<Record>, Reason> {
        while source.fill(FRONT)? > 0 {
            let (kind, length) = self.front(source)?;
            if !matches!(kind, INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
                self.pass(source, kind, length)?;
                continue;
            }
            if length > LONGEST {
                return Err(Reason::Length { what: "block", length: length as u64 });
            }
            let block = source.need("block", length)?;
            self.check_end(block, length)?;
            if kind != INTERFACE {
                return self.packet(kind, block).map(Some);
            }
            let interface = Interface::read(self.order, block);
            self.add(interface)?;
            source.take(length);
        }
        Ok(None)
    }

    /// The type and the length of the next block; at a section's header, what holds in the section.
    fn front<R: Read>(&mut self, source: &mut Source<R>) -> Result<(u32, usize), Reason> {
        let front = source.need("header of the block", FRONT)?;
        if front.starts_with(&SECTION) {
            self.begin(source.need("header of the section", 16)?)?;
        }
        let front = source.ahead();
        let (kind, length) = (self.order.long(front, 0), self.order.long(front, 4));
        if length < 12 || length % 4 != 0 {
            return Err(Reason::Length { what: "block", length: u64::from(length) });
        }
        Ok((kind, length as usize))
    }

    fn begin(&mut self, header: &[u8]) -> Result<(), Reason> {
        let order = match (Order::Big.long(header, 8), Order::Little.long(header, 8)) {
            (BYTE_ORDER, _) => Order::Big,
            (_, BYTE_ORDER) => Order::Little,
            _ => return Err(Reason::ByteOrder),
        };
        let version = order.short(header, 12);
        if version != VERSION {
            return Err(Reason::Version(version));
        }
        *self = Self { order, interfaces: Vec::new() };
        Ok(())
    }

    /// Passes over a block, of any length, that has no packet.
    fn pass<R: Read>(&self, source: &mut Source<R>, kind: u32, length: usize) -> Result<(), Reason> {
        let least = if kind == u32::from_be_bytes(SECTION) { 28 } else { 12 };
        if length < least {
            return Err(Reason::Length { what: "block", length: length as u64 });
        }
        if length <= LONGEST {
            let block = source.need("block", length)?;
            self.check_end(block, length)?;
            source.take(length);
            return Ok(());
        }
        source.skip("block", length as u64)
    }

    fn check_end(&self, block: &[u8], length: usize) -> Result<(), Reason> {
        let behind = self.order.long(block, length - BEHIND);
        if behind as usize == length {
            return Ok(());
        }
        Err(Reason::Length { what: "end of the block", length: u64::from(behind) })
    }

    fn add(&mut self, interface: Interface) -> Result<(), Reason> {
        if self.interfaces.len() >= INTERFACES {
            return Err(Reason::Interfaces);
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet(&self, kind: u32, block: &[u8]) -> Result<Record, Reason> {
        let order = self.order;
        let (interface, start) = match kind {
            SIMPLE_PACKET => (0, FRONT + 4),
            OBSOLETE_PACKET => (usize::from(order.short(block, 8)), FRONT + 20),
            _ => (order.long(block, 8) as usize, FRONT + 20),
        };
        // A packet of an interface that nobody described is counted, and not understood.
        let interface = self.interfaces.get(interface).copied().unwrap_or(Interface::UNKNOWN);
        let room = block.len().saturating_sub(start + BEHIND);
        let length = match kind {
            SIMPLE_PACKET => room.min(interface.kept(order.long(block, 8))),
            _ => order.long(block, 20) as usize,
        };
        if length > room {
            return Err(Reason::Length { what: "packet", length: length as u64 });
        }
        let stamp = u64::from(order.long(block, 12)) << 32 | u64::from(order.long(block, 16));
        let time = (kind != SIMPLE_PACKET).then(|| interface.unit.time(stamp));
        Ok(Record { time, link: interface.link, start, length, whole: block.len() })
    }
}

impl Interface {
    const UNKNOWN: Self = Self { link: LinkType::UNKNOWN, snapshot: 0, unit: Unit::MICROSECONDS };

    fn read(order: Order, block: &[u8]) -> Self {
        let link = LinkType(order.short(block, 8));
        let mut interface = Self { link, snapshot: order.long(block, 12), unit: Unit::MICROSECONDS };
        let options = block.get(16..block.len().saturating_sub(BEHIND)).unwrap_or_default();
        interface.configure(order, options);
        interface
    }

    /// Applies the options, up to the first that doesn't fit.
    fn configure(&mut self, order: Order, mut options: &[u8]) {
        while let (code @ 1.., length) = (order.short(options, 0), usize::from(order.short(options, 2))) {
            let Some(value) = options.get(4..4 + length) else { return };
            match (code, value) {
                (TIME_RESOLUTION, [resolution]) => self.unit = self.unit.with_resolution(*resolution),
                (TIME_OFFSET, [_, _, _, _, _, _, _, _]) => {
                    self.unit.offset = order.longest(value, 0).cast_signed();
                }
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    /// How much is kept of a packet of this length, where the record doesn't say.
    fn kept(&self, length: u32) -> usize {
        let kept = if self.snapshot == 0 { length } else { length.min(self.snapshot) };
        kept as usize
    }
}
