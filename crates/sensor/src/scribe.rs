//! The thread that writes the record.
//!
//! An output that fails is tried again for a while, in which the agent is held back. What is there is always the beginning of the
//! record, without a hole: once an output is given up, nothing more is written to it, and the run is `unproven`.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::thread;
use std::time::{Duration, Instant};

use event::Writer;

use crate::lines::Lines;
use crate::queue::Queue;

/// Where the record goes.
pub(crate) type Output = Box<dyn Write + Send>;

/// For so long an output that fails is tried again, and at the end of the run for so long.
const PATIENCE: Duration = Duration::from_secs(10);
const LAST_PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// What came of the writing.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Events that were not written.
    pub(crate) lost: u64,
    /// Why not.
    pub(crate) error: Option<io::Error>,
}

pub(crate) struct Scribe {
    writer: Writer<BufWriter<Output>>,
    written: Written,
}

impl Scribe {
    pub(crate) fn new(output: Output) -> Self {
        Self { writer: Writer::new(BufWriter::new(output)), written: Written::default() }
    }

    /// Writes until no more comes. Each batch is flushed.
    pub(crate) fn run(mut self, lines: &Lines, queue: &Queue) -> Written {
        while let Some(batch) = lines.take() {
            for line in &batch {
                self.attempt(lines, |writer| writer.write(&line.event));
            }
            self.attempt(lines, Writer::flush);
            if self.written.error.is_some() {
                self.written.lost += batch.len() as u64;
            }
            queue.release(batch.iter().map(|line| line.weight).sum());
        }
        if self.written.error.is_some() {
            // What is dropped whole would write what is left, behind what was given up.
            drop(self.writer.into_inner().into_parts());
        }
        self.written
    }

    fn attempt(
        &mut self,
        lines: &Lines,
        mut write: impl FnMut(&mut Writer<BufWriter<Output>>) -> io::Result<()>,
    ) {
        if self.written.error.is_some() {
            return;
        }
        let began = Instant::now();
        while let Err(error) = write(&mut self.writer) {
            let patience = if lines.is_over() { LAST_PATIENCE } else { PATIENCE };
            // Nobody reads any more, and nobody will.
            if error.kind() == ErrorKind::BrokenPipe || began.elapsed() >= patience {
                self.written.error = Some(error);
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use event::fact::ResourceSample;
    use event::{Event, Observation, RunId, Sequence};

    use super::*;
    use crate::lines::Line;

    /// Fails so often, and works then.
    #[derive(Clone, Default)]
    struct Moody {
        fails: Arc<Mutex<u32>>,
        written: Arc<Mutex<Vec<u8>>>,
        kind: Option<ErrorKind>,
    }

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut fails = self.fails.lock().unwrap();
            if *fails > 0 {
                *fails -= 1;
                return Err(self.kind.unwrap_or(ErrorKind::StorageFull).into());
            }
            // A part of it at a time.
            let part = bytes.len().div_ceil(2);
            self.written.lock().unwrap().extend_from_slice(&bytes[..part]);
            Ok(part)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(moody: &Moody, count: u64) -> Written {
        let (lines, queue) = (Lines::default(), Queue::default());
        let mut sequence = Sequence::new(RunId::new());
        for _ in 0..count {
            let event: Event = sequence.stamp(Observation::new(ResourceSample::default()));
            lines.push(&mut vec![Line { event, weight: 0 }], true);
        }
        lines.close();
        Scribe::new(Box::new(moody.clone())).run(&lines, &queue)
    }

    fn numbers(moody: &Moody) -> Vec<u64> {
        let written = moody.written.lock().unwrap();
        let lines = std::str::from_utf8(&written).unwrap().lines();
        lines.map(|line| serde_json::from_str::<Event>(line).unwrap().seq).collect()
    }

    #[test]
    fn an_output_that_works_again_has_every_event_once() {
        let moody = Moody { fails: Arc::new(Mutex::new(3)), ..Moody::default() };
        let written = write(&moody, 100);
        assert!(written.error.is_none() && written.lost == 0);
        assert_eq!(numbers(&moody), (1..=100).collect::<Vec<_>>());
    }

    #[test]
    fn an_output_that_nobody_reads_is_given_up_at_once() {
        let moody =
            Moody { fails: Arc::new(Mutex::new(1)), kind: Some(ErrorKind::BrokenPipe), ..Moody::default() };
        let began = Instant::now();
        let written = write(&moody, 100);
        assert_eq!((written.lost, written.error.unwrap().kind()), (100, ErrorKind::BrokenPipe));
        assert!(began.elapsed() < PAUSE);
        assert!(numbers(&moody).is_empty(), "nothing comes after a hole");
    }
}
