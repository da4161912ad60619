use super::*;

/// A number in the byte order of a file.
struct Writer {
    is_big: bool,
    out: Vec<u8>,
}

impl Writer {
    fn new(is_big: bool) -> Self {
        Self { is_big, out: Vec::new() }
    }

    fn short(&mut self, number: u16) {
        self.out.extend(if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() });
    }

    fn long(&mut self, number: u32) {
        self.out.extend(if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() });
    }

    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Self)) {
        let mut inner = Self::new(self.is_big);
        body(&mut inner);
        inner.out.resize(inner.out.len().next_multiple_of(4), 0);
        let length = inner.out.len() as u32 + 12;
        self.long(kind);
        self.long(length);
        self.out.extend(inner.out);
        self.long(length);
    }

    fn section(&mut self) {
        self.block(0x0a0d_0d0a, |out| {
            out.long(0x1a2b_3c4d);
            out.short(1);
            out.short(0);
            out.out.extend([0xff; 8]);
        });
    }

    fn interface(&mut self, link: u16, snapshot: u32, resolution: Option<u8>) {
        self.block(1, |out| {
            out.short(link);
            out.short(0);
            out.long(snapshot);
            if let Some(resolution) = resolution {
                out.short(9);
                out.short(1);
                out.out.extend([resolution, 0, 0, 0]);
                out.long(0);
            }
        });
    }

    fn enhanced(&mut self, interface: u32, time: u64, bytes: &[u8]) {
        self.block(6, |out| {
            out.long(interface);
            out.long((time >> 32) as u32);
            out.long(time as u32);
            out.long(bytes.len() as u32);
            out.long(bytes.len() as u32);
            out.out.extend(bytes);
        });
    }

    fn pcap(is_big: bool, magic: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut out = Self::new(is_big);
        out.long(magic);
        out.short(2);
        out.short(4);
        out.long(0);
        out.long(0);
        out.long(65_535);
        out.long(1);
        for (seconds, fraction, bytes) in packets {
            out.long(*seconds);
            out.long(*fraction);
            out.long(bytes.len() as u32);
            out.long(bytes.len() as u32);
            out.out.extend_from_slice(bytes);
        }
        out.out
    }
}

type Found = (Duration, u16, Vec<u8>);

fn read(file: &[u8]) -> (Vec<Found>, Option<Broken>) {
    let mut packets = Packets::new(file);
    let mut found = Vec::new();
    loop {
        match packets.next_packet() {
            Ok(Some(packet)) => found.push((packet.time, packet.link.0, packet.bytes.to_vec())),
            Ok(None) => return (found, None),
            Err(broken) => {
                assert_eq!(broken.packets, found.len() as u64);
                assert!(broken.offset <= file.len() as u64);
                assert_eq!(packets.next_packet(), Ok(None));
                return (found, Some(broken));
            }
        }
    }
}

#[test]
fn classic_files_are_read_in_both_orders_and_units() {
    for is_big in [true, false] {
        for (magic, nanos) in [(0xa1b2_c3d4, 5_000), (0xa1b2_3c4d, 5)] {
            let file = Writer::pcap(is_big, magic, &[(7, 5, b"abc"), (8, 0, b"")]);
            let expected =
                vec![(Duration::new(7, nanos), 1, b"abc".to_vec()), (Duration::from_secs(8), 1, Vec::new())];
            assert_eq!(read(&file), (expected, None));
        }
    }
}

/// Two sections in different byte orders, several interfaces, and every kind of packet.
fn sections() -> (Vec<u8>, Vec<Found>) {
    let mut first = Writer::new(true);
    first.section();
    first.interface(1, 0, None);
    first.interface(101, 4, Some(9));
    first.enhanced(0, 7_000_005, b"abc");
    first.block(4, |out| out.out.extend([0; 8]));
    first.enhanced(1, 7_000_000_006, b"abcd");
    first.block(2, |out| {
        out.short(1);
        out.short(0);
        out.long(1);
        out.long(0);
        out.long(2);
        out.long(9);
        out.out.extend(b"ob");
    });
    first.enhanced(9, 0, b"nobody's");
    let mut second = Writer::new(false);
    second.section();
    second.interface(276, 2, Some(0x81));
    second.block(3, |out| {
        out.long(9);
        out.out.extend(b"si");
    });
    second.enhanced(0, 3, b"x");
    let found = vec![
        (Duration::new(7, 5_000), 1, b"abc".to_vec()),
        (Duration::new(7, 6), 101, b"abcd".to_vec()),
        (Duration::from_nanos(1 << 32), 101, b"ob".to_vec()),
        (Duration::ZERO, u16::MAX, b"nobody's".to_vec()),
        (Duration::ZERO, 276, b"si".to_vec()),
        (Duration::from_millis(1500), 276, b"x".to_vec()),
    ];
    ([first.out, second.out].concat(), found)
}

#[test]
fn sections_interfaces_and_every_kind_of_packet_are_read() {
    let (file, found) = sections();
    assert_eq!(read(&file), (found, None));
}

#[test]
fn a_file_that_ends_early_gives_what_is_whole_and_says_where_it_ends() {
    let classic = Writer::pcap(false, 0xa1b2_c3d4, &[(7, 5, b"abc"), (8, 0, b"defg")]);
    for whole in [classic, sections().0] {
        let (all, _) = read(&whole);
        let mut before = 0;
        for length in 0..whole.len() {
            let (found, broken) = read(&whole[..length]);
            assert!(found.len() >= before && all.starts_with(&found), "{length}");
            before = found.len();
            let Some(broken) = broken else { continue };
            match broken.reason {
                Reason::NotACapture => assert!(length < 4),
                Reason::Truncated { wanted, found, .. } => {
                    assert!(found < wanted && broken.offset + found == length as u64, "{length}: {broken}");
                }
                ref other => panic!("{length}: {other}"),
            }
        }
    }
}

#[test]
fn lengths_that_can_not_be_are_told_with_their_place() {
    let mut classic = Writer::pcap(true, 0xa1b2_c3d4, &[(7, 5, b"abc"), (8, 0, b"defg")]);
    classic[24 + 16 + 3 + 8] = 0x7f;
    let (found, broken) = read(&classic);
    let broken = broken.expect("the length is impossible");
    assert_eq!((found.len(), broken.offset, broken.packets), (1, 43, 1));
    assert_eq!(
        broken.to_string(),
        "broken at byte 43, after 1 packets: the packet has a length of 2130706436, which can't be"
    );

    let mut blocks = Writer::new(false);
    blocks.section();
    blocks.interface(1, 0, None);
    blocks.enhanced(0, 0, b"abcd");
    let end = blocks.out.len() - 4;
    blocks.out[end] = 0;
    let broken = read(&blocks.out).1.expect("the length behind differs");
    assert_eq!((broken.offset, broken.reason), (48, Reason::Length { what: "end of the block", length: 0 }));
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    for (file, reason) in [
        (&b""[..], Reason::NotACapture),
        (b"GET / HTTP/1.1", Reason::NotACapture),
        (b"\x1f\x8b\x08\0", Reason::Gzip),
        (b"\xa1\xb2\xc3\xd4\0\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", Reason::Version(9)),
        (b"\x0a\x0d\x0d\x0a\0\0\0\x1c\0\0\0\0\0\0\0\0", Reason::ByteOrder),
    ] {
        assert_eq!(read(file).1.map(|broken| (broken.offset, broken.reason)), Some((0, reason)));
    }
}

#[test]
fn a_large_block_without_a_packet_is_passed_over() {
    let mut out = Writer::new(false);
    out.section();
    out.interface(1, 0, None);
    out.block(10, |out| out.out.resize(3 * source::LONGEST, 7));
    let large = out.out.len();
    out.enhanced(0, 0, b"abc");
    assert_eq!(read(&out.out).0.len(), 1);
    let broken = read(&out.out[..large - 100]).1.expect("it ends within the block");
    assert_eq!(broken.offset, 48);
    out.block(6, |out| out.out.resize(2 * source::LONGEST, 7));
    let broken = read(&out.out).1.expect("no packet is so long");
    assert_eq!(
        broken.reason,
        Reason::Length { what: "block", length: 2 * source::LONGEST as u32 as u64 + 12 }
    );
}

#[test]
fn a_reader_that_gives_single_bytes_gives_the_same() {
    struct Drip<'a>(&'a [u8]);
    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }
    let (file, found) = sections();
    let mut packets = Packets::new(Drip(&file));
    for expected in found {
        let packet = packets.next_packet().expect("it is whole").expect("there is one more");
        assert_eq!((packet.time, packet.link.0, packet.bytes), (expected.0, expected.1, &expected.2[..]));
    }
}
