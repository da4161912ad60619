//! Arbitrary bytes as an event line, and inside one: a line that is an event stays the same event when written
//! and read again, in printable ASCII and on one line; no bytes of an agent forge, split or hide a line.
#![no_main]

use event::fact::ProcessExec;
use event::{Event, Observation, Process, RunId, Sequence, Text, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
        assert_eq!(read(&write(&event)), event);
    }
    let event = hostile(bytes);
    let again = read(&write(&event));
    assert_eq!(again, event);
    let process = again.process.expect("it has a process");
    assert_eq!(process.exe.expect("it has a program").as_bytes(), bytes);
});

/// An event in which every field that an agent controls says this.
fn hostile(bytes: &[u8]) -> Event {
    let text = || Text::from(bytes);
    let exec = ProcessExec { path: text(), file: None, interpreter: Some(text()), written: None, stdio: None };
    let process = Process { exe: Some(text()), cwd: Some(text()), ..Process::new(1) };
    let arguments = bytes.split(|byte| *byte == 0);
    let observation = Observation::new(exec).with_process(process.with_argv(arguments));
    Sequence::new(RunId::new()).stamp(observation)
}

fn write(event: &Event) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    writer.write(event).expect("memory takes every line");
    let line = writer.into_inner();
    let (end, content) = line.split_last().expect("a line is never empty");
    assert_eq!(*end, b'\n');
    assert!(content.iter().all(|byte| matches!(byte, b' '..=b'~')));
    line
}

fn read(line: &[u8]) -> Event {
    serde_json::from_slice(line).expect("what we write is an event")
}
