//! `analyze`: what is whole is read, what is broken is read as far as it goes.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use gateway::capture::write::Writer;
use gateway::flow::Side;

use crate::desk::{Desk, Run, program};

/// A capture with two requests, and the place of its last packet.
fn capture() -> (Vec<u8>, usize) {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let address = |port: u16| std::net::SocketAddr::from(([192, 0, 2, 1], port));
    for port in [40_001, 40_002] {
        let mut connection = writer.open(Duration::ZERO, address(port), address(80), &"test").unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
        writer.data(Duration::ZERO, &mut connection, Side::Client, request).unwrap();
        writer.close(Duration::ZERO, connection, Side::Client).unwrap();
    }
    let file = writer.into_inner();
    let length = u32::from_le_bytes(*file.last_chunk().unwrap()) as usize;
    let last = file.len() - length;
    (file, last)
}

fn analyze(file: &[u8], arguments: &[&str]) -> Run {
    let desk = Desk::new();
    let path = desk.path("test.pcapng");
    std::fs::write(&path, file).unwrap();
    let output = program().arg("analyze").arg(&path).args(arguments).output().unwrap();
    let mut run = Run::of(output);
    run.stderr = run.stderr.replace(path.to_str().unwrap(), "FILE");
    run
}

#[test]
fn a_whole_capture_is_read() {
    let (file, _) = capture();
    let run = analyze(&file, &["--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let flows: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(flows.len(), 2);
    for flow in flows {
        assert_eq!((&flow["protocol"], &flow["host"]), (&"http".into(), &"example.org".into()));
    }
    assert!(run.stderr.starts_with("aurelian: 2 flows · 16 packets · "), "{}", run.stderr);
}

#[test]
fn a_broken_capture_is_read_as_far_as_it_goes() {
    let (file, last) = capture();
    let run = analyze(&file[..file.len() - 1], &[]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(run.stdout.lines().count(), 3, "the title and two flows: {}", run.stdout);
    let told =
        format!("aurelian: error: FILE: broken at byte {last}, after 15 packets: the block should have ");
    assert!(run.stderr.contains(&told), "{}", run.stderr);

    let run = analyze(b"no capture", &[]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("it is neither a pcap nor a pcapng file"), "{}", run.stderr);
}

#[test]
fn without_a_file_nothing_is_read() {
    let desk = Desk::new();
    for path in [desk.path("none.pcap"), desk.workspace()] {
        let run = Run::of(program().arg("analyze").arg(&path).output().unwrap());
        assert_eq!((run.code, run.stdout.as_str()), (125, ""));
        assert!(run.stderr.contains("cannot open the capture"), "{}", run.stderr);
    }
}

#[test]
fn a_capture_can_come_from_stdin() {
    let (file, _) = capture();
    let mut command = program();
    command.args(["analyze", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&file).unwrap();
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.stdout.lines().count()), (0, 3));
}
