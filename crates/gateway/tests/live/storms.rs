//! What an agent does much of, so that something else does not happen.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::RecordType;

use crate::site::{Server, Site, is_reset, policy};

fn anything(port: u16) -> String {
    format!(
        "  allow: [{{ host: a.example, ports: [{port}], protocol: tcp }}]\n  hosts: {{ a.example: 127.0.0.1 }}\n"
    )
}

/// Asks for ever other names, as fast as it can, until told otherwise.
fn flood(site: &Site, is_over: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (resolver, is_over) = (site.resolver, Arc::clone(is_over));
    thread::spawn(move || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let questions: Vec<_> = (0..256)
            .map(|number| {
                let mut message = Message::query();
                let name = format!("{number}.elsewhere.example.").parse().unwrap();
                message.add_query(Query::query(name, RecordType::A));
                message.to_vec().unwrap()
            })
            .collect();
        for question in questions.iter().cycle() {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let _ = socket.send_to(question, resolver);
        }
    })
}

#[test]
fn a_flood_of_questions_does_not_keep_a_forbidden_flow_alive() {
    let server = Server::silent();
    let site = Site::new(&anything(server.port));
    let mut stream = site.connect("a.example", server.port).unwrap();
    site.wait_for(|told| (!crate::site::flows(told).is_empty()).then_some(()));
    let is_over = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = (0..4).map(|_| flood(&site, &is_over)).collect();
    thread::sleep(std::time::Duration::from_millis(200));
    site.gateway.set_policy(&policy("  allow: []\n"), "new").unwrap();
    let is_cut = is_reset(&mut stream);
    is_over.store(true, Ordering::Relaxed);
    floods.into_iter().for_each(|flood| flood.join().unwrap());
    assert!(is_cut, "the flow went on as long as the flood");
}
