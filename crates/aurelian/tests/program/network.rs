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

/// What an agent can do to wear a gateway out: connections that say nothing, openings that never end, names without number,
/// questions that are too long or never whole, a port scan, and all of its threads at once.
const STORM: &str = "
import os, random, socket, struct, threading, time
port = int(os.environ['SERVER'])
address = socket.gethostbyname('web.example')
held = []
def silent():
    for _ in range(1500):
        s = socket.socket()
        s.setblocking(False)
        try: s.connect_ex((address, port))
        except OSError: pass
        held.append(s)
        if len(held) > 900: held.pop(0).close()
def dripping():
    for _ in range(40):
        try:
            s = socket.create_connection((address, port), timeout=1)
            s.sendall(b'GET /')
            held.append(s)
        except OSError: pass
def names():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(('127.0.0.1', 53))
    for _ in range(6000):
        label = b'%016x' % random.getrandbits(64)
        try: s.send(struct.pack('>HHHHHH', 7, 256, 1, 0, 0, 0) + bytes([16]) + label + b'\\x03any\\x04test\\x00' + b'\\0\\x01\\0\\x01')
        except OSError: pass
    for size in (0, 1, 11, 5000, 65000):
        try: s.send(os.urandom(size))
        except OSError: pass
def streams():
    for _ in range(60):
        try:
            s = socket.create_connection(('127.0.0.1', 53), timeout=1)
            s.sendall(random.choice([b'\\xff', b'\\xff\\xff', b'\\0\\x05abc', b'\\0\\0']))
            held.append(s)
        except OSError: pass
def scan():
    for guess in range(30000, 34000):
        s = socket.socket()
        s.connect_ex(('127.0.0.1', guess))
        s.close()
threads = [threading.Thread(target=t) for t in (silent, dripping, names, streams, scan) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
print('storm over')
";

#[test]
fn a_storm_from_inside_is_weathered_and_counted() {
    let desk = desk_or_skip!();
    let (port, connections) = server();
    for (name, source) in [("storm.py", STORM), ("client.py", CLIENT)] {
        std::fs::write(desk.workspace().join(name), source).unwrap();
    }
    let text = format!(
        "version: 1\nnetwork:\n  allow:\n    - {{ host: web.example, ports: [{port}], protocol: http }}\n    \
         - {{ host: \"*.any.test\", ports: [443], protocol: tls }}\n  hosts: {{ web.example: 127.0.0.1 }}\n  \
         limits: {{ connections: 50, new_per_second: 1000, unknown_wait: 500ms }}\n"
    );
    let policy = desk.write("policy.yaml", &text);
    let storm = serde_json::json!({ "id": "storm", "command": ["python3", "-B", "storm.py"], "timeout": 100,
        "env": { "SERVER": port.to_string() } });
    let said = "GET /word HTTP/1.0\\r\\nHost: web.example\\r\\n\\r\\n";
    let honest = serde_json::json!({ "id": "honest",
        "command": ["python3", "-B", "client.py", "web.example", port.to_string(), said] });
    let begun = std::time::Instant::now();
    let run = desk.run_calls(&format!("{storm}\n{honest}\n"), &["--policy", policy.to_str().unwrap()]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(90), "{:?}", begun.elapsed());
    assert!(run.code == 0 && run.stdout.contains("storm over"), "{run:?}");
    assert!(run.stdout.contains("hello"), "who comes after the storm is served: {run:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 1, "nothing of it left");
    let events = desk.events();
    assert!(events.len() < 20_000, "{} events", events.len());
    assert!(events.iter().all(|event| event.fact.kind() != "telemetry.gap"), "what is not told is counted");
    let is_limit = |event: &&Event| event.fact.kind() == "limit.hit";
    assert!(events.iter().any(|event| is_limit(&event)), "limits held");
}

/// Connects again and again from a few source ports that others use as well, takes connections back, closes them under way, and
/// says in each request which call it is.
const RACER: &str = "
import ctypes, os, random, socket, sys, threading, time
call, port, until = sys.argv[1], int(sys.argv[2]), time.time() + float(sys.argv[3])
address = socket.gethostbyname('web.example')
libc = ctypes.CDLL(None)
if len(sys.argv) > 4 and os.fork(): os._exit(0)
def race():
    while time.time() < until:
        s = socket.socket()
        try:
            s.settimeout(2)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if random.random() < .7: s.bind(('127.0.0.1', 40000 + random.randrange(8)))
            other = None
            if random.random() < .3:
                other = threading.Thread(target=lambda: random.random() < .5 and s.close() or libc.connect(s.fileno(), b'\\0' * 16, 16))
                other.start()
            s.connect((address, port))
            s.sendall(b'GET /%s HTTP/1.0\\r\\nHost: web.example\\r\\n\\r\\n' % call.encode())
            s.recv(100)
            if other: other.join()
        except (OSError, ValueError): pass
        finally: s.close()
threads = [threading.Thread(target=race) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
";

#[test]
fn no_race_books_a_connection_to_another_call() {
    let desk = desk_or_skip!();
    let (port, _) = server();
    std::fs::write(desk.workspace().join("racer.py"), RACER).unwrap();
    let text = format!(
        "version: 1\nnetwork:\n  allow: [{{ host: web.example, ports: [{port}], protocol: http }}]\n  \
         hosts: {{ web.example: 127.0.0.1 }}\n  limits: {{ connections: 2000, new_per_second: 100000 }}\n"
    );
    let policy = desk.write("policy.yaml", &text);
    let port = port.to_string();
    let call = |number: &str, more: &[&str]| {
        let command = [&["python3", "-B", "racer.py", number, &port, "3"], more].concat();
        format!("{}\n", serde_json::json!({ "id": number, "command": command, "timeout": 60 }))
    };
    // The first leaves a process behind, which goes on during the second.
    let lines = [call("1", &["daemon"]), call("2", &[])].concat();
    let run = desk.run_calls(&lines, &["--policy", policy.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{run:?}");
    let events = desk.events();
    let mut booked = [0, 0];
    for (event, connect) in connects(&events) {
        let Some(path) = connect.spoken.as_ref().and_then(|spoken| spoken.layer.path.as_ref()) else {
            continue;
        };
        let call = event.call.unwrap().number();
        assert_eq!(path.to_string(), format!("/{call}"), "{event:?}");
        booked[call as usize - 1] += 1;
    }
    assert!(booked[0] > 20 && booked[1] > 20, "{booked:?}");
    assert!(events.iter().all(|event| event.fact.kind() != "telemetry.gap"), "{run:?}");
}
