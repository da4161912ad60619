//! Requests for another host, hidden where a server could find them and a reader that is less strict would not.
//!
//! Whatever becomes of such a connection, no head for the other host gets to the server whole, however a server ends its
//! lines. Behind an honest request, the beginning of one may: it is cut when it is known what it is.

use std::io::Write;
use std::thread;
use std::time::Duration;

use event::fact::Decision;

use crate::site::{Server, Site, read_all};

const HONEST: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const OTHER: &str = "GET /other HTTP/1.1\r\nHost: b.example\r\n\r\n";

fn rule(port: u16) -> String {
    format!(
        "  allow: [{{ host: a.example, ports: [{port}], protocol: http }}]\n  hosts: {{ a.example: 127.0.0.1 }}\n  \
         limits: {{ unknown_wait: 200ms }}\n"
    )
}

/// Says it in pieces, and gives what the server got.
fn said(whole: &str, piece: usize) -> (Vec<u8>, Decision) {
    let server = Server::silent();
    let mut site = Site::new(&rule(server.port));
    let mut stream = site.connect("a.example", server.port).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in whole.as_bytes().chunks(piece) {
        if stream.write_all(piece).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    let decision = site.decision().decision;
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let _ = read_all(&mut stream);
    site.end();
    thread::sleep(Duration::from_millis(20));
    (server.bytes(), decision)
}

/// Whether there is a whole head for the other host, for a reader that takes anything for the end of a line.
fn has_other(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let rest = text.find("b.example").and_then(|at| text.get(at..)).unwrap_or_default();
    ["\r\n\r\n", "\n\n", "\n\r\n", "\r\r"].iter().any(|end| rest.contains(end))
}

/// Says each at once and in pieces, alone and behind an honest request.
fn none_gets_through(requests: impl Iterator<Item = String>) {
    let try_all = |whole: &str| {
        for (text, piece) in [(whole.to_owned(), usize::MAX), (format!("{HONEST}{whole}"), 5)] {
            let (bytes, _) = said(&text, piece);
            assert!(!has_other(&bytes), "{text:?} arrived as {:?}", String::from_utf8_lossy(&bytes));
        }
    };
    thread::scope(|scope| requests.for_each(|whole| drop(scope.spawn(move || try_all(&whole)))));
}

/// A body by this header and in these bytes, and then the other request.
const FRAMINGS: &[(&str, &str)] = &[
    ("", ""),
    ("Content-Length: 5\r\n", "hello"),
    ("Content-Length: 0\r\n", ""),
    ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    ("Content-Length: 5, 5\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5;x=y\r\nhello\r\n0\r\nTrailer: z\r\n\r\n"),
    ("Transfer-Encoding: Chunked\r\n", "0005\r\nhello\r\n000\r\n\r\n"),
    ("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
];

fn post((header, body): &(&str, &str)) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.example\r\n{header}\r\n{body}{OTHER}")
}

#[test]
fn a_request_behind_another_is_found_however_the_first_is_framed() {
    none_gets_through(FRAMINGS.iter().map(post));
}

/// Where two readers could see the end of a body at different places: headers, and what one of them takes for a body.
const DOUBTS: &[(&str, &str)] = &[
    ("Content-Length: 0\r\nContent-Length: 44\r\n", ""),
    ("Content-Length: 0, 44\r\n", ""),
    ("Content-Length: +44\r\n", ""),
    ("Content-Length: 0x2c\r\n", ""),
    ("Content-Length: 4 4\r\n", ""),
    ("Content-Length: -1\r\n", ""),
    ("Content-Length: 99999999999999999999999\r\n", ""),
    ("Content-Length : 44\r\n", ""),
    ("Content-Length:\r\n 44\r\n", ""),
    ("Content-Length: 44\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 44\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\nTransfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\nTransfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\nTransfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\nTransfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\nTransfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\nX: y\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\nX: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Content-Length: 44\r\nX: y\0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: identity\r\n", ""),
    ("Transfer-Encoding: gzip\r\n", ""),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "+0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "0x0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", " 0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "0\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "0;a\nb\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhelloX\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n0\r\n\r\n"),
];

#[test]
fn a_body_that_could_end_at_two_places_hides_no_request() {
    none_gets_through(DOUBTS.iter().map(post));
}

/// Heads that some servers would understand as being for `b.example`.
const HEADS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: b.example\r\nHost: a.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: b.example#a.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: b.example/a.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\0b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example.b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : b.example\r\nHost: a.example\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: b.example\r\nHost: a.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\n\tb.example\r\n\r\n",
    "GET / HTTP/1.1\nHost: a.example\nHost: b.example\n\n",
    "GET / HTTP/1.1\r\nX: y\nHost: b.example\r\nHost: a.example\r\n\r\n",
    "GET / HTTP/1.1\r\nX: y\rHost: b.example\r\nHost: a.example\r\n\r\n",
    "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "GET //b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n",
    "GET b.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "CONNECT b.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "connect b.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "GET http://b.example/\r\n",
    "GET / HTTP/1.0\r\nHost: b.example\r\n\r\n",
    "GET / HTTP/9.9\r\nHost: b.example\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n",
    "GET / HTTP/1.1\nHost: b.example\n\n",
    "GET / HTTP/1.1\r\nHost: b.example\n\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: b.example\n\r\nX: y\r\n\r\n",
    "GET / HTTP/1.1\rHost: b.example\r\rX: y\r\n\r\n",
];

#[test]
fn a_head_that_could_be_for_another_host_does_not_leave() {
    for head in HEADS {
        let (bytes, decision) = said(head, usize::MAX);
        assert_eq!((bytes.len(), decision), (0, Decision::Refused), "{head:?}");
    }
    none_gets_through(HEADS.iter().map(ToString::to_string));
}

#[test]
fn a_head_without_end_does_not_leave() {
    let head = format!("GET / HTTP/1.1\r\nHost: a.example\r\nX: {}", "y".repeat(200 << 10));
    let (bytes, decision) = said(&head, usize::MAX);
    assert_eq!((bytes.len(), decision), (0, Decision::Refused));
}

/// What is in a body is nobody's request.
#[test]
fn a_body_may_say_anything() {
    let whole =
        format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n{OTHER}", OTHER.len());
    let (bytes, decision) = said(&whole, usize::MAX);
    assert_eq!((String::from_utf8_lossy(&bytes).as_ref(), decision), (&*whole, Decision::Allowed));
}
