use super::*;
use proptest::prelude::*;

/// What a stream handed on: bytes, with zeros for holes.
#[derive(Debug, Default)]
struct Reader {
    read: Vec<u8>,
    holes: u64,
}

impl Reader {
    fn take(&mut self, part: Part<'_>) {
        match part {
            Part::Bytes(place, bytes) => {
                assert_eq!(place, self.read.len() as u64);
                self.read.extend_from_slice(bytes);
            }
            Part::Hole(length) => {
                assert!(length > 0);
                self.holes += 1;
                self.read.extend(std::iter::repeat_n(0, length as usize));
            }
        }
    }
}

const BUDGET: usize = 64 * 1024 * 1024;

fn budget() -> Budget {
    Budget { used: 0, limit: BUDGET }
}

fn segment(sequence: u32, bytes: &[u8]) -> Segment<'_> {
    let length = bytes.len();
    Segment { sequence, acknowledged: None, is_syn: false, is_fin: false, is_reset: false, bytes, length }
}

fn syn(sequence: u32) -> Segment<'static> {
    Segment { is_syn: true, ..segment(sequence, &[]) }
}

/// Feeds a stream and gives what it handed on.
fn run(segments: &[Segment<'_>]) -> (Stream, Reader) {
    let (mut stream, mut reader, mut budget) = (Stream::default(), Reader::default(), budget());
    for segment in segments {
        stream.push(segment, &mut budget, &mut |part| reader.take(part));
    }
    stream.finish(&mut budget, &mut |part| reader.take(part));
    assert_eq!(budget.used, 0);
    (stream, reader)
}

#[test]
fn the_first_of_two_overlapping_segments_wins() {
    let (stream, reader) = run(&[syn(9), segment(13, b"DEFG"), segment(10, b"abcdefghi")]);
    assert_eq!(reader.read, b"abcDEFGhi");
    assert_eq!((stream.repeated(), stream.lost()), (4, Lost::default()));
}

#[test]
fn what_was_never_captured_is_a_hole() {
    let (stream, reader) = run(&[syn(9), segment(10, b"ab"), segment(15, b"ef"), segment(18, b"g")]);
    assert_eq!(reader.read, b"ab\0\0\0ef\0g");
    assert_eq!(stream.lost(), Lost { gaps: 2, bytes: 4 });
}

#[test]
fn a_hole_that_the_receiver_acknowledged_is_given_up_once_it_can_not_be_disorder() {
    let (mut stream, mut reader, mut budget) = (Stream::default(), Reader::default(), budget());
    stream.push(&syn(9), &mut budget, &mut |part| reader.take(part));
    for number in 0..REORDERED as u32 {
        assert_eq!(reader.read, b"");
        stream.push(&segment(20 + number * 2, b"x"), &mut budget, &mut |part| reader.take(part));
        stream.acknowledge(21);
    }
    stream.push(&segment(100, b"y"), &mut budget, &mut |part| reader.take(part));
    assert_eq!(reader.read.iter().filter(|byte| **byte == b'x').count(), 1);
    assert_eq!(stream.lost(), Lost { gaps: 1, bytes: 10 });
}

#[test]
fn no_hole_is_waited_for_beyond_the_bounds() {
    let (mut stream, mut reader, mut budget) = (Stream::default(), Reader::default(), budget());
    let chunk = vec![7; 16 * 1024];
    for number in 0..200u32 {
        stream.push(&segment(number * 20_000, &chunk), &mut budget, &mut |part| reader.take(part));
        assert!(stream.pending.bytes() <= KEPT);
    }
    for number in 0..5_000u32 {
        stream.push(&segment(5_000_000 + number * 2, b"x"), &mut budget, &mut |part| reader.take(part));
        assert!(stream.pending.count() <= SEGMENTS);
    }
    budget.limit = 0;
    stream.push(&segment(6_000_000, b"x"), &mut budget, &mut |part| reader.take(part));
    assert_eq!((stream.pending.count(), budget.used), (0, 0));
}

#[test]
fn a_segment_that_the_capture_cut_short_leaves_a_hole() {
    let cut = Segment { length: 5, ..segment(10, b"ab") };
    let (stream, reader) = run(&[syn(9), cut, segment(15, b"cd")]);
    assert_eq!(reader.read, b"ab\0\0\0cd");
    assert_eq!(stream.lost(), Lost { gaps: 1, bytes: 3 });
}

#[test]
fn what_lies_outside_of_every_window_is_no_part_of_the_stream() {
    let (stream, reader) =
        run(&[syn(9), segment(10, b"ab"), segment(10 + (1 << 31) - 1, b"far"), segment(12, b"c")]);
    assert_eq!((reader.read, stream.lost()), (b"abc".to_vec(), Lost::default()));
}

#[test]
fn an_end_whose_bytes_were_not_captured_tells_how_many_there_were() {
    let end = Segment { is_fin: true, ..segment(110, &[]) };
    let (stream, _) = run(&[syn(9), segment(10, b"ab"), end]);
    assert_eq!(stream.lost(), Lost { gaps: 1, bytes: 98 });
    assert!(stream.has_ended());
}

#[test]
fn a_keep_alive_brings_nothing_new() {
    let (stream, reader) = run(&[syn(9), segment(10, b"ab"), segment(11, b"\0"), segment(12, b"c")]);
    assert_eq!((reader.read, stream.repeated()), (b"abc".to_vec(), 1));
}

/// A stream and the segments of it, in an order and with repetitions and overlaps that keep it whole.
fn disorder() -> impl Strategy<Value = (Vec<u8>, u32, Vec<(usize, usize)>)> {
    (prop::collection::vec(1u8.., 1..600), any::<u32>()).prop_flat_map(|(bytes, isn)| {
        let length = bytes.len();
        let cuts = prop::collection::vec(0..length, 0..12).prop_map(move |mut cuts| {
            cuts.extend([0, length]);
            cuts.sort_unstable();
            cuts.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
        });
        let more = prop::collection::vec((0..length, 0..80usize), 0..12).prop_map(move |more| {
            more.into_iter().map(|(start, n)| (start, (start + n).min(length))).collect()
        });
        let all = (cuts, more).prop_map(|(cuts, more): (Vec<_>, Vec<_>)| [cuts, more].concat());
        (Just(bytes), Just(isn), all.prop_shuffle())
    })
}

proptest! {
    #[test]
    fn any_order_of_segments_gives_the_stream((bytes, isn, ranges) in disorder()) {
        let sequence = |place: usize| isn.wrapping_add(1).wrapping_add(place as u32);
        let mut segments = vec![syn(isn)];
        segments.extend(ranges.iter().map(|(start, end)| segment(sequence(*start), &bytes[*start..*end])));
        let (stream, reader) = run(&segments);
        let sent: usize = ranges.iter().map(|(start, end)| end - start).sum();
        prop_assert_eq!(stream.lost(), Lost::default());
        prop_assert_eq!(stream.repeated(), (sent - bytes.len()) as u64);
        prop_assert_eq!(reader.read, bytes);
    }

    #[test]
    fn without_some_segments_everything_else_stands_at_its_place(
        (bytes, isn, ranges) in disorder(),
        kept in prop::collection::vec(any::<bool>(), 26),
    ) {
        let sequence = |place: usize| isn.wrapping_add(1).wrapping_add(place as u32);
        let ranges: Vec<_> = ranges.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(range, _)| range).collect();
        let mut model = vec![0; bytes.len()];
        for (start, end) in &ranges {
            model[*start..*end].copy_from_slice(&bytes[*start..*end]);
        }
        let end = ranges.iter().filter(|(start, end)| start < end).map(|(_, end)| *end).max().unwrap_or(0);
        model.truncate(end);
        let mut segments = vec![syn(isn)];
        segments.extend(ranges.iter().map(|(start, end)| segment(sequence(*start), &bytes[*start..*end])));
        let (stream, reader) = run(&segments);
        let lost = model.iter().filter(|byte| **byte == 0).count() as u64;
        prop_assert_eq!(stream.lost(), Lost { gaps: reader.holes, bytes: lost });
        prop_assert_eq!(reader.read, model);
    }

    #[test]
    fn whatever_comes_the_stream_is_contiguous_and_bounded(
        segments in prop::collection::vec((any::<u32>(), 0usize..2000, any::<bool>(), any::<u32>()), 0..40),
    ) {
        let (mut stream, mut budget, mut place) = (Stream::default(), budget(), 0);
        let chunk = vec![1; 2000];
        let mut take = |part: Part<'_>| match part {
            Part::Bytes(at, bytes) => {
                assert_eq!(at, place);
                place += bytes.len() as u64;
            }
            Part::Hole(length) => place += length,
        };
        for (sequence, length, is_fin, acknowledged) in segments {
            let segment = Segment { is_fin, ..segment(sequence, &chunk[..length]) };
            stream.acknowledge(acknowledged);
            stream.push(&segment, &mut budget, &mut take);
        }
        stream.finish(&mut budget, &mut take);
        prop_assert_eq!(budget.used, 0);
    }
}
