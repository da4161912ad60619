//! The witness that keeps the record.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use event::fact::{Decision, Fact, Refused, Verdict};
use event::{CallId, Cause, Observation, RunId};
use sandbox::{Execution, Usage, Witness};

use crate::judge::{Bench, Indifferent, Judge, Outcome};
use crate::lines::Lines;
use crate::queue::{End, Queue, What};
use crate::scribe::{Output, Scribe, Written};
use crate::summary::{Gap, Summary};

/// Keeps the record of one run: give it to [`Sandbox::start`](sandbox::Sandbox::start) as the witness.
#[derive(Debug)]
pub struct Recorder {
    run: RunId,
    queue: Arc<Queue>,
    counts: Counts,
    /// Counted by the judge, which makes them.
    findings: Arc<AtomicU64>,
    threads: Mutex<Option<Threads>>,
}

/// The judge, and the scribe.
#[derive(Debug)]
struct Threads {
    judge: JoinHandle<Outcome>,
    scribe: JoinHandle<Written>,
}

/// What can be told while the run goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls that were started.
    pub calls: u64,
    /// Attempts that were refused.
    pub refused: u64,
    /// Things that were not recorded, at least.
    pub gaps: u64,
    /// Different findings.
    pub findings: u64,
}

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    refused: AtomicU64,
    gaps: AtomicU64,
}

impl Recorder {
    /// The writer needs little: it encodes one line at a time.
    const STACK: usize = 256 * 1024;

    /// Begins the record of a run on this output, one JSON object a line. Nothing else may be written to it.
    ///
    /// # Errors
    /// The host gives no more threads.
    pub fn new(run: RunId, output: Output) -> io::Result<Arc<Self>> {
        Self::judged(run, output, Box::new(Indifferent))
    }

    /// The same, with somebody who looks at the events.
    ///
    /// # Errors
    /// The host gives no more threads.
    pub fn judged(run: RunId, output: Output, judge: Box<dyn Judge>) -> io::Result<Arc<Self>> {
        let (queue, lines) = (Arc::new(Queue::default()), Arc::new(Lines::default()));
        let (scribe, theirs, weights) = (Scribe::new(output), Arc::clone(&lines), Arc::clone(&queue));
        let thread = std::thread::Builder::new().name("record".into()).stack_size(Self::STACK);
        let scribe = thread.spawn(move || scribe.run(&theirs, &weights))?;
        let findings = Arc::<AtomicU64>::default();
        let bench = Bench::new(run, judge, Arc::clone(&lines), Arc::clone(&findings));
        let theirs = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("judge".into());
        let judge = thread.spawn(move || bench.run(&theirs)).inspect_err(|_| lines.close())?;
        let threads = Mutex::new(Some(Threads { judge, scribe }));
        Ok(Arc::new(Self { run, queue, counts: Counts::default(), findings, threads }))
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Takes something down that the program knows and the sandbox doesn't see, such as `run.started`.
    pub fn record(&self, observation: Observation) {
        self.counts.count(&observation.fact);
        self.queue.push(What::Fact(Box::new(observation)));
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            calls: self.counts.calls.load(Ordering::Relaxed),
            refused: self.counts.refused.load(Ordering::Relaxed),
            gaps: self.counts.gaps.load(Ordering::Relaxed),
            findings: self.findings.load(Ordering::Relaxed),
        }
    }

    /// Waits until all that was seen so far was judged.
    pub fn settle(&self) {
        let (waiting, settled) = mpsc::sync_channel(1);
        self.queue.push(What::Barrier(waiting));
        // Where it did not fit, or the judge is gone, there is nothing to wait for.
        let _ = settled.recv();
    }

    /// Writes the last event, `run.ended`, waits until all is written, and sums the run up. Call it after
    /// [`Sandbox::end`](sandbox::Sandbox::end), once: what is seen later is not taken, and a second summary is empty.
    pub fn finish(&self, usage: Usage) -> Summary {
        self.close(End::Finished(usage)).unwrap_or_else(|| nothing(self.run))
    }

    fn close(&self, end: End) -> Option<Summary> {
        self.queue.close(end);
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let outcome = threads.judge.join().ok()?;
        let written = threads.scribe.join().ok()?;
        Some(concluded(outcome, written))
    }
}

/// The summary of a run, with what became of its record.
fn concluded(outcome: Outcome, written: Written) -> Summary {
    let Outcome { mut summary, is_finished } = outcome;
    let Some(error) = written.error else { return summary };
    summary.record_error = Some(error.to_string());
    if summary.verdict == Verdict::Clean || !is_finished {
        summary.verdict = Verdict::Unproven;
    }
    let reason = "events could not be written".into();
    summary.gaps.push(Gap { lost: written.lost, source: "record".into(), reason });
    summary.events = summary.events.saturating_sub(written.lost);
    summary
}

impl Witness for Recorder {
    fn see(&self, observation: Observation) {
        self.record(observation);
    }

    fn execution(&self, cause: Cause, execution: Execution) {
        self.queue.push(What::Execution(cause, Box::new(execution)));
    }

    fn call_over(&self, call: CallId) {
        self.queue.push(What::CallOver(call));
    }

    fn is_ready(&self) -> bool {
        self.queue.is_ready()
    }
}

impl Drop for Recorder {
    /// What was seen is written, even where nobody asked for a summary.
    fn drop(&mut self) {
        drop(self.close(End::Abandoned));
    }
}

impl Counts {
    fn count(&self, fact: &Fact) {
        let counter = match fact {
            Fact::CallStarted(_) => &self.calls,
            Fact::NetRefused(_) | Fact::SyscallRefused(_) => &self.refused,
            Fact::NetConnect(connect) if connect.decision == Decision::Refused => &self.refused,
            Fact::DnsQuery(query) if query.refused => &self.refused,
            Fact::TelemetryGap(_) => &self.gaps,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The summary of a record that can't be had.
fn nothing(run: RunId) -> Summary {
    Summary {
        run,
        verdict: Verdict::Unproven,
        proven: false,
        events: 0,
        refused: Refused::default(),
        wall_us: 0,
        cpu_us: None,
        peak_memory_bytes: None,
        calls: Vec::new(),
        refused_outside_calls: Default::default(),
        limits: Vec::new(),
        planted: Vec::new(),
        findings: Vec::new(),
        findings_omitted: 0,
        responses: Vec::new(),
        gaps: Vec::new(),
        record_error: Some("the record was finished before".to_owned()),
    }
}
