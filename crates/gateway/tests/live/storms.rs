//! What an agent does much of, so that something else does not happen.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use event::fact::Decision;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::RecordType;

use crate::site::{PATIENCE, Server, Site, connects, flows, is_reset, policy};

fn anything(port: u16) -> String {
    format!(
        "  allow: [{{ host: a.example, ports: [{port}], protocol: tcp }}]\n  hosts: {{ a.example: 127.0.0.1 }}\n"
    )
}

/// Questions for names that no rule allows.
fn questions() -> Vec<Vec<u8>> {
    let question = |number| {
        let mut message = Message::query();
        let name = format!("{number}.elsewhere.example.").parse().unwrap();
        message.add_query(Query::query(name, RecordType::A));
        message.to_vec().unwrap()
    };
    (0..256).map(question).collect()
}

/// Asks in datagrams, as fast as it can, until told otherwise.
fn ask_in_datagrams(resolver: SocketAddr, is_over: &AtomicBool) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for question in questions().iter().cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
        let _ = socket.send_to(question, resolver);
    }
}

/// Asks in a stream, without waiting for answers, and takes them all the same.
fn ask_in_a_stream(resolver: SocketAddr, is_over: &AtomicBool) {
    let framed = |question: Vec<u8>| [&(question.len() as u16).to_be_bytes()[..], &question].concat();
    let questions: Vec<u8> = questions().into_iter().flat_map(framed).collect();
    let mut stream = TcpStream::connect(resolver).unwrap();
    let mut answers = stream.try_clone().unwrap();
    let taker = thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while matches!(answers.read(&mut bytes), Ok(1..)) {}
    });
    while !is_over.load(Ordering::Relaxed) && stream.write_all(&questions).is_ok() {}
    let _ = stream.shutdown(Shutdown::Both);
    taker.join().unwrap();
}

/// A new policy cuts a flow while several threads ask.
fn is_cut_while(resolver: impl Fn(&Site) -> SocketAddr, ask: fn(SocketAddr, &AtomicBool)) -> bool {
    let server = Server::silent();
    let site = Site::new(&anything(server.port));
    let mut stream = site.connect("a.example", server.port).unwrap();
    site.wait_for(|told| (!flows(told).is_empty()).then_some(()));
    let (is_over, resolver) = (AtomicBool::new(false), resolver(&site));
    thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| ask(resolver, &is_over))));
        thread::sleep(Duration::from_millis(300));
        site.gateway.set_policy(&policy("  allow: []\n"), "new").unwrap();
        let is_cut = is_reset(&mut stream);
        is_over.store(true, Ordering::Relaxed);
        is_cut
    })
}

#[test]
fn a_flood_of_questions_does_not_keep_a_forbidden_flow_alive() {
    assert!(is_cut_while(|site| site.resolver, ask_in_datagrams), "not under a flood of datagrams");
    assert!(is_cut_while(|site| site.resolver_streams, ask_in_a_stream), "not under a flood in streams");
}

/// The answer that says why is kept readable for a second, in which what the client goes on to say is thrown away.
#[test]
fn who_is_refused_and_goes_on_speaking_is_not_listened_to_for_long() {
    let server = Server::silent();
    let site = Site::new(&anything(server.port).replace("tcp", "http"));
    let stream = site.connect("a.example", server.port).unwrap();
    (&stream).write_all(b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n").unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let until = Instant::now() + PATIENCE;
    let speak = || {
        let bytes = vec![b'x'; 1 << 20];
        while (&stream).write_all(&bytes).is_ok() {
            assert!(Instant::now() < until, "it is still listened to");
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(speak))));
    assert_eq!(site.decision().reason.as_deref(), Some("host-differs"));
}

#[test]
fn a_slow_witness_slows_connections_and_loses_none() {
    const COUNT: usize = 30;
    let server = Server::silent();
    let site = Site::new(&anything(server.port));
    let there = (site.resolve("a.example").unwrap(), server.port).into();
    site.keep_busy(true);
    let mut streams: Vec<_> = (0..COUNT).map(|_| site.connect_to(there).unwrap()).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(b"one").unwrap());
    thread::sleep(Duration::from_millis(300));
    // One may have been waited for already.
    assert!(server.bytes().len() <= 3, "{} bytes left unseen", server.bytes().len());
    site.keep_busy(false);
    server.wait_for_bytes(3 * COUNT);
    assert_eq!(connects(&site.told()).len(), COUNT);
    assert!(connects(&site.told()).iter().all(|connect| connect.decision == Decision::Allowed));
}
