//! A run with a network: names, connections, what is refused, and who is told to have done it. Servers are on loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use event::fact::{Decision, Fact, FlowPhase, NetConnect};
use event::{Event, Protocol};

use crate::desk::Desk;
use crate::desk_or_skip;

/// Answers each HTTP request with a word, and counts connections.
fn server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, connections) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&connections);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut bytes = [0; 4096];
            let _ = stream.read(&mut bytes);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
    (port, connections)
}

fn policy(desk: &Desk, port: u16) -> String {
    let text = format!(
        "version: 1\nnetwork:\n  allow: [{{ host: web.example, ports: [{port}], protocol: http }}]\n  \
         hosts: {{ web.example: 127.0.0.1 }}\n"
    );
    desk.write("policy.yaml", &text).to_str().unwrap().to_owned()
}

/// A client: connects to a name and port, says something, and prints what comes.
const CLIENT: &str = "
import socket, sys
name, port, said = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode().decode('unicode_escape').encode()
try:
    with socket.create_connection((name, port), timeout=10) as s:
        s.sendall(said)
        s.shutdown(socket.SHUT_WR)
        got = b''
        while part := s.recv(4096): got += part
        print(got.decode())
except OSError as error:
    print(type(error).__name__)
";

fn connects(events: &[Event]) -> Vec<(&Event, &NetConnect)> {
    events
        .iter()
        .filter_map(|event| match &event.fact {
            Fact::NetConnect(connect) => Some((event, &**connect)),
            _ => None,
        })
        .collect()
}

#[test]
fn what_the_policy_opens_is_open_and_the_rest_is_refused_and_booked() {
    let desk = desk_or_skip!();
    let (port, connections) = server();
    let client = desk.workspace().join("client.py");
    std::fs::write(&client, CLIENT).unwrap();
    let call = |id: &str, name: &str, port: u16, said: &str| {
        let command = ["python3", "-B", "client.py", name, &port.to_string(), said].map(str::to_owned);
        format!("{}\n", serde_json::json!({ "id": id, "command": command }))
    };
    let lines = [
        call("honest", "web.example", port, "GET /word HTTP/1.0\\r\\nHost: web.example\\r\\n\\r\\n"),
        call("tunnel", "web.example", port, "SSH-2.0-OpenSSH_9.2p1\\r\\n"),
        call("front", "web.example", port, "GET / HTTP/1.0\\r\\nHost: other.example\\r\\n\\r\\n"),
        call("elsewhere", "192.0.2.1", 80, "x"),
        call("name", "73656372.collect.example", 80, "x"),
    ];
    let run = desk.run_calls(&lines.concat(), &["--policy", &policy(&desk, port)]);
    assert_eq!(run.code, 0, "{run:?}");
    let said: Vec<_> = run.stdout.lines().filter(|line| !line.is_empty()).collect();
    assert!(said.contains(&"hello"), "{run:?}");
    assert!(run.stdout.contains("HTTP/1.1 403 Forbidden"), "{run:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 1, "nobody but the honest call got there");
    let events = desk.events();
    let of = |id: &str| {
        let of_call = |event: &&(&Event, &NetConnect)| {
            event.0.tool_call_id.as_ref().is_some_and(|text| text.as_bytes() == id.as_bytes())
        };
        connects(&events).iter().find(of_call).map(|(event, connect)| ((*event).clone(), (*connect).clone()))
    };
    let (event, honest) = of("honest").unwrap();
    assert_eq!(honest.decision, Decision::Allowed);
    assert!(event.process.unwrap().exe.unwrap().to_string().contains("python"), "the process is told");
    for (id, reason, protocol) in [
        ("tunnel", "protocol-not-allowed", Some(Protocol::Ssh)),
        ("front", "host-differs", Some(Protocol::Http)),
        ("elsewhere", "address-not-allowed", None),
    ] {
        let (_, refused) = of(id).unwrap();
        assert_eq!((refused.decision, refused.reason.as_deref()), (Decision::Refused, Some(reason)), "{id}");
        assert_eq!(refused.spoken.map(|spoken| spoken.layer.protocol), protocol);
    }
    let is_name = |event: &&Event| matches!(&event.fact, Fact::DnsQuery(query) if query.refused);
    let name = events.iter().find(is_name).unwrap();
    assert_eq!(name.tool_call_id.as_ref().unwrap().as_bytes(), b"name");
    let closed = events.iter().find_map(|event| match &event.fact {
        Fact::NetFlow(flow) if flow.phase == FlowPhase::Closed => Some(flow),
        _ => None,
    });
    assert_eq!(closed.unwrap().ended.as_deref(), Some("closed"));
    for told in
        ["connect ssh (protocol-not-allowed) web.example:", "connect http (host-differs) web.example:"]
    {
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
    assert_eq!(events.last().unwrap().fact.kind(), "run.ended", "flows end before the run does");
}

#[test]
fn what_a_run_sends_and_receives_can_be_captured() {
    let desk = desk_or_skip!();
    let (port, _) = server();
    std::fs::write(desk.workspace().join("client.py"), CLIENT).unwrap();
    let (policy, port) = (policy(&desk, port), port.to_string());
    let said = "GET /word HTTP/1.0\\r\\nHost: web.example\\r\\n\\r\\n";
    let client = ["--", "python3", "-B", "client.py", "web.example", &port, said];
    let capture = desk.path("capture.pcapng");
    let options = ["--policy", &policy, "--pcap", capture.to_str().unwrap()];
    let run = desk.run(&[&options[..], &client].concat());
    assert!(run.code == 0 && run.stdout.contains("hello"), "{run:?}");
    let analyzed = desk.command(&["analyze", "--json", capture.to_str().unwrap()]).output().unwrap();
    let line: serde_json::Value = serde_json::from_slice(&analyzed.stdout).unwrap();
    assert_eq!(
        (&line["protocol"], &line["host"], &line["path"]),
        (&"http".into(), &"web.example".into(), &"/word".into())
    );
    assert_eq!(line["bytes"]["client"], 41);
    assert_eq!(line["ended"], "closed");
    let bytes = std::fs::read(&capture).unwrap();
    assert!(bytes.windows(8).any(|part| part == b", call 1"), "a comment names the call");
    let within = desk.workspace().join("capture.pcapng");
    let options = ["--policy", &policy, "--pcap", within.to_str().unwrap()];
    let refused = desk.run(&[&options[..], &client].concat());
    assert!(refused.code == 125 && refused.stderr.contains("cannot keep the capture"), "{refused:?}");
}
