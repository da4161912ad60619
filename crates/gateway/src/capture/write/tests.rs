use super::*;
use crate::capture::{Carrier, Ending, FlowRecord, Flows, Lost, Packets};
use proptest::prelude::*;

fn flows(file: &[u8]) -> Vec<FlowRecord> {
    let mut flows = Flows::new(file);
    let all = flows.by_ref().collect();
    assert_eq!(flows.broken(), None);
    assert_eq!(flows.counts().malformed, 0);
    all
}

fn ends(is_v6: bool) -> (SocketAddr, SocketAddr) {
    let (client, server) = if is_v6 {
        ("[2001:db8::1]:40000", "[2001:db8::2]:443")
    } else {
        ("192.0.2.1:40000", "192.0.2.2:443")
    };
    (client.parse().expect("an address"), server.parse().expect("an address"))
}

/// The checksums of a packet, summed up as a receiver does: each gives all ones.
fn verify(packet: &[u8]) {
    let ones = |bytes: &[u8], start: u32| {
        let pairs = bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
        let sum = start + pairs.sum::<u32>();
        let sum = (sum & 0xffff) + (sum >> 16);
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    };
    if packet[0] == 0x45 {
        ones(&packet[..20], 0);
        let pseudo =
            packet[12..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
        ones(&packet[20..], pseudo + u32::from(packet[9]) + packet.len() as u32 - 20);
    } else {
        let pseudo =
            packet[8..40].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
        ones(&packet[40..], pseudo + u32::from(packet[6]) + packet.len() as u32 - 40);
    }
}

#[test]
fn the_first_packet_names_run_call_and_process() {
    let run = RunId::new();
    let mut process = Process::new(4711);
    process.exe = Some("/usr/bin/\x1b[2Jcurl".to_owned().into());
    let origin = Origin { run: &run, call: CallId::new(3), process: Some(&process) };
    let (client, server) = ends(false);
    let mut writer = Writer::new(Vec::new()).expect("memory takes it");
    writer.open(Duration::ZERO, client, server, &origin).expect("memory takes it");
    let file = writer.into_inner();
    let comment = format!("run {run}, call 3, process 4711 /usr/bin/\\x1b[2Jcurl");
    assert_eq!(file.windows(comment.len()).filter(|window| *window == comment.as_bytes()).count(), 1);
}

#[test]
fn comments_and_datagrams_are_bounded() {
    let (client, server) = ends(true);
    let mut writer = Writer::new(Vec::new()).expect("memory takes it");
    let long = "é".repeat(100_000);
    writer.datagram(Duration::ZERO, client, server, &vec![1; 100_000], &long).expect("memory takes it");
    let file = writer.into_inner();
    assert!(file.len() < DATAGRAM + 5_000);
    let [flow] = &flows(&file)[..] else { panic!("one flow") };
    assert_eq!((flow.carrier, flow.flow.bytes(Side::Client)), (Carrier::Udp, DATAGRAM as u64));
}

#[test]
fn how_a_connection_ends_is_read_again() {
    let (client, server) = ends(false);
    let mut writer = Writer::new(Vec::new()).expect("memory takes it");
    let open = |writer: &mut Writer<_>, port| {
        let client = SocketAddr::new(client.ip(), port);
        writer.open(Duration::ZERO, client, server, &"").expect("memory takes it")
    };
    let (closed, cut, _left_open) = (open(&mut writer, 1), open(&mut writer, 2), open(&mut writer, 3));
    writer.close(Duration::ZERO, closed, Side::Server).expect("memory takes it");
    writer.reset(Duration::ZERO, cut, Side::Server).expect("memory takes it");
    writer.refuse(Duration::ZERO, SocketAddr::new(client.ip(), 4), server, &"").expect("memory takes it");
    let endings: Vec<_> = flows(&writer.into_inner()).iter().map(|flow| flow.ending).collect();
    assert_eq!(endings, [Ending::Closed, Ending::Reset, Ending::CaptureEnd, Ending::Reset]);
}

#[derive(Clone, Debug)]
struct Chunk {
    pause: u64,
    side: Side,
    bytes: Vec<u8>,
}

fn chunk() -> impl Strategy<Value = Chunk> {
    let bytes = prop_oneof![
        9 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (1usize..3 * SEGMENT, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ];
    (0u64..1_500, any::<bool>(), bytes).prop_map(|(pause, is_client, bytes)| Chunk {
        pause,
        side: if is_client { Side::Client } else { Side::Server },
        bytes,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        chunks in prop::collection::vec(chunk(), 0..20),
        is_v6 in any::<bool>(),
        near_the_wrap in any::<bool>(),
    ) {
        let (client, server) = ends(is_v6);
        let mut writer = Writer::new(Vec::new()).expect("memory takes it");
        let mut now = Duration::from_secs(1_700_000_000);
        let mut connection = writer.open(now, client, server, &"run x").expect("memory takes it");
        if near_the_wrap {
            connection = Connection { next: [u32::MAX - 100, u32::MAX - 5_000], ..connection };
            writer = Writer::new(Vec::new()).expect("memory takes it");
        }
        let mut live = crate::flow::Flow::new(now);
        for chunk in &chunks {
            now += Duration::from_millis(chunk.pause);
            writer.data(now, &mut connection, chunk.side, &chunk.bytes).expect("memory takes it");
            for part in chunk.bytes.chunks(SEGMENT) {
                live.push(now, chunk.side, part.len() as u64, part);
            }
        }
        writer.close(now, connection, Side::Client).expect("memory takes it");
        let file = writer.into_inner();

        let mut packets = Packets::new(&file[..]);
        while let Some(packet) = packets.next_packet().expect("it is whole") {
            verify(packet.bytes);
        }
        let all = flows(&file);
        prop_assert_eq!(all.len(), 1);
        let read = &all[0];
        prop_assert_eq!((read.client, read.server), (client, server));
        prop_assert_eq!(read.lost, [Lost::default(); 2]);
        prop_assert_eq!(read.repeated, [0, 0]);
        prop_assert_eq!(read.ending, Ending::Closed);
        for side in [Side::Client, Side::Server] {
            prop_assert_eq!(read.flow.bytes(side), live.bytes(side));
            prop_assert_eq!(read.flow.chunks(side), live.chunks(side));
            prop_assert_eq!(read.flow.entropy(side), live.entropy(side));
        }
        prop_assert_eq!(read.flow.initiative(), live.initiative());
        prop_assert_eq!(read.flow.largest_burst(), live.largest_burst());
        prop_assert_eq!(read.flow.spoke_first(), live.spoke_first());
        prop_assert_eq!(read.flow.last(), now.max(live.last()));
    }
}
