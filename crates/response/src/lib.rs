//! What is done about findings: the ladder of responses, the kill switch, holds.
//!
//! A [`Hand`] is laid on each run. It takes findings, answers them as the run's policy says, and does what operators ask for through
//! the run's [control socket](control). Containment goes in one order: flows are cut, processes stand still, evidence is collected, they
//! are killed, the run is held. Each step is an event with its latency.
//!
//! What must last is kept by the [`archive`], and by nothing else.

#![forbid(unsafe_code)]

pub mod archive;
pub mod control;
mod evidence;
mod hand;
mod holds;
mod notify;
mod webhook;

pub use archive::{Archive, ArchiveError, default_state};
pub use hand::{Act, Acted, Hand, State, Subject};
pub use holds::{Held, Hold, Holds};
