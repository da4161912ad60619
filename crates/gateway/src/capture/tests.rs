use super::*;
use crate::flow::Side;
use proptest::prelude::*;

/// A classic capture of packets of one link type, one millisecond apart.
fn capture(link: LinkType, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0".to_vec();
    file.extend(u32::from(link.0).to_le_bytes());
    for (number, packet) in packets.iter().enumerate() {
        let length = (packet.len() as u32).to_le_bytes();
        let (seconds, micros) = ((number / 1000) as u32, (number % 1000 * 1000) as u32);
        file.extend([&seconds.to_le_bytes()[..], &micros.to_le_bytes(), &length, &length, packet].concat());
    }
    file
}

fn read(file: &[u8]) -> (Vec<FlowRecord>, Counts) {
    let mut flows = Flows::new(file);
    let all = flows.by_ref().collect();
    assert_eq!(flows.broken(), None);
    (all, flows.counts())
}

/// The packets of a connection on which each side says something, as raw IP.
fn conversation(client_port: u16) -> Vec<Vec<u8>> {
    let mut writer = write::Writer::new(Vec::new()).expect("memory takes it");
    let end = |host, port| SocketAddr::from(([192, 0, 2, host], port));
    let now = Duration::ZERO;
    let mut connection = writer.open(now, end(1, client_port), end(2, 80), &"").expect("memory takes it");
    let request = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    writer.data(now, &mut connection, Side::Client, request).expect("memory takes it");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    writer.data(now, &mut connection, Side::Server, answer).expect("memory takes it");
    writer.close(now, connection, Side::Client).expect("memory takes it");
    let file = writer.into_inner();
    let mut packets = Packets::new(&file[..]);
    let mut raw = Vec::new();
    while let Some(packet) = packets.next_packet().expect("it is whole") {
        raw.push(packet.bytes.to_vec());
    }
    raw
}

fn protocol(flow: &FlowRecord) -> Option<event::Protocol> {
    flow.identity.as_ref().map(|identity| identity.protocol)
}

#[test]
fn a_conversation_is_the_same_behind_every_link_layer() {
    let headers: [(LinkType, Vec<u8>); 7] = [
        (LinkType::RAW, vec![]),
        (LinkType::ETHERNET, [&[0; 12][..], &[8, 0]].concat()),
        (LinkType::ETHERNET, [&[0; 12][..], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0]].concat()),
        (LinkType::LINUX_COOKED, [&[0; 14][..], &[8, 0]].concat()),
        (LinkType::LINUX_COOKED_2, [&[8, 0][..], &[0; 18]].concat()),
        (LinkType::NULL, vec![2, 0, 0, 0]),
        (LinkType::LOOP, vec![0, 0, 0, 2]),
    ];
    for (link, header) in headers {
        let packets: Vec<_> = conversation(40_000).iter().map(|ip| [&header[..], ip].concat()).collect();
        let (flows, counts) = read(&capture(link, &packets));
        let [flow] = &flows[..] else { panic!("{link:?}: {flows:?}") };
        assert_eq!(protocol(flow), Some(event::Protocol::Http), "{link:?}");
        assert_eq!((flow.ending, flow.client.port(), flow.is_opening_seen), (Ending::Closed, 40_000, true));
        assert_eq!(counts, Counts { packets: 9, flows: 1, bytes: counts.bytes, ..Counts::default() });
    }
}

#[test]
fn one_side_is_enough() {
    let is_from = |port: [u8; 2]| move |packet: &&Vec<u8>| packet[20..22] == port;
    for (from, opening) in [([0x9c, 0x40], true), ([0, 80], true)] {
        let packets: Vec<_> = conversation(40_000).iter().filter(is_from(from)).cloned().collect();
        let (flows, _) = read(&capture(LinkType::RAW, &packets));
        let [flow] = &flows[..] else { panic!("{flows:?}") };
        assert_eq!((protocol(flow), flow.client.port()), (Some(event::Protocol::Http), 40_000));
        assert_eq!((flow.is_opening_seen, flow.lost), (opening, [Lost::default(); 2]));
    }
}

#[test]
fn without_its_opening_the_client_is_told_by_the_ports() {
    for skipped in 3..5 {
        let packets = conversation(40_000).split_off(skipped);
        let (flows, _) = read(&capture(LinkType::RAW, &packets));
        let [flow] = &flows[..] else { panic!("{flows:?}") };
        assert_eq!((flow.client.port(), flow.is_opening_seen), (40_000, false));
        assert_eq!(protocol(flow), Some(event::Protocol::Http));
    }
}

#[test]
fn the_same_ports_can_be_used_again() {
    let mut packets = conversation(40_000);
    let again: Vec<_> = conversation(40_000)
        .into_iter()
        .map(|mut packet| {
            packet[24] ^= 0x10; // both sequence numbers, as another connection has others
            packet[28] ^= 0x10;
            packet
        })
        .collect();
    packets.extend(again);
    let (flows, _) = read(&capture(LinkType::RAW, &packets));
    assert_eq!(flows.len(), 2);
    assert!(flows.iter().all(|flow| flow.ending == Ending::Closed && flow.repeated == [0, 0]));
    let repeated = [conversation(40_000), conversation(40_000)].concat();
    let (flows, _) = read(&capture(LinkType::RAW, &repeated));
    assert_eq!(flows.len(), 1, "what comes twice with the same numbers was captured twice");
    assert!(flows[0].repeated.iter().all(|bytes| *bytes > 0));
}

/// The first packet of a connection from this address and port.
fn syn(number: u32) -> Vec<u8> {
    let mut packet = conversation(40_000).swap_remove(0);
    packet[12..16].copy_from_slice(&(0x0a00_0000 + (number >> 8)).to_be_bytes());
    packet[21] = number as u8;
    packet
}

#[test]
fn a_flood_of_flows_is_bounded_and_none_is_lost_silently() {
    let template = syn(0);
    let total = LIVE as u32 * 2;
    let packets: Vec<_> = (0..total)
        .map(|number| {
            let mut packet = template.clone();
            packet[12..16].copy_from_slice(&(0x0a00_0000 + (number >> 8)).to_be_bytes());
            packet[21] = number as u8;
            packet
        })
        .collect();
    let file = capture(LinkType::RAW, &packets);
    let mut flows = Flows::new(&file[..]);
    let mut endings = std::collections::BTreeMap::<Ending, u64>::new();
    while let Some(flow) = flows.next() {
        assert!(flows.dissection.table.live() <= LIVE);
        *endings.entry(flow.ending).or_default() += 1;
    }
    assert_eq!(endings.values().sum::<u64>(), u64::from(total));
    assert_eq!(endings.get(&Ending::Evicted).copied().unwrap_or(0), flows.counts().evicted);
    assert!(flows.counts().evicted > 0);
}

#[test]
fn what_flows_say_of_themselves_is_bounded() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a.example\r\nX: ", "x".repeat(2000));
    let mut writer = write::Writer::new(Vec::new()).expect("memory takes it");
    for port in 1..2000 {
        let end = |host, port| SocketAddr::from(([192, 0, 2, host], port));
        let mut connection =
            writer.open(Duration::ZERO, end(1, port), end(2, 80), &"").expect("memory takes it");
        let whole = if port % 2 == 0 { "x\r\n\r\n" } else { "" };
        let request = [&long, whole].concat();
        writer
            .data(Duration::ZERO, &mut connection, Side::Client, request.as_bytes())
            .expect("memory takes it");
    }
    let file = writer.into_inner();
    let mut flows = Flows::new(&file[..]);
    let limit = 1 << 20;
    flows.dissection.table.budgets().identifiers.limit = limit;
    let mut count = 0;
    while flows.next().is_some() {
        count += 1;
        assert!(flows.dissection.table.budgets().identifiers.used <= limit + 8 * 1024);
    }
    assert_eq!((count, flows.dissection.table.budgets().identifiers.used), (1999, 0));
    assert!(flows.counts().evicted > 0);
}

#[test]
fn fragments_are_joined_before_they_are_read() {
    let mut writer = write::Writer::new(Vec::new()).expect("memory takes it");
    let end = |host, port| SocketAddr::from(([192, 0, 2, host], port));
    writer.datagram(Duration::ZERO, end(1, 40_000), end(2, 9), &[7; 100], &"").expect("memory takes it");
    let file = writer.into_inner();
    let whole = Packets::new(&file[..]).next_packet().expect("it is whole").expect("one").bytes.to_vec();
    let (header, payload) = whole.split_at(20);
    let parts: Vec<_> = payload
        .chunks(40)
        .enumerate()
        .map(|(number, part)| {
            let mut packet = [header, part].concat();
            packet[2..4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
            packet[6] = if part.len() == 40 { 0x20 } else { 0 };
            packet[7] = number as u8 * 5;
            packet
        })
        .rev()
        .collect();
    let (flows, counts) = read(&capture(LinkType::IPV4, &parts));
    assert_eq!((flows.len(), flows[0].flow.bytes(Side::Client), counts.unjoined), (1, 100, 0));
    let (flows, counts) = read(&capture(LinkType::IPV4, &parts[1..]));
    assert_eq!((flows.len(), counts.unjoined), (0, 1));
}

#[test]
fn what_is_in_no_flow_is_counted() {
    let ethernet = |ethertype: [u8; 2], bytes: &[u8]| [&[0; 12][..], &ethertype, bytes].concat();
    let mut icmp = syn(0);
    icmp[9] = 1;
    let packets = [ethernet([8, 6], b"arp"), ethernet([8, 0], &icmp), ethernet([8, 0], b"\x45"), vec![1, 2]];
    let (flows, counts) = read(&capture(LinkType::ETHERNET, &packets));
    assert_eq!(flows.len(), 0);
    assert_eq!((counts.not_ip, counts.other_transport, counts.malformed), (1, 1, 2));
    let (_, counts) = read(&capture(LinkType(147), &packets));
    assert_eq!(counts.unknown_link, 4);
}

proptest! {
    #[test]
    fn packets_in_any_order_and_number_give_each_byte_once(
        order in Just((0..9usize).collect::<Vec<_>>()).prop_shuffle(),
        twice in prop::collection::vec(0..9usize, 0..6),
    ) {
        let all = conversation(40_000);
        let opening = all[..3].to_vec(); // the numbers both sides begin with
        let rest = order.into_iter().chain(twice).map(|index| all[index].clone());
        let packets: Vec<_> = opening.into_iter().chain(rest).collect();
        let (flows, _) = read(&capture(LinkType::RAW, &packets));
        prop_assert_eq!(flows.len(), 1);
        prop_assert_eq!((flows[0].flow.bytes(Side::Client), flows[0].flow.bytes(Side::Server)), (37, 40));
        prop_assert_eq!(flows[0].lost, [Lost::default(); 2]);
        prop_assert_eq!(flows[0].ending, Ending::Closed);
        prop_assert_eq!(protocol(&flows[0]), Some(event::Protocol::Http));
    }
}
