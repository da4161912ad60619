//! Where names lead: looked up once, only where they may be dialled, and never to where no rule lets them.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use event::fact::Decision;
use gateway::names::lookup::Sources;
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};

use crate::site::{Server, Site, is_reset, queries};

/// A server of names that gives its answers in turn, and counts the questions for addresses of IPv4.
fn names(answers: Vec<Ipv4Addr>) -> (Sources, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let sources = Sources::server(socket.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut bytes) {
            let mut message = Message::from_vec(&bytes[..length]).unwrap();
            message.metadata.message_type = MessageType::Response;
            let question = message.queries[0].clone();
            if question.query_type == RecordType::A {
                let turn = counter.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                message.add_answer(Record::from_rdata(question.name.clone(), 1, RData::A(A(answers[turn]))));
            }
            message.edns = None;
            socket.send_to(&message.to_vec().unwrap(), client).unwrap();
        }
    });
    (sources, asked)
}

fn rule(port: u16, private: bool) -> String {
    format!(
        "  allow: [{{ host: \"*.example\", ports: [{port}], protocol: http, private: {private} }}]\n  \
         limits: {{ unknown_wait: 300ms }}\n"
    )
}

fn request(site: &Site, port: u16) -> std::net::TcpStream {
    let mut stream = site.connect("a.example", port).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    stream
}

#[test]
fn a_name_is_looked_up_when_it_is_dialled_and_once() {
    let server = Server::silent();
    let (sources, asked) = names(vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 66)]);
    let site = Site::with_sources(&rule(server.port, true), sources);
    assert!(site.resolve("a.example").is_some());
    assert_eq!(asked.load(Ordering::SeqCst), 0, "a question to the resolver goes nowhere");
    for round in 1..=3 {
        let stream = request(&site, server.port);
        server.wait_for_bytes(round * 35);
        drop(stream);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "and a name can't lead elsewhere later");
}

#[test]
fn a_name_that_leads_within_is_not_dialled() {
    for (address, class) in [
        ([127, 0, 0, 1], "loopback"),
        ([10, 0, 0, 1], "private"),
        ([169, 254, 169, 254], "metadata"),
        ([100, 64, 0, 1], "shared"),
    ] {
        let server = Server::silent();
        let (sources, _) = names(vec![address.into()]);
        let site = Site::with_sources(&rule(server.port, false), sources);
        let _stream = request(&site, server.port);
        let connect = site.decision();
        assert_eq!(connect.decision, Decision::Refused, "{connect:#?}");
        assert_eq!(connect.reason.as_deref(), Some("special-address"), "{class}");
        assert!(connect.detail.unwrap().to_string().contains(&IpAddr::from(address).to_string()));
        assert_eq!(server.connections(), 0);
    }
}

#[test]
fn a_metadata_service_is_not_opened_by_asking_for_private_addresses() {
    let (sources, _) = names(vec![Ipv4Addr::new(169, 254, 169, 254)]);
    let site = Site::with_sources(&rule(80, true), sources);
    let _stream = request(&site, 80);
    assert_eq!(site.decision().reason.as_deref(), Some("special-address"));
}

#[test]
fn a_name_that_cannot_be_found_is_a_failure_and_says_so() {
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let place = nobody.local_addr().unwrap();
    drop(nobody);
    let site = Site::with_sources(&rule(80, false), Sources::server(place));
    let mut stream = request(&site, 80);
    let (answer, _) = crate::site::read_all(&mut stream);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    let connect = site.decision();
    assert_eq!(connect.decision, Decision::Failed);
    assert!(connect.reason.unwrap().starts_with("lookup-"));
}

#[test]
fn a_place_where_nobody_listens_is_a_failure() {
    let server = Server::silent();
    let closed = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let source = format!(
        "  allow: [{{ host: a.example, ports: [{closed}], protocol: tcp }}]\n  hosts: {{ a.example: 127.0.0.1 }}\n"
    );
    let site = Site::new(&source);
    let mut stream = site.connect("a.example", closed).unwrap();
    assert!(is_reset(&mut stream));
    let connect = site.decision();
    assert_eq!((connect.decision, connect.reason.as_deref()), (Decision::Failed, Some("unreachable")));
    drop(server);
}

#[test]
fn a_name_that_no_rule_could_allow_does_not_exist_and_is_told_of_its_asker() {
    let mut site = Site::new(&rule(443, false));
    assert_eq!(site.resolve("73656372.collect.test"), None);
    let told = site.end();
    let [query] = &queries(&told)[..] else { panic!("{told:#?}") };
    assert!(query.refused && query.outcome == "name-not-allowed");
    assert_eq!(told[0].cause.as_ref().unwrap().call.number(), 7);
}
