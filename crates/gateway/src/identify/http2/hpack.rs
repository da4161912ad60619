//! The header blocks of a connection's requests (HPACK, RFC 7541).
//!
//! Our own walk over the fields, because what is needed is a handful of names, and the small crates at hand panic on hostile
//! blocks. The Huffman code is a crate's. Each block depends on all before it: the table is kept as the far side keeps it, entry
//! by entry and size by size, or a name could mean one thing here and another there.

use std::collections::VecDeque;

use crate::identify::claim::HEAD;

/// A header field.
#[derive(Clone, Debug)]
pub(in crate::identify) struct Field {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Field {
    fn new(name: &[u8], value: &[u8]) -> Self {
        Self { name: name.to_vec(), value: value.to_vec() }
    }

    /// As it counts for the table (section 4.1).
    fn size(&self) -> usize {
        self.name.len() + self.value.len() + 32
    }
}

/// The most fields of a block, and the most bytes that they decode to.
const FIELDS: usize = 128;
const DECODED: usize = 4 * HEAD;
/// The size of a table at first (section 6.5.2 of RFC 9113), and the largest that a client is followed to. It may make it as
/// large as its server says, which is not looked at.
const FIRST_SIZE: usize = 4096;
pub(in crate::identify) const LARGEST: usize = 16 * 1024;

/// The static table (appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The dynamic table of one direction (section 2.3.2): the newest entry first.
#[derive(Clone, Debug)]
pub(in crate::identify) struct Table {
    fields: VecDeque<Field>,
    size: usize,
    most: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { fields: VecDeque::new(), size: 0, most: FIRST_SIZE }
    }
}

impl Table {
    /// What its entries take, as they count (section 4.1).
    pub(in crate::identify) const fn size(&self) -> usize {
        self.size
    }

    /// The fields of the next block; `None` if it is broken, and the table of no use any more.
    pub(super) fn decode(&mut self, block: &[u8]) -> Option<Vec<Field>> {
        let mut rest = block;
        let mut fields: Vec<Field> = Vec::new();
        let mut decoded = 0;
        while let Some(first) = rest.first() {
            let (prefix, is_kept) = match first {
                0x80.. => (7, false),
                0x40..=0x7f => (6, true),
                0x20..=0x3f => {
                    let size = integer(&mut rest, 5)?;
                    self.resize(size)?;
                    continue;
                }
                _ => (4, false),
            };
            let index = integer(&mut rest, prefix)?;
            let field = if prefix == 7 { self.indexed(index)? } else { self.literal(index, &mut rest)? };
            decoded += field.name.len() + field.value.len();
            if fields.len() >= FIELDS || decoded > DECODED {
                return None;
            }
            if is_kept {
                self.keep(field.clone());
            }
            fields.push(field);
        }
        Some(fields)
    }

    fn indexed(&self, index: usize) -> Option<Field> {
        let place = index.checked_sub(1)?;
        match STATIC.get(place) {
            Some((name, value)) => Some(Field::new(name.as_bytes(), value.as_bytes())),
            None => self.fields.get(place - STATIC.len()).cloned(),
        }
    }

    fn literal(&self, index: usize, rest: &mut &[u8]) -> Option<Field> {
        let name = if index == 0 { string(rest)? } else { self.indexed(index)?.name };
        Some(Field { name, value: string(rest)? })
    }

    /// Puts a field first, and lets go of the oldest until all fit (section 4.4): one that is larger than the table empties it.
    fn keep(&mut self, field: Field) {
        self.size += field.size();
        self.fields.push_front(field);
        self.evict();
    }

    fn resize(&mut self, most: usize) -> Option<()> {
        self.most = Some(most).filter(|most| *most <= LARGEST)?;
        self.evict();
        Some(())
    }

    fn evict(&mut self) {
        while self.size > self.most {
            let Some(oldest) = self.fields.pop_back() else { return };
            self.size -= oldest.size();
        }
    }
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

    fn decode(table: &mut Table, block: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        table.decode(block).unwrap().into_iter().map(|field| (text(field.name), text(field.value))).collect()
    }

    fn decoded(block: &[u8]) -> Vec<(String, String)> {
        decode(&mut Table::default(), block)
    }

    #[test]
    fn the_requests_of_the_specification_are_read() {
        let expected =
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
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
            assert!(Table::default().decode(block).is_none(), "{block:x?}");
        }
    }

    #[test]
    fn later_blocks_refer_to_earlier_ones() {
        let mut table = Table::default();
        // RFC 7541, C.3.1 to C.3.3: three requests of one connection.
        let first = [&[0x82, 0x86, 0x84, 0x41, 0x0f][..], b"www.example.com"].concat();
        let second = [&[0x82, 0x86, 0x84, 0xbe, 0x58, 0x08][..], b"no-cache"].concat();
        let third =
            [&[0x82, 0x87, 0x85, 0xbf, 0x40, 0x0a][..], b"custom-key", &[0x0c], b"custom-value"].concat();
        let authority = |fields: &[(String, String)]| {
            fields.iter().find(|(name, _)| name == ":authority").map(|(_, value)| value.clone())
        };
        for block in [first, second, third] {
            assert_eq!(authority(&decode(&mut table, &block)).as_deref(), Some("www.example.com"));
        }
        assert_eq!((table.fields.len(), table.size), (3, 57 + 53 + 54));
    }

    #[test]
    fn a_table_holds_what_fits_and_no_more() {
        let mut table = Table::default();
        for number in 0..500u32 {
            let name = format!("name-{number:03}");
            let block = [&[0x40, 8][..], name.as_bytes(), &[1], b"v"].concat();
            table.decode(&block).unwrap();
            assert!(table.size <= FIRST_SIZE);
        }
        assert_eq!(table.fields.len(), FIRST_SIZE / (8 + 1 + 32));
        // A size of 0 empties it, and nothing can be referred to.
        table.decode(&[0x20]).unwrap();
        assert!(table.fields.is_empty() && table.decode(&[0xbe]).is_none());
        assert!(Table::default().decode(&[0x3f, 0xe1, 0xff, 0x7f]).is_none(), "larger than is followed");
    }
}
