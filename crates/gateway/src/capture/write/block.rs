//! The blocks of pcapng that are written (draft-ietf-opsawg-pcapng): little-endian, times in nanoseconds.

use std::time::Duration;

use crate::capture::LinkType;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

const COMMENT: u16 = 1;
const PROGRAM: u16 = 4;
const TIME_RESOLUTION: u16 = 9;
const NANOSECONDS: u8 = 9;

/// The longest comment, in bytes; a longer one is cut.
const LONGEST_COMMENT: usize = 4096;

/// Begins a section: version 1.0, of unknown length.
pub(super) fn section(out: &mut Vec<u8>) {
    block(out, SECTION, |out| {
        out.extend(BYTE_ORDER.to_le_bytes());
        out.extend(1u16.to_le_bytes());
        out.extend(0u16.to_le_bytes());
        out.extend(u64::MAX.to_le_bytes());
        option(out, PROGRAM, b"aurelian");
        end_of_options(out);
    });
}

/// The only interface: raw IP, no packet cut.
pub(super) fn interface(out: &mut Vec<u8>) {
    block(out, INTERFACE, |out| {
        out.extend(LinkType::RAW.0.to_le_bytes());
        out.extend([0; 2]);
        out.extend(0u32.to_le_bytes());
        option(out, TIME_RESOLUTION, &[NANOSECONDS]);
        end_of_options(out);
    });
}

/// A packet of that interface, with a comment unless that is empty.
pub(super) fn packet(out: &mut Vec<u8>, now: Duration, comment: &str, write: impl FnOnce(&mut Vec<u8>)) {
    block(out, ENHANCED_PACKET, |out| {
        let time = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        out.extend(0u32.to_le_bytes());
        out.extend(((time >> 32) as u32).to_le_bytes());
        out.extend((time as u32).to_le_bytes()); // the lower half
        let lengths = out.len();
        out.extend([0; 8]);
        let start = out.len();
        write(out);
        let length = ((out.len() - start) as u32).to_le_bytes(); // at most an IP packet
        out.splice(lengths..start, [length, length].concat());
        pad(out, start);
        if !comment.is_empty() {
            option(out, COMMENT, cut(comment).as_bytes());
            end_of_options(out);
        }
    });
}

fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = (out.len() - start + 4) as u32; // some headers, an IP packet and a bounded comment
    out.splice(start + 4..start + 8, length.to_le_bytes());
    out.extend(length.to_le_bytes());
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes()); // at most LONGEST_COMMENT
    let start = out.len();
    out.extend_from_slice(value);
    pad(out, start);
}

fn end_of_options(out: &mut Vec<u8>) {
    out.extend([0; 4]);
}

/// Fills up to a multiple of four bytes.
fn pad(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    out.resize(start + length.next_multiple_of(4), 0);
}

fn cut(comment: &str) -> &str {
    let end = comment.floor_char_boundary(LONGEST_COMMENT);
    comment.get(..end).unwrap_or(comment)
}
