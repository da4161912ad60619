//! What is seen: the record of one run, made while the sandbox is watched.
//!
//! A [`Recorder`] is the sandbox's witness. Whatever the supervisor sees goes through it into the run's events: it
//! notes the moment, works out which call wrote a program that is executed, counts what was refused to whom,
//! and writes numbered JSON lines. At the end it gives a [`Summary`].
//!
//! ```no_run
//! use event::RunId;
//! use sandbox::Usage;
//! use sensor::Recorder;
//!
//! let file = std::fs::File::create("events.jsonl")?;
//! let recorder = Recorder::new(RunId::new(), Box::new(file))?;
//! // … `Sandbox::start(&supervisor, &setup, recorder.clone())`, calls, `sandbox.end()` …
//! let summary = recorder.finish(Usage::default());
//! println!("{} events", summary.events);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Three things are decided here:
//! - **The supervisor's thread never waits for an output.** It puts what it saw into a bounded queue (module `queue`); a
//!   thread of the recorder's own numbers it and has it judged (module `judge`), and another one writes it (module `scribe`).
//! - **Nothing is lost silently.** Before the queue is full, [`is_ready`](sandbox::Witness::is_ready) has the sandbox hold the
//!   agent back; what is lost all the same, or can't be written, is a `telemetry.gap`, and the run `unproven`.
//! - **Memory does not grow with what the agent does**, only with the calls that the operator starts.
//!
//! Left out: how things are seen (sandbox), what they mean (detect), how the record is kept (ledger).

#![forbid(unsafe_code)]

mod clock;
mod findings;
mod judge;
mod lineage;
mod lines;
mod queue;
mod recorder;
mod scribe;
mod summary;
mod tally;

pub use judge::{Indifferent, Judge};
pub use recorder::{Progress, Recorder};
pub use summary::{
    CallSummary, FindingSummary, Gap, LimitSummary, Place, Planted, Reached, Refusal, Refusals, Summary,
};
