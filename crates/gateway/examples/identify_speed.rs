//! How fast identification is: the rate at which bytes pass once a flow has its name, and what a new flow costs.
//!
//! ```text
//! cargo run --release -p gateway --example identify_speed
//! ```

#![allow(clippy::print_stdout, reason = "it reports")]

use std::hint::black_box;
use std::time::Instant;

use gateway::identify::{Identifier, Side};

/// A full segment of Ethernet.
const SEGMENT: usize = 1448;

/// How many segments a long flow has.
const LONG: usize = 50_000;

/// How many flows are begun.
const FLOWS: u32 = 100_000;

fn main() {
    let record = [&[0x17, 3, 3, 0x05, 0xa3][..], &[7; SEGMENT - 5]].concat();
    let noise = vec![0xff; SEGMENT];
    let posts =
        b"POST /a HTTP/1.1\r\nHost: a.example.org\r\nContent-Length: 16\r\n\r\n0123456789abcdef".repeat(18);
    let calls = br#"{"jsonrpc":"2.0","id":12,"method":"status","params":["one","two",3]}"#.repeat(21);
    println!("a long flow");
    passing("  tls", &hello(), &record);
    passing("  ssh, going on as noise", b"SSH-2.0-x\r\n", &noise);
    passing("  unknown", &noise, &noise);
    passing(
        "  http, small requests one after the other",
        b"GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n",
        &posts,
    );
    passing(
        "  http, one large body",
        b"PUT / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 99999999999\r\n\r\nx",
        &noise,
    );
    passing("  json-rpc that never mines", &calls, &calls);
    println!("a new flow");
    beginning("  tls", &hello());
    beginning("  http", b"GET / HTTP/1.1\r\nHost: a.example.org\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n");
    beginning("  stratum", br#"{"id":1,"method":"mining.subscribe","params":["x"]}"#);
    beginning("  unknown", &noise);
}

fn passing(name: &str, first: &[u8], segment: &[u8]) {
    let mut identifier = Identifier::new();
    identifier.push(Side::Client, first);
    let start = Instant::now();
    for _ in 0..LONG {
        identifier.push(Side::Client, black_box(segment));
    }
    let seconds = start.elapsed().as_secs_f64();
    let bytes = (LONG * segment.len()) as f64;
    println!("{name}: {:.0} MB/s, {:.0} ns a segment", bytes / seconds / 1e6, seconds * 1e9 / LONG as f64);
}

fn beginning(name: &str, first: &[u8]) {
    let start = Instant::now();
    for _ in 0..FLOWS {
        black_box(Identifier::new().push(Side::Client, black_box(first)));
    }
    println!("{name}: {:.1} µs", start.elapsed().as_secs_f64() * 1e6 / f64::from(FLOWS));
}

/// A ClientHello with a server name and thirty ciphers.
fn hello() -> Vec<u8> {
    let name = b"server.example.org";
    let (entry, length) = (name.len() + 3, name.len());
    let name = [&[0, 0, 0, entry as u8 + 2, 0, entry as u8, 0, 0, length as u8][..], name].concat();
    let ciphers: Vec<u8> = (1..=30).flat_map(|low| [0xc0, low]).collect();
    let extensions = [&[0, name.len() as u8][..], &name].concat();
    let body = [&[3, 3][..], &[9; 32], &[0, 0, ciphers.len() as u8], &ciphers, &[1, 0], &extensions].concat();
    [&[0x16, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8][..], &body].concat()
}
