//! Each format is told from all others by its content alone; what is none of them is told as that.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod told;

use told::told;

#[test]
fn each_sample_is_of_its_format() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples");
    for (sample, format) in [
        ("asa.log", "syslog"),
        ("aws-vpc-v2.log", "aws-vpc"),
        ("aws-vpc-v5.log", "aws-vpc"),
        ("azure-nsg.json", "azure-flows"),
        ("azure-vnet.json", "azure-flows"),
        ("eve.json", "eve"),
        ("events.jsonl", "events"),
        ("falco.json", "falco"),
        ("fortinet.log", "syslog"),
        ("gcp-vpc.json", "gcp-vpc"),
        ("netfilter.log", "syslog"),
        ("palo_alto.log", "syslog"),
        ("pf.log", "syslog"),
        ("tetragon.json", "tetragon"),
        ("zeek-conn.log", "zeek"),
        ("zeek-logs.log", "zeek"),
        ("zeek.json", "zeek"),
    ] {
        let told = told(std::fs::read(format!("{folder}/{sample}")).unwrap());
        assert_eq!(told.lines().next(), Some(format), "{sample}");
    }
}

#[test]
fn what_is_no_log_is_told_as_that() {
    for text in [
        "",
        "\n\n",
        "hello\n",
        "{}\n",
        "{\"time\":\"2026-03-01T12:00:00Z\",\"message\":\"SRC=10.0.0.5 DST=10.0.0.6 PROTO=TCP\"}\n",
        "a,b,c\n1,2,3\n",
        "time,message\n1772366400,hello\n",
        "<html></html>",
        "Mar  1 12:00:00 worker-1 sshd[7]: Accepted publickey for root from 10.0.0.5 port 50000 ssh2\n",
        "\u{0}\u{1}\u{2}",
    ] {
        let told = told(text);
        assert!(told.starts_with("unknown\nerror: log: not a log in any format"), "{text:?}: {told}");
    }
}

#[test]
fn a_file_that_tells_what_addresses_are_called_is_told_by_how_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let begins = |text: &str| {
        let file = folder.path().join("log");
        std::fs::write(&file, text).unwrap();
        flows::begins_with_lookups(&file, &flows::Options::default()).unwrap()
    };
    let lookup = r#"{"ts":1772366400.5,"uid":"Ca","id.orig_h":"10.0.0.1","id.orig_p":5,"id.resp_h":"10.0.0.53","id.resp_p":53,"proto":"udp","query":"a.example","answers":["203.0.113.7"]}"#;
    let other = r#"{"ts":1772366400.5,"uid":"Cb","id.orig_h":"10.0.0.1","id.orig_p":5,"id.resp_h":"203.0.113.7","id.resp_p":443,"proto":"tcp","conn_state":"SF"}"#;
    assert!(begins(&format!("{lookup}\n{lookup}\n{}", &lookup[..60])), "the last line is cut");
    assert!(begins(&format!("{lookup}\n").repeat(10_000)));
    assert!(!begins(&format!("{lookup}\n{other}\n")));
    assert!(!begins(&format!("{other}\n")));
    assert!(!begins("no log\n"));
    assert!(!begins(""));
    assert!(flows::begins_with_lookups(&folder.path().join("none"), &flows::Options::default()).is_err());
}
