//! What happened: ids, time, and the one [`Event`] type, as JSON lines with a JSON Schema.
//!
//! An event is one observed fact: who (run, call, process), when, what. Every crate that sees something
//! says so with an [`Observation`]; one [`Stream`] per run stamps it with its number, its time and its run,
//! and writes it as one line. The same type reads the line back.
//!
//! ```
//! use event::{CallId, Cause, Observation, RunId, Stream};
//! use event::fact::{NetRefused, Family, SocketType};
//!
//! let mut lines = Vec::new();
//! let mut stream = Stream::new(RunId::new(), &mut lines);
//! let refused = NetRefused {
//!     syscall: "socket".into(),
//!     family: Family::Inet,
//!     socket_type: SocketType::Raw,
//!     protocol: Some(1),
//!     destination: None,
//!     errno: "EPERM".into(),
//! };
//! let call = CallId::new(1).ok_or("calls are numbered from 1")?;
//! stream.record(Observation::new(refused).caused_by(Cause::from(call)))?;
//! assert!(lines.starts_with(br#"{"seq":1,"time":""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Three properties are this crate's to keep, because everything downstream rests on them:
//! - **Nothing the agent controls can forge, split or hide a line.** Its bytes live in [`Text`], which is
//!   lossless, and a line is pure printable ASCII (module [`lines`]).
//! - **Numbers have no gaps.** Only [`Sequence`] makes them, and what could not be written is counted and
//!   said in the record itself, as `telemetry.gap` (module [`stream`]).
//! - **A line is bounded.** What the kernel does not bound, the argument vector, is cut by [`Argv`], and the
//!   line says how much is missing.
//!
//! Left out: where events go (ledger), what they mean (detect), how they are seen (sensor).

#![forbid(unsafe_code)]

pub mod argv;
mod event;
pub mod fact;
mod ids;
pub mod lines;
mod process;
mod protocol;
pub mod schema;
pub mod stream;
mod text;
mod time;

use std::borrow::Cow;

pub use argv::{Argv, Omitted};
pub use event::{Cause, Event, Observation};
pub use fact::Fact;
pub use ids::{CallId, ParseRunIdError, RunId};
pub use lines::Writer;
pub use process::Process;
pub use protocol::{ParseProtocolError, Protocol};
pub use schema::schema;
pub use stream::{Sequence, Stream};
pub use text::Text;
pub use time::Timestamp;

/// A word of ours (a syscall's name, an errno's, a control's): never bytes of the agent, which are [`Text`].
pub type Name = Cow<'static, str>;
