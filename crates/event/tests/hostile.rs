//! What an agent would write to forge, split or hide a line, and what comes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use event::fact::ProcessExec;
use event::{Event, Observation, Process, RunId, Sequence, Text, Writer};
use proptest::prelude::*;

const HOSTILE: &[&[u8]] = &[
    b"\n",
    b"\r\n{\"seq\":2,\"kind\":\"run.ended\",\"verdict\":\"clean\"}\n",
    b"\",\"call\":1,\"x\":\"",
    b"\\",
    b"\\u000a",
    b"\0",
    b"\x1b[2J\x1b]0;owned\x07",
    b"\x7f\x08",
    "\u{85}".as_bytes(),
    "\u{9b}31m".as_bytes(),
    "\u{2028}\u{2029}".as_bytes(),
    "\u{202e}gpj.exe".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{e0041}".as_bytes(),
    "🦀".as_bytes(),
    "\u{ef80}\u{efff}".as_bytes(),
    b"\x80",
    b"\xc2",
    b"\xed\xa0\x80",
    b"\xf0\x9f\xa6",
    b"\xff\xfe",
    b"",
];

/// A line in which every field that an agent controls says this.
fn line(bytes: &[u8]) -> Vec<u8> {
    let text = || Text::from(bytes);
    let exec =
        ProcessExec { path: text(), file: None, interpreter: Some(text()), written: None, stdio: None };
    let process = Process { exe: Some(text()), cwd: Some(text()), ..Process::new(1) }.with_argv([bytes; 2]);
    let event = Sequence::new(RunId::new()).stamp(Observation::new(exec).with_process(process));
    let mut writer = Writer::new(Vec::new());
    writer.write(&event).unwrap();
    writer.into_inner()
}

/// Panics unless this is one line of printable ASCII that says exactly these bytes.
fn check(bytes: &[u8]) {
    let line = line(bytes);
    let (end, content) = line.split_last().unwrap();
    assert_eq!(*end, b'\n');
    assert!(content.iter().all(|byte| matches!(byte, b' '..=b'~')), "{:?}", Text::from(content));
    let event: Event = serde_json::from_slice(content).unwrap();
    let process = event.process.unwrap();
    assert_eq!(process.exe.unwrap().as_bytes(), bytes);
    assert!(process.argv.unwrap().iter().all(|item| item.as_bytes() == bytes));
    assert_eq!((event.seq, event.fact.kind()), (1, "process.exec"));
}

#[test]
fn hostile_strings_stay_in_their_line() {
    HOSTILE.iter().for_each(|bytes| check(bytes));
    check(&HOSTILE.concat());
}

#[test]
fn what_a_line_looks_like() {
    let text: Vec<_> = ["\u{1b}", "\u{7f}", "é", "🦀"].concat().bytes().chain([0xFF]).collect();
    let line = String::from_utf8(line(&text)).unwrap();
    assert!(line.contains(r#""path":"\u001b\u007f\u00e9\ud83e\udd80\uefff""#), "{line}");
}

#[test]
fn a_line_is_bounded() {
    let megabytes = vec![b"\xff".repeat(1 << 20); 8];
    let process = Process::new(1).with_argv(megabytes);
    let exec = ProcessExec { path: "x".into(), file: None, interpreter: None, written: None, stdio: None };
    let event = Sequence::new(RunId::new()).stamp(Observation::new(exec).with_process(process));
    let mut writer = Writer::new(Vec::new());
    writer.write(&event).unwrap();
    assert!(writer.into_inner().len() < 400 * 1024);
    let omitted = event.process.unwrap().argv_omitted.unwrap();
    assert_eq!((omitted.items, omitted.bytes), (7, (8 << 20) - 64 * 1024));
}

proptest! {
    #[test]
    fn any_bytes_stay_in_their_line(bytes: Vec<u8>) {
        check(&bytes);
    }

    #[test]
    fn any_text_stays_in_its_line(text: String) {
        check(text.as_bytes());
    }
}
