//! The thread that writes the record.

use std::io::{BufWriter, Write};
use std::time::Instant;

use event::fact::{Fact, ProcessExec, RunEnded, TelemetryGap, Verdict, WrittenDuringRun};
use event::{Cause, Observation, RunId, Stream, Timestamp};
use sandbox::{Execution, Usage};

use crate::clock::Moment;
use crate::lineage::Lineage;
use crate::queue::{End, Queue, Seen, What};
use crate::summary::Summary;
use crate::tally::Tally;

/// Where the record goes.
pub(crate) type Output = Box<dyn Write + Send>;

/// Writes what the queue gives, and keeps count.
pub(crate) struct Scribe {
    stream: Stream<BufWriter<Output>>,
    lineage: Lineage,
    tally: Tally,
    began: Instant,
}

impl Scribe {
    pub(crate) fn new(run: RunId, output: Output) -> Self {
        Self {
            stream: Stream::new(run, BufWriter::new(output)),
            lineage: Lineage::new(Moment::now()),
            tally: Tally::default(),
            began: Instant::now(),
        }
    }

    /// Writes until the end of the record. Each batch is flushed: nothing waits longer than the queue has it wait.
    pub(crate) fn run(mut self, queue: &Queue) -> Summary {
        loop {
            let mut batch = queue.take();
            for seen in batch.seen.drain(..) {
                self.write(seen);
            }
            if batch.lost > 0 {
                self.confess(batch.lost);
            }
            queue.release(&batch);
            match batch.end {
                // What can't be written now is tried again with the next batch, and said if it stays so.
                None => drop(self.stream.flush()),
                Some(End::Finished(usage)) => return self.end(usage),
                Some(End::Abandoned) => return self.summary(Usage::default(), Verdict::Unproven, None),
            }
        }
    }

    fn write(&mut self, seen: Seen) {
        let observation = match seen.what {
            What::Fact(observation) => *observation,
            What::Execution(cause, execution) => self.execution(cause, *execution),
            What::CallOver(call) => return self.lineage.is_over(call, seen.at),
        };
        if let (Fact::CallStarted(_), Some(cause)) = (&observation.fact, &observation.cause) {
            self.lineage.begins(cause.call, seen.at);
        }
        self.record(seen.at.timestamp(), observation);
    }

    fn record(&mut self, time: Timestamp, observation: Observation) {
        self.tally.count(&observation);
        // The stream counts what it could not write, and says so as soon as it can.
        drop(self.stream.record_at(time, observation));
    }

    fn confess(&mut self, lost: u64) {
        let gap = TelemetryGap { lost, source: "recorder".into(), reason: "the queue was full".into() };
        self.record(Timestamp::now(), Observation::new(gap));
    }

    /// What is executed, and who may have written it.
    fn execution(&self, cause: Cause, execution: Execution) -> Observation {
        let changed = execution.changed_ns;
        let written =
            (execution.on_scratch || self.lineage.is_of_this_run(changed)).then(|| WrittenDuringRun {
                calls: self.lineage.writers(changed),
                changed: Some(Timestamp::from_nanos(changed)),
            });
        let fact = ProcessExec {
            path: execution.path,
            file: execution.file,
            interpreter: execution.interpreter,
            written,
            stdio: execution.stdio,
        };
        Observation::new(fact).caused_by(cause).with_process(execution.process)
    }

    fn end(mut self, usage: Usage) -> Summary {
        // An earlier failure is confessed first, so that it counts.
        let mut error = self.stream.flush().err();
        let verdict = self.verdict();
        let ended = self.ended(usage, verdict);
        let written = self.stream.record(Observation::new(ended)).map(drop);
        error = written.and_then(|()| self.stream.flush()).err().or(error.filter(|_| self.stream.gaps() > 0));
        let verdict = if error.is_some() { Verdict::Unproven } else { verdict };
        self.summary(usage, verdict, error.map(|error| error.to_string()))
    }

    fn verdict(&self) -> Verdict {
        let complete = self.gaps() == 0;
        if self.tally.proven && complete { Verdict::Clean } else { Verdict::Unproven }
    }

    fn gaps(&self) -> u64 {
        self.tally.gap_events + self.stream.gaps()
    }

    fn ended(&self, usage: Usage, verdict: Verdict) -> RunEnded {
        RunEnded {
            verdict,
            calls: u32::try_from(self.tally.calls.len()).unwrap_or(u32::MAX),
            events: self.stream.last() + 1,
            refused: self.tally.refused,
            limits_hit: self.tally.limits_hit,
            findings: 0,
            gaps: self.gaps(),
            wall_us: self.wall_us(),
            cpu_us: usage.cpu_us,
            peak_memory_bytes: usage.peak_memory_bytes,
        }
    }

    fn wall_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn summary(self, usage: Usage, verdict: Verdict, record_error: Option<String>) -> Summary {
        let wall_us = self.wall_us();
        Summary {
            run: self.stream.run(),
            verdict,
            proven: self.tally.proven,
            events: self.stream.last(),
            refused: self.tally.refused,
            wall_us,
            cpu_us: usage.cpu_us,
            peak_memory_bytes: usage.peak_memory_bytes,
            calls: self.tally.calls.into_values().collect(),
            refused_outside_calls: self.tally.outside,
            limits: self.tally.limits,
            planted: self.tally.planted,
            gaps: self.tally.gaps,
            record_error,
        }
    }
}
