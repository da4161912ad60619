//! The thread that gives events their numbers, in one order, and shows them to whoever judges.
//!
//! It waits for nothing but events: a slow output holds the agent back, and is no reason to look away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use event::fact::{Fact, ProcessExec, RunEnded, TelemetryGap, Verdict, WrittenDuringRun};
use event::{Cause, Event, Observation, RunId, Sequence, Timestamp};
use sandbox::{Execution, Usage};

use crate::clock::Moment;
use crate::lineage::Lineage;
use crate::lines::{Line, Lines};
use crate::queue::{End, Queue, Seen, What};
use crate::summary::Summary;
use crate::tally::Tally;

/// Looks at the events of a run, in their order, and tells what it sees in them.
pub trait Judge: Send {
    /// Looks at an event. What it tells becomes events itself, which it is shown in turn; it must come to an end.
    fn judge(&mut self, event: &Event, tell: &mut Vec<Observation>);
}

/// Judges nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Indifferent;

impl Judge for Indifferent {
    fn judge(&mut self, _: &Event, _: &mut Vec<Observation>) {}
}

/// Events that one event may lead to: a judge that finds something in whatever it is shown would never end.
const CONSEQUENCES: usize = 256;

/// Numbers what the queue gives, has it judged, and keeps count.
pub(crate) struct Bench {
    sequence: Sequence,
    judge: Box<dyn Judge>,
    lines: Arc<Lines>,
    /// How many different findings there are, for who asks meanwhile.
    findings: Arc<AtomicU64>,
    /// Numbered, and not yet given to the scribe.
    ready: Vec<Line>,
    lineage: Lineage,
    tally: Tally,
    began: Instant,
}

/// How a run came out, but for what became of its record.
pub(crate) struct Outcome {
    pub(crate) summary: Summary,
    /// Whether the run was ended, and not abandoned.
    pub(crate) is_finished: bool,
}

impl Bench {
    pub(crate) fn new(
        run: RunId,
        judge: Box<dyn Judge>,
        lines: Arc<Lines>,
        findings: Arc<AtomicU64>,
    ) -> Self {
        Self {
            sequence: Sequence::new(run),
            judge,
            lines,
            findings,
            ready: Vec::new(),
            lineage: Lineage::new(Moment::now()),
            tally: Tally::default(),
            began: Instant::now(),
        }
    }

    /// Judges until the end of the record.
    pub(crate) fn run(mut self, queue: &Queue) -> Outcome {
        loop {
            let mut batch = queue.take();
            let mut urgent = false;
            for seen in batch.seen.drain(..) {
                urgent |= self.take(seen, queue);
            }
            if batch.lost > 0 {
                self.confess(batch.lost);
            }
            self.lines.push(&mut self.ready, urgent);
            match batch.end {
                None => {}
                Some(End::Finished(usage)) => return self.end(usage),
                Some(End::Abandoned) => {
                    self.lines.close();
                    let summary = self.summary(Usage::default(), Verdict::Unproven);
                    return Outcome { summary, is_finished: false };
                }
            }
        }
    }

    /// Takes something in. True if somebody waits for its line.
    fn take(&mut self, seen: Seen, queue: &Queue) -> bool {
        let observation = match seen.what {
            What::Fact(observation) => *observation,
            What::Execution(cause, execution) => self.execution(cause, *execution),
            What::CallOver(call) => {
                queue.release(seen.weight);
                self.lineage.is_over(call, seen.at);
                return false;
            }
            What::Barrier(waiting) => {
                queue.release(seen.weight);
                // It may wait no longer.
                let _ = waiting.send(());
                return false;
            }
        };
        if let (Fact::CallStarted(_), Some(cause)) = (&observation.fact, &observation.cause) {
            self.lineage.begins(cause.call, seen.at);
        }
        // Whoever waits for a call wants its record as well.
        let urgent = matches!(observation.fact, Fact::CallEnded(_) | Fact::ResponseStep(_));
        self.record(seen.at.timestamp(), observation, seen.weight);
        urgent
    }

    /// Numbers an observation and has it judged, and then what was told about it.
    fn record(&mut self, time: Timestamp, observation: Observation, weight: usize) {
        let mut told = Vec::new();
        self.number(time, observation, weight, &mut told);
        let mut consequences: VecDeque<_> = told.drain(..).collect();
        let mut count = 0;
        while let Some(observation) = consequences.pop_front()
            && count < CONSEQUENCES
        {
            self.number(Timestamp::now(), observation, 0, &mut told);
            consequences.extend(told.drain(..));
            count += 1;
        }
        if !consequences.is_empty() {
            let lost = consequences.len() as u64;
            let gap = TelemetryGap { lost, source: "judge".into(), reason: "it found no end".into() };
            self.number(Timestamp::now(), Observation::new(gap), 0, &mut told);
        }
    }

    fn number(
        &mut self,
        time: Timestamp,
        observation: Observation,
        weight: usize,
        told: &mut Vec<Observation>,
    ) {
        self.tally.count(&observation);
        self.findings.store(self.tally.findings.total(), Ordering::Relaxed);
        let event = self.sequence.stamp_at(time, observation);
        self.judge.judge(&event, told);
        self.ready.push(Line { event, weight });
    }

    fn confess(&mut self, lost: u64) {
        let gap = TelemetryGap { lost, source: "recorder".into(), reason: "the queue was full".into() };
        self.record(Timestamp::now(), Observation::new(gap), 0);
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

    fn end(mut self, usage: Usage) -> Outcome {
        let verdict = self.verdict();
        let ended = RunEnded {
            verdict,
            calls: u32::try_from(self.tally.calls.len()).unwrap_or(u32::MAX),
            events: self.sequence.last() + 1,
            refused: self.tally.refused,
            limits_hit: self.tally.limits_hit,
            findings: self.tally.findings.total(),
            gaps: self.tally.gap_events,
            wall_us: self.wall_us(),
            cpu_us: usage.cpu_us,
            peak_memory_bytes: usage.peak_memory_bytes,
        };
        let event = self.sequence.stamp(Observation::new(ended));
        self.lines.push(&mut vec![Line { event, weight: 0 }], true);
        self.lines.close();
        Outcome { summary: self.summary(usage, verdict), is_finished: true }
    }

    /// A violation is certain, whatever else was not seen.
    fn verdict(&self) -> Verdict {
        match (self.tally.findings.is_violation(), self.tally.proven && self.tally.gap_events == 0) {
            (true, _) => Verdict::Violation,
            (false, true) => Verdict::Clean,
            (false, false) => Verdict::Unproven,
        }
    }

    fn wall_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn summary(self, usage: Usage, verdict: Verdict) -> Summary {
        let wall_us = self.wall_us();
        let (findings, findings_omitted) = self.tally.findings.into_list();
        Summary {
            run: self.sequence.run(),
            verdict,
            proven: self.tally.proven,
            events: self.sequence.last(),
            refused: self.tally.refused,
            wall_us,
            cpu_us: usage.cpu_us,
            peak_memory_bytes: usage.peak_memory_bytes,
            calls: self.tally.calls.into_values().collect(),
            refused_outside_calls: self.tally.outside,
            limits: self.tally.limits,
            planted: self.tally.planted,
            findings,
            findings_omitted,
            responses: self.tally.responses,
            gaps: self.tally.gaps,
            record_error: None,
        }
    }
}
