//! Our captures in Wireshark's own reader, which verifies checksums and sequence numbers.

use std::process::Command;
use std::time::Duration;

use gateway::capture::write::Writer;
use gateway::flow::Side;

/// A connection in either IP version, a refused one and a datagram.
fn capture() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let now = Duration::from_secs(1_700_000_000);
    for (client, server) in [("192.0.2.1:40000", "192.0.2.2:80"), ("[2001:db8::1]:40000", "[2001:db8::2]:80")]
    {
        let (client, server) = (client.parse().unwrap(), server.parse().unwrap());
        let mut connection = writer.open(now, client, server, &"run 1, call 2, process 3 /bin/x").unwrap();
        writer
            .data(now, &mut connection, Side::Client, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            .unwrap();
        let answer = [&b"HTTP/1.1 200 OK\r\nContent-Length: 50001\r\n\r\n"[..], &[b'x'; 50_001]].concat();
        writer.data(now, &mut connection, Side::Server, &answer).unwrap();
        writer.shut(now, &mut connection, Side::Client).unwrap();
        writer.close(now, connection, Side::Server).unwrap();
        writer.refuse(now, client, server, &"refused").unwrap();
        writer.datagram(now, client, server, b"odd", &"datagram").unwrap();
    }
    writer.into_inner()
}

#[test]
fn wireshark_finds_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.pcapng");
    std::fs::write(&path, capture()).unwrap();
    let fields = ["frame.comment", "ip.checksum.status", "tcp.checksum.status", "udp.checksum.status"];
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&path).args(["-T", "fields", "-e", "_ws.malformed", "-e", "tcp.analysis.flags"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    command.args(
        ["ip", "tcp", "udp"].iter().flat_map(|of| ["-o".to_owned(), format!("{of}.check_checksum:TRUE")]),
    );
    let Ok(output) = command.output() else {
        crate::skip("wireshark::wireshark_finds_nothing_wrong", "tshark is not installed");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told.lines().count(), 2 * (3 + 1 + 4 + 4 + 2 + 1), "{told}");
    for line in told.lines() {
        let [malformed, flags, _, sums @ ..] = &line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        // Refusing the same ports again is what Wireshark calls a reused port: no fault of ours.
        assert!(malformed.is_empty() && (flags.is_empty() || line.contains("refused")), "{line}");
        assert!(sums.iter().all(|status| matches!(*status, "" | "1")) && sums.contains(&"1"), "{line}");
    }
    for comment in ["run 1, call 2, process 3 /bin/x", "refused", "datagram"] {
        assert_eq!(told.lines().filter(|line| line.contains(comment)).count(), 2, "{comment}: {told}");
    }
}
