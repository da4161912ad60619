//! Numbers have no gaps, and what could not be written is said.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use event::fact::{ProcessExited, TelemetryGap};
use event::{Event, Fact, Observation, RunId, Stream};

/// An output that takes so many bytes and then fails, until it is given more room.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<DiskState>>);

#[derive(Default)]
struct DiskState {
    content: Vec<u8>,
    room: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.borrow_mut();
        let count = bytes.len().min(disk.room);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.content.extend_from_slice(&bytes[..count]);
        disk.room -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn observation() -> Observation {
    Observation::new(ProcessExited::default())
}

fn read(content: &[u8]) -> Vec<Event> {
    let text = str::from_utf8(content).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn numbers_begin_at_one_and_have_no_gaps() {
    let mut lines = Vec::new();
    let run = RunId::new();
    let mut stream = Stream::new(run, &mut lines);
    for number in 1..=100 {
        assert_eq!(stream.record(observation()).unwrap().seq, number);
    }
    assert_eq!((stream.last(), stream.gaps()), (100, 0));
    let events = read(&lines);
    assert!(events.iter().map(|event| event.seq).eq(1..=100));
    assert!(events.iter().all(|event| event.run == run));
}

/// Five observations on a disk that is full after so many bytes, and one more when there is room again.
fn fill(room: usize) {
    let disk = Disk::default();
    disk.0.borrow_mut().room = room;
    let mut stream = Stream::new(RunId::new(), disk.clone());
    let failed = (0..5).filter(|_| stream.record(observation()).is_err()).count() as u64;
    let written = stream.last();
    assert_eq!((written + failed, stream.gaps()), (5, 1));

    disk.0.borrow_mut().room = usize::MAX;
    stream.record(observation()).unwrap();
    assert_eq!(stream.gaps(), 1);

    let events = read(&disk.0.borrow().content);
    assert!(events.iter().map(|event| event.seq).eq(1..=written + 2), "with room for {room} bytes");
    let gap = &events[written as usize].fact;
    assert!(matches!(gap, Fact::TelemetryGap(TelemetryGap { lost, .. }) if *lost == failed), "{gap:?}");
}

#[test]
fn what_could_not_be_written_is_counted_and_said() {
    let mut line = Vec::new();
    Stream::new(RunId::new(), &mut line).record(observation()).unwrap();
    // The disk fills up at each byte of a line: none is torn, doubled or missing without a word.
    (0..=2 * line.len()).for_each(fill);
}

#[test]
fn a_loss_at_the_very_end_is_said_by_flush() {
    let disk = Disk::default();
    let mut stream = Stream::new(RunId::new(), disk.clone());
    assert!(stream.record(observation()).is_err());
    assert!(stream.flush().is_err());
    disk.0.borrow_mut().room = usize::MAX;
    stream.flush().unwrap();
    let events = read(&disk.0.borrow().content);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].fact.kind(), "telemetry.gap");
}
