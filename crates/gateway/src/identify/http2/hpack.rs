//! The header block of a connection's first request (HPACK, RFC 7541).
//!
//! Our own walk over the fields, because what is needed is one block and a handful of names, and the small crates at
//! hand panic on hostile blocks. The Huffman code is a crate's.

use crate::identify::claim::HEAD;

/// A header field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// The most fields of a block, and the most bytes that they decode to.
const FIELDS: usize = 128;
const DECODED: usize = 4 * HEAD;

/// The static table (appendix A) as far as pseudo-headers, host and user agent go; a name that isn't needed is empty.
fn static_field(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    Some(match index {
        1 => (b":authority", b""),
        2 => (b":method", b"GET"),
        3 => (b":method", b"POST"),
        4 => (b":path", b"/"),
        5 => (b":path", b"/index.html"),
        38 => (b"host", b""),
        58 => (b"user-agent", b""),
        6..=61 => (b"", b""),
        _ => return None,
    })
}

/// The fields of the block; `None` if it is broken, or refers to what a first block can't.
pub(super) fn decode(block: &[u8]) -> Option<Vec<Field>> {
    let mut rest = block;
    let mut fields: Vec<Field> = Vec::new();
    let mut dynamic: Vec<Field> = Vec::new();
    let mut decoded = 0;
    while let Some(first) = rest.first() {
        let (prefix, is_kept) = match first {
            0x80.. => (7, false),
            0x40..=0x7f => (6, true),
            0x20..=0x3f => {
                integer(&mut rest, 5)?; // a new size for the table
                continue;
            }
            _ => (4, false),
        };
        let index = integer(&mut rest, prefix)?;
        let field =
            if prefix == 7 { indexed(index, &dynamic)? } else { literal(index, &dynamic, &mut rest)? };
        decoded += field.name.len() + field.value.len();
        if fields.len() >= FIELDS || decoded > DECODED {
            return None;
        }
        if is_kept {
            dynamic.insert(0, field.clone());
        }
        fields.push(field);
    }
    Some(fields)
}

fn indexed(index: usize, dynamic: &[Field]) -> Option<Field> {
    match static_field(index) {
        Some((name, value)) => Some(Field { name: name.to_vec(), value: value.to_vec() }),
        None => dynamic.get(index.checked_sub(62)?).cloned(),
    }
}

fn literal(index: usize, dynamic: &[Field], rest: &mut &[u8]) -> Option<Field> {
    let name = if index == 0 { string(rest)? } else { indexed(index, dynamic)?.name };
    Some(Field { name, value: string(rest)? })
}

/// An integer behind a prefix of so many bits (section 5.1), at most 2^28.
fn integer(rest: &mut &[u8], prefix: u32) -> Option<usize> {
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(byte(rest)?) & mask;
    if value < mask {
        return Some(value);
    }
    for shift in [0, 7, 14, 21] {
        let next = byte(rest)?;
        value += usize::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

/// A string, plain or in Huffman's code (section 5.2).
fn string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let is_coded = rest.first()? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    if !is_coded {
        return Some(bytes.to_vec());
    }
    let mut decoded = Vec::new();
    httlib_huffman::decode(bytes, &mut decoded, httlib_huffman::DecoderSpeed::FourBits).ok()?;
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(block: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        decode(block).unwrap().into_iter().map(|field| (text(field.name), text(field.value))).collect()
    }

    #[test]
    fn the_requests_of_the_specification_are_read() {
        let expected = [(":method", "GET"), ("", ""), (":path", "/"), (":authority", "www.example.com")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        // RFC 7541, C.3.1 and C.4.1.
        let plain = [&[0x82, 0x86, 0x84, 0x41, 0x0f][..], b"www.example.com"].concat();
        assert_eq!(decoded(&plain), expected);
        let coded = [
            0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4,
            0xff,
        ];
        assert_eq!(decoded(&coded), expected);
    }

    #[test]
    fn a_field_of_the_same_block_can_be_referred_to() {
        let block = [&[0x41, 1][..], b"a", &[0xbe]].concat();
        assert_eq!(decoded(&block), [(":authority".into(), "a".into()), (":authority".into(), "a".into())]);
    }

    #[test]
    fn broken_blocks_are_refused() {
        for block in
            [&[0x41][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x80], &[0xbe], &[0x41, 5, b'a'], &[0x7f]]
        {
            assert!(decode(block).is_none(), "{block:x?}");
        }
    }
}
