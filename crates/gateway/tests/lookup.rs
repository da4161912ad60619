//! The real lookup, against a DNS server on loopback that does as each test tells it: answers, lies, or says nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use gateway::names::check::{self, CheckedAddress};
use gateway::names::lookup::{Lookup, LookupError, Sources};
use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use policy::Policy;
use policy::network::{AddressClass, Destination, HostName, Network};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Udp,
    Tcp,
}

/// What a server sends to a query: any number of messages.
type Script = Arc<dyn Fn(&Message, Over) -> Vec<Vec<u8>> + Send + Sync>;

/// A server that ends with the test's process.
fn server(script: impl Fn(&Message, Over) -> Vec<Vec<u8>> + Send + Sync + 'static) -> SocketAddr {
    let script: Script = Arc::new(script);
    let (datagrams, streams) = loop {
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        if let Ok(streams) = TcpListener::bind(datagrams.local_addr().unwrap()) {
            break (datagrams, streams);
        }
    };
    let address = datagrams.local_addr().unwrap();
    let other = Arc::clone(&script);
    std::thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((length, client)) = datagrams.recv_from(&mut bytes) {
            let query = Message::from_vec(&bytes[..length]).unwrap();
            for reply in script(&query, Over::Udp) {
                datagrams.send_to(&reply, client).unwrap();
            }
        }
    });
    std::thread::spawn(move || {
        for mut stream in streams.incoming().flatten() {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut bytes).unwrap();
            for reply in other(&Message::from_vec(&bytes).unwrap(), Over::Tcp) {
                stream.write_all(&u16::try_from(reply.len()).unwrap().to_be_bytes()).unwrap();
                // In pieces, as a stream may come.
                for piece in reply.chunks(700) {
                    stream.write_all(piece).unwrap();
                }
            }
        }
    });
    address
}

fn reply(query: &Message) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
    reply.add_queries(query.queries.clone());
    reply
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn data(address: &str) -> RData {
    match address.parse().unwrap() {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    }
}

/// A reply with the addresses of the family that was asked for.
fn with_addresses(query: &Message, addresses: &[&str]) -> Message {
    let mut reply = reply(query);
    let question = &query.queries[0];
    let data = addresses
        .iter()
        .map(|address| data(address))
        .filter(|data| data.record_type() == question.query_type);
    reply.add_answers(data.map(|data| Record::from_rdata(question.name.clone(), 60, data)));
    reply
}

fn alias(reply: &mut Message, from: &str, to: &str) {
    reply.add_answer(Record::from_rdata(name(from), 60, RData::CNAME(CNAME(name(to)))));
}

fn one(message: Message) -> Vec<Vec<u8>> {
    vec![message.to_vec().unwrap()]
}

fn look_up(server: SocketAddr) -> Result<Vec<String>, LookupError> {
    look_up_in(Sources::server(server))
}

fn look_up_in(sources: Sources) -> Result<Vec<String>, LookupError> {
    let wanted: HostName = "a.example".parse().unwrap();
    let found = Lookup::start(&wanted, &Arc::new(sources), Instant::now()).finish()?;
    Ok(found.iter().map(IpAddr::to_string).collect())
}

#[test]
fn both_families_are_found_in_turns() {
    let server = server(|query, _| one(with_addresses(query, &["192.0.2.1", "192.0.2.2", "2001:db8::1"])));
    assert_eq!(look_up(server).unwrap(), ["2001:db8::1", "192.0.2.1", "192.0.2.2"]);
}

#[test]
fn one_family_is_enough_even_if_the_other_is_never_answered() {
    let server = server(|query, _| match query.queries[0].query_type {
        RecordType::A => one(with_addresses(query, &["192.0.2.1"])),
        _ => Vec::new(),
    });
    assert_eq!(look_up(server).unwrap(), ["192.0.2.1"]);
}

#[test]
fn messages_that_are_not_the_answer_are_passed_over() {
    let server = server(|query, _| {
        let lie = with_addresses(query, &["203.0.113.66", "2001:db8::66"]);
        let mut number = lie.clone();
        number.metadata.id ^= 1;
        let mut question = lie.clone();
        question.queries = vec![Query::query(name("b.example."), query.queries[0].query_type)];
        let mut kind = lie.clone();
        kind.queries[0].set_query_type(RecordType::TXT);
        let mut none = lie.clone();
        none.queries.clear();
        let mut is_query = lie;
        is_query.metadata.message_type = MessageType::Query;
        let truth = with_addresses(query, &["192.0.2.1"]);
        let mut all: Vec<_> =
            [number, question, kind, none, is_query].map(|lie| lie.to_vec().unwrap()).into();
        all.extend([vec![], vec![0xff; 40], truth.to_vec().unwrap()]);
        all
    });
    assert_eq!(look_up(server).unwrap(), ["192.0.2.1"]);
}

#[test]
fn records_of_other_names_and_types_are_passed_over() {
    let server = server(|query, _| {
        let mut reply = with_addresses(query, &[]);
        reply.add_answer(Record::from_rdata(name("b.example."), 60, data("203.0.113.66")));
        reply.add_additional(Record::from_rdata(name("a.example."), 60, data("203.0.113.67")));
        let other =
            if query.queries[0].query_type == RecordType::A { "2001:db8::66" } else { "203.0.113.68" };
        reply.add_answer(Record::from_rdata(name("a.example."), 60, data(other)));
        one(reply)
    });
    assert_eq!(look_up(server), Err(LookupError::NoAddress));
}

#[test]
fn a_chain_is_followed_within_a_message_and_across_messages() {
    let within = server(|query, _| {
        let mut reply = reply(query);
        // Not in order, and in another case.
        if query.queries[0].query_type == RecordType::A {
            reply.add_answer(Record::from_rdata(name("c.example."), 60, data("192.0.2.1")));
        }
        alias(&mut reply, "B.example.", "c.example.");
        alias(&mut reply, "a.example.", "b.EXAMPLE.");
        one(reply)
    });
    assert_eq!(look_up(within).unwrap(), ["192.0.2.1"]);
    let across = server(|query, _| {
        if query.queries[0].name == name("b.example.") {
            return one(with_addresses(query, &["192.0.2.2"]));
        }
        let mut reply = reply(query);
        alias(&mut reply, "a.example.", "b.example.");
        one(reply)
    });
    assert_eq!(look_up(across).unwrap(), ["192.0.2.2"]);
}

#[test]
fn a_chain_without_end_ends() {
    let circle = server(|query, _| {
        let mut reply = reply(query);
        alias(&mut reply, "a.example.", "b.example.");
        alias(&mut reply, "b.example.", "a.example.");
        one(reply)
    });
    assert_eq!(look_up(circle), Err(LookupError::Circle));
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let endless = server(move |query, _| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        let from = query.queries[0].name.to_ascii();
        let mut reply = reply(query);
        alias(&mut reply, &from, &format!("n{number}.example."));
        one(reply)
    });
    assert_eq!(look_up(endless), Err(LookupError::Circle));
    assert!(asked.load(Ordering::SeqCst) <= 26, "{asked:?}");
}

#[test]
fn what_does_not_fit_a_datagram_comes_over_tcp() {
    let server = server(|query, over| {
        if over == Over::Tcp {
            let all: Vec<_> = (0..100).map(|number| format!("192.0.2.{number}")).collect();
            return one(with_addresses(query, &all.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        // What is in a message that was cut off is not taken.
        let mut cut = with_addresses(query, &["203.0.113.66"]);
        cut.metadata.truncation = true;
        one(cut)
    });
    let found = look_up(server).unwrap();
    assert_eq!((found.len(), found[0].as_str()), (32, "192.0.2.0"));
}

#[test]
fn a_server_that_cuts_off_and_has_no_tcp_is_no_answer() {
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = datagrams.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((length, client)) = datagrams.recv_from(&mut bytes) {
            let mut cut = reply(&Message::from_vec(&bytes[..length]).unwrap());
            cut.metadata.truncation = true;
            datagrams.send_to(&cut.to_vec().unwrap(), client).unwrap();
        }
    });
    assert_eq!(look_up(address), Err(LookupError::Server(std::io::ErrorKind::ConnectionRefused)));
}

#[test]
fn a_name_that_does_not_exist_is_told_from_a_server_that_fails() {
    let with_code = |code: ResponseCode| {
        server(move |query, _| {
            let mut reply = reply(query);
            reply.metadata.response_code = code;
            one(reply)
        })
    };
    assert_eq!(look_up(with_code(ResponseCode::NXDomain)), Err(LookupError::NoName));
    assert_eq!(look_up(with_code(ResponseCode::NoError)), Err(LookupError::NoAddress));
    assert_eq!(look_up(with_code(ResponseCode::ServFail)), Err(LookupError::Failed(2)));
    assert_eq!(look_up(with_code(ResponseCode::Refused)), Err(LookupError::Failed(5)));
}

#[test]
fn a_server_that_forgets_a_question_is_asked_again() {
    let asked = Arc::new(AtomicU32::new(0));
    let server = server(move |query, _| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Vec::new(),
        _ => one(with_addresses(query, &["192.0.2.1"])),
    });
    assert_eq!(look_up(server).unwrap(), ["192.0.2.1"]);
}

#[test]
fn each_question_has_a_port_and_a_number_of_its_own() {
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let sources = Arc::new(Sources::server(datagrams.local_addr().unwrap()));
    let wanted: HostName = "a.example".parse().unwrap();
    let lookups: Vec<_> = (0..20).map(|_| Lookup::start(&wanted, &sources, Instant::now())).collect();
    let mut bytes = [0; 1500];
    let (mut ports, mut numbers) = (std::collections::HashSet::new(), std::collections::HashSet::new());
    for _ in 0..2 * lookups.len() {
        let (_, client) = datagrams.recv_from(&mut bytes).unwrap();
        ports.insert(client.port());
        numbers.insert([bytes[0], bytes[1]]);
    }
    assert_eq!(ports.len(), 40);
    assert!(numbers.len() > 35, "{numbers:?}");
}

#[test]
fn a_lookup_never_blocks_and_says_when_to_come_again() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let sources = Arc::new(Sources::server(silent.local_addr().unwrap()));
    let start = Instant::now();
    let mut lookup = Lookup::start(&"a.example".parse().unwrap(), &sources, start);
    assert_eq!(lookup.sockets().count(), 2);
    // The clock is the caller's: no time passes here.
    let mut now = start;
    let mut steps = 0;
    let outcome = loop {
        if let Some(outcome) = lookup.advance(now) {
            break outcome;
        }
        steps += 1;
        now = lookup.wake_at();
    };
    assert_eq!((outcome, steps), (Err(LookupError::Silence), 2));
    assert!(now - start <= gateway::names::lookup::LONGEST && start.elapsed().as_secs() < 2);
}

#[test]
fn the_hosts_files_go_first_and_ask_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (conf, hosts) = (folder.path().join("resolv.conf"), folder.path().join("hosts"));
    std::fs::write(&conf, "nameserver 192.0.2.53\n").unwrap();
    std::fs::write(&hosts, "192.0.2.7 a.example\n2001:db8::7 A.example.\n").unwrap();
    assert_eq!(look_up_in(Sources::of_host(&conf, &hosts).unwrap()).unwrap(), ["192.0.2.7", "2001:db8::7"]);
}

fn network() -> Network {
    let source = "version: 1\nnetwork:\n  allow:\n    - { host: a.example, ports: [443], protocol: tls }\n    - { host: a.example, ports: [22], protocol: ssh, private: true }\n  hosts: { a.internal: 10.0.0.1 }\n";
    Policy::parse(source, "policy.yaml").unwrap().network().clone()
}

#[test]
fn an_allowed_name_that_leads_inside_is_not_dialled() {
    let inside = [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:a00:1::1",
        "fd00:ec2::254",
        "fe80::1",
    ];
    let server = server(move |query, _| one(with_addresses(query, &[&inside[..], &["1.1.1.1"]].concat())));
    let wanted: HostName = "a.example".parse().unwrap();
    let sources = Arc::new(Sources::server(server));
    let found = Lookup::start(&wanted, &sources, Instant::now()).finish().unwrap();
    assert_eq!(found.len(), inside.len() + 1);
    let network = network();
    let destination = Destination::Name(wanted);
    let dialable = |port| {
        let candidates = network.candidates(&destination, port).unwrap();
        let checked = check::found(&candidates, found.clone());
        assert_eq!(checked.dialable.len() + checked.refused.len(), found.len());
        assert!(checked.refused.contains(&("169.254.169.254".parse().unwrap(), AddressClass::Metadata)));
        checked.dialable.into_iter().map(|address| address.ip().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(dialable(443), ["1.1.1.1"]);
    let private = dialable(22);
    assert!(private.contains(&"127.0.0.1".to_owned()) && private.contains(&"::ffff:10.0.0.1".to_owned()));
    for never in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0"] {
        assert!(!private.contains(&never.to_owned()), "{never}");
    }
}

#[test]
fn a_static_address_needs_no_lookup() {
    let source = "version: 1\nnetwork:\n  allow: [{ host: a.internal, ports: [22], protocol: ssh }]\n  hosts: { a.internal: 10.0.0.1 }\n";
    let network = Policy::parse(source, "policy.yaml").unwrap().network().clone();
    let destination = Destination::Name("a.internal".parse().unwrap());
    let candidates = network.candidates(&destination, 22).unwrap();
    let known = check::known(&candidates, &network).map(CheckedAddress::ip);
    assert_eq!(known, Some(IpAddr::from([10, 0, 0, 1])));
}
