//! Arbitrary bytes as a capture, and as the packets of one: whatever they say, reading ends, gives each byte of a
//! connection at most once, and says where the capture breaks.
#![no_main]

use gateway::capture::{Carrier, Flows, LIVE};
use gateway::flow::Side;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if let Some((link, packets)) = bytes.split_first() {
        assert!(read(&wrapped(*link, packets)), "what we wrap is whole");
    }
});

/// Reads a capture to its end, and tells whether it was whole.
fn read(file: &[u8]) -> bool {
    let mut flows = Flows::new(file);
    let (mut heard, mut packets, mut count) = (0, 0, 0);
    for flow in flows.by_ref() {
        count += 1;
        packets += flow.packets.iter().sum::<u64>();
        if flow.carrier == Carrier::Tcp {
            heard += flow.flow.bytes(Side::Client) + flow.flow.bytes(Side::Server);
        }
        assert!(flow.flow.entropy(Side::Client).is_none_or(|bits| (0.0..=8.0).contains(&bits)));
        let gaps = flow.flow.initiative().gaps();
        assert!(gaps < (flow.flow.chunks(Side::Client) + flow.flow.chunks(Side::Server)).max(1));
    }
    let counts = flows.counts();
    assert_eq!(count, counts.flows);
    assert!(packets <= counts.packets && heard <= file.len() as u64);
    assert!(counts.bytes <= file.len() as u64 && (counts.evicted == 0 || count > LIVE as u64));
    let Some(broken) = flows.broken() else { return true };
    assert!(broken.offset <= file.len() as u64 && broken.packets == counts.packets);
    assert!(!broken.to_string().is_empty());
    false
}

/// A capture of packets that follow each other, each behind its length and the time since the one before.
fn wrapped(link: u8, mut packets: &[u8]) -> Vec<u8> {
    const LINKS: [u16; 6] = [1, 0, 101, 108, 113, 276];
    let link = LINKS[usize::from(link) % LINKS.len()];
    let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0".to_vec();
    file.extend(u32::from(link).to_le_bytes());
    let mut seconds = 0u32;
    while let Some(([length, pause], rest)) = packets.split_first_chunk() {
        let (packet, after) = rest.split_at(usize::from(*length).min(rest.len()));
        seconds += u32::from(*pause);
        let length = (packet.len() as u32).to_le_bytes();
        file.extend([&seconds.to_le_bytes()[..], &[0; 4], &length, &length, packet].concat());
        packets = after;
    }
    file
}
