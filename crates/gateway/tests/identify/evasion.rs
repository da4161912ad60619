//! What a hostile agent would write to have its flow named after something that is allowed.

use event::Protocol;
use gateway::identify::{Ambiguity, Confidence, Identity};

use crate::conversation::{Conversation, client, hex, recorded};
use crate::written::dns_query;

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: allowed.example.org\r\n\r\n";

/// Requests that two readers understand differently, and why.
const UNCLEAR: &[(&str, Ambiguity)] = &[
    (
        "GET / HTTP/1.1\r\nHost: allowed.example.org\r\nHost: other.example.org\r\n\r\n",
        Ambiguity::SeveralHosts,
    ),
    (
        "GET / HTTP/1.1\r\nHost: allowed.example.org\r\nhost: allowed.example.org\r\n\r\n",
        Ambiguity::SeveralHosts,
    ),
    ("GET http://other.example.org/ HTTP/1.1\r\nHost: allowed.example.org\r\n\r\n", Ambiguity::SeveralHosts),
    ("CONNECT other.example.org:22 HTTP/1.1\r\nHost: allowed.example.org\r\n\r\n", Ambiguity::SeveralHosts),
    ("GET / HTTP/1.1\r\nHost: allowed.example.org\r\n .other.example.org\r\n\r\n", Ambiguity::FoldedHeader),
    (
        "GET / HTTP/1.1\r\nX: y\r\n Host: other.example.org\r\nHost: allowed.example.org\r\n\r\n",
        Ambiguity::FoldedHeader,
    ),
    ("GET / HTTP/1.1\nHost: allowed.example.org\n\n", Ambiguity::BareLineFeed),
    (
        "GET / HTTP/1.1\r\nX: y\nHost: other.example.org\r\nHost: allowed.example.org\r\n\r\n",
        Ambiguity::BareLineFeed,
    ),
    (
        "GET / HTTP/1.1\r\nX: y\rHost: other.example.org\r\nHost: allowed.example.org\r\n\r\n",
        Ambiguity::BareCarriageReturn,
    ),
    ("GET / HTTP/1.1\r\nHost: allowed.example.org\0.other.example.org\r\n\r\n", Ambiguity::MalformedRequest),
    ("GET / HTTP/1.1\r\nHost : allowed.example.org\r\n\r\n", Ambiguity::MalformedRequest),
    ("GET / HTTP/1.1\r\nHost: allowed.example.org@other.example.org\r\n\r\n", Ambiguity::HostNotAName),
    ("GET / HTTP/1.1\r\nHost: allowed.example.org/\r\n\r\n", Ambiguity::HostNotAName),
    ("GET / HTTP/1.1\r\nHost: allowed.example.org, other.example.org\r\n\r\n", Ambiguity::HostNotAName),
    ("GET / HTTP/1.1\r\nHost: allowed.example.org:80:80\r\n\r\n", Ambiguity::HostNotAName),
    ("GET / HTTP/1.1\r\nHost: \r\n\r\n", Ambiguity::NoHost),
    ("GET / HTTP/1.1\r\n\r\n", Ambiguity::NoHost),
    ("GET allowed.example.org/ HTTP/1.1\r\nHost: allowed.example.org\r\n\r\n", Ambiguity::MalformedRequest),
    (
        "POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
        Ambiguity::BodyLength,
    ),
    ("POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: +5\r\n\r\nhello", Ambiguity::BodyLength),
    (
        "POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Ambiguity::BodyLength,
    ),
    ("POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Ambiguity::BodyLength),
    ("POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Ambiguity::BodyLength),
    ("POST / HTTP/1.0\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Ambiguity::BodyLength),
    ("GET  / HTTP/1.1\r\nHost: a.b\r\n\r\n", Ambiguity::MalformedRequest),
    ("GET /a b HTTP/1.1\r\nHost: a.b\r\n\r\n", Ambiguity::MalformedRequest),
];

/// A hello with one more extension at its end.
fn extended(hello: &[u8], kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = hello.to_vec();
    let length = u16::try_from(content.len()).unwrap();
    bytes.extend([kind.to_be_bytes(), length.to_be_bytes()].concat());
    bytes.extend(content);
    let mut reader = 5 + 4 + 2 + 32;
    reader += 1 + usize::from(bytes[reader]);
    reader += 2 + usize::from(u16::from_be_bytes([bytes[reader], bytes[reader + 1]]));
    reader += 1 + usize::from(bytes[reader]);
    // The record, the message behind a byte, the extensions.
    for place in [3, 7, reader] {
        let old = u16::from_be_bytes([bytes[place], bytes[place + 1]]);
        bytes[place..place + 2].copy_from_slice(&(old + 4 + length).to_be_bytes());
    }
    bytes
}

/// A ClientHello that was recorded, and the same with what follows cut off.
fn hello() -> Vec<u8> {
    let (_, conversation) = recorded().into_iter().find(|(name, _)| name == "tls13-openssl").unwrap();
    conversation.turns[0].1.clone()
}

/// Openings that go on as something else.
fn turned() -> Vec<(Protocol, Conversation)> {
    let ssh = "SSH-2.0-OpenSSH_9.2p1\r\n";
    vec![
        (Protocol::Tls, client(hello()).client(ssh)),
        (Protocol::Tls, client(hello()).client(hex("17 0303 ffff"))),
        (Protocol::Http, client(PLAIN).client(ssh)),
        (Protocol::Http, client(PLAIN).client(hello())),
        (Protocol::Http, client("POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 2\r\n\r\nxxSSH-2.0-y\r\n")),
        (Protocol::Ssh, client(ssh).client([0; 64])),
        (Protocol::Ssh, client(ssh).client("GET / HTTP/1.1\r\n\r\n")),
        (Protocol::JsonRpc, client(r#"{"id":1,"method":"ping","params":[]}"#).client(ssh)),
        (Protocol::Socks5, client(hex("05 01 00")).client(hex("05 09 00 01"))),
        (Protocol::Dns, client(dns_query()).client("SSH-2.0-OpenSSH_9.2p1\r\n")),
        (Protocol::Postgres, client(hex("00000008 04d2162f")).client(ssh)),
    ]
}

pub(crate) fn all() -> impl Iterator<Item = Conversation> {
    let unclear = UNCLEAR.iter().map(|(request, _)| client(request));
    unclear
        .chain(turned().into_iter().map(|(_, conversation)| conversation))
        .chain([client(PLAIN), client(hello())])
}

fn is_doubted(identity: &Identity) -> bool {
    identity.confidence == Confidence::Guess && !identity.ambiguities.is_empty()
}

#[test]
fn a_request_that_two_readers_understand_differently_says_so() {
    assert!(client(PLAIN).identity().ambiguities.is_empty());
    for (request, reason) in UNCLEAR {
        let identity = client(request).identity();
        assert!(identity.ambiguities.contains(reason), "{request:?}: {identity:#?}");
        assert!(is_doubted(&identity), "{request:?}: {identity:#?}");
        assert!(matches!(identity.protocol, Protocol::Http | Protocol::HttpConnect), "{request:?}");
    }
}

#[test]
fn what_goes_on_as_another_is_not_certain_of_the_first() {
    for (protocol, conversation) in turned() {
        let identity = conversation.identity();
        assert!(identity.ambiguities.contains(&Ambiguity::GoesOnAsAnother(protocol)), "{identity:#?}");
        assert!(is_doubted(&identity), "{identity:#?}");
    }
}

/// A later head with a bare carriage return, in its first line and behind it: the same is said of it in whatever pieces it comes.
#[test]
fn a_bare_return_in_a_later_head_is_told_the_same_in_any_pieces() {
    use gateway::identify::{Identifier, Side};
    for later in [
        "PRI * HTT1/2.0\rde: x\n\r\n\r\n",
        "GET / HTTP/1.1\rHost: b\r\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rHost: c\r\n\r\n",
    ] {
        let said = [PLAIN, later].concat();
        let told = |size: usize| {
            let mut identifier = Identifier::new();
            said.as_bytes().chunks(size).for_each(|piece| {
                identifier.push(Side::Client, piece);
            });
            identifier.finish().clone()
        };
        for size in 1..said.len() {
            assert_eq!(told(size), told(said.len()), "{later:?} in pieces of {size}");
        }
    }
}

#[test]
fn an_answer_in_another_protocol_is_not_certain() {
    let answers = ["SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\n\r\n", "\x7f\x01\x02\x03 none that is known"];
    for answer in answers {
        let identity = client(hello()).server(answer).identity();
        assert!(is_doubted(&identity), "{identity:#?}");
    }
    assert!(is_doubted(&client(PLAIN).server("SSH-2.0-x\r\n").identity()));
}

#[test]
fn records_with_nonsense_inside_are_not_tls() {
    let whole = hello();
    for cut in 0..whole.len() {
        assert_eq!(client(&whole[..cut]).protocols(), [Protocol::Unknown], "{cut} bytes");
    }
    let longer = [&whole[..], &[0]].concat();
    let mut wrong = vec![
        [&hex("16 0301 0020")[..], &[0x41; 32]].concat(),
        [&hex("16 0301 0020 01 00001c 0303")[..], &[0x41; 26]].concat(),
        hex("16 0301 0000"),
        hex("16 0399 0004 01000000"),
        hex("17 0303 0004 01000000"),
    ];
    // The length of the record and of the message one too long, with a byte behind the last extension.
    let mut padded = longer.clone();
    padded[4] += 1;
    padded[8] += 1;
    wrong.push(padded);
    // A second message behind the ClientHello in its record.
    let mut doubled = longer;
    doubled[4] += 1;
    wrong.push(doubled);
    for bytes in wrong {
        assert_eq!(client(&bytes).protocols(), [Protocol::Unknown], "{bytes:02x?}");
    }
}

#[test]
fn a_client_hello_over_many_records_is_the_same() {
    let whole = hello();
    let message = &whole[5..];
    let record =
        |fragment: &[u8]| [&[0x16, 3, 1, 0, u8::try_from(fragment.len()).unwrap()], fragment].concat();
    let split: Vec<u8> = message.chunks(7).flat_map(record).collect();
    assert_eq!(client(split).identity(), client(&whole).identity());
}

#[test]
fn a_hello_that_can_hide_its_name_says_so() {
    let plain = client(hello()).identity();
    assert!(!plain.hides_host());
    assert_eq!(plain.asked_host().unwrap().as_bytes(), b"server.example.org");
    for kind in [0xfe0d, 0xffce] {
        let hiding = client(extended(&hello(), kind, &[0; 40])).identity();
        assert_eq!((hiding.protocol, hiding.hides_host()), (Protocol::Tls, true));
        let twice = extended(&extended(&hello(), kind, &[0; 40]), kind, &[0; 40]);
        assert_eq!(client(twice).protocols(), [Protocol::Unknown]);
    }
    assert!(!client(extended(&hello(), 0xfe0c, &[0; 40])).identity().hides_host());
}

#[test]
fn a_server_name_that_is_none_is_said() {
    let whole = hello();
    let name = b"server.example.org";
    let place = whole.windows(name.len()).position(|window| window == name).unwrap();
    for byte in [0, b' ', b'/', 0xff] {
        let mut changed = whole.clone();
        changed[place + 6] = byte;
        let identity = client(changed).identity();
        assert!(identity.ambiguities.contains(&Ambiguity::ServerNameNotAName), "{byte}");
        assert_eq!(identity.details.tls_client.as_ref().unwrap().server_name, None);
    }
}

#[test]
fn a_later_request_to_another_host_or_for_a_tunnel_is_said() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let again = client(PLAIN).server(answer).client(PLAIN).identity();
    assert_eq!((again.ambiguities.as_slice(), again.confidence), (&[][..], Confidence::Certain));
    let other = PLAIN.replace("allowed", "other");
    for later in [
        other,
        PLAIN.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx") + "SSH-2.0-x\r\n",
    ] {
        assert!(is_doubted(&client(PLAIN).server(answer).client(later).identity()));
    }
    let tunnel = "CONNECT allowed.example.org:22 HTTP/1.1\r\nHost: allowed.example.org:22\r\n\r\n";
    let identity = client(PLAIN).server(answer).client(tunnel).identity();
    assert!(identity.ambiguities.contains(&Ambiguity::LaterTunnel));
}

#[test]
fn the_host_is_what_policy_compares() {
    for (request, host) in [
        ("GET / HTTP/1.1\r\nHost: Allowed.Example.ORG.:8080\r\n\r\n", "allowed.example.org"),
        (
            "GET http://Allowed.Example.org:80/x HTTP/1.1\r\nHost: allowed.example.org:80\r\n\r\n",
            "allowed.example.org",
        ),
        ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "[2001:db8::1]"),
    ] {
        let identity = client(request).identity();
        assert!(identity.ambiguities.is_empty(), "{identity:#?}");
        assert_eq!(identity.details.http.unwrap().host.unwrap().as_bytes(), host.as_bytes());
    }
}
