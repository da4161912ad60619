//! What the network said: flows, alarms, lookups and samples, read from the logs of other systems.
//!
//! Firewalls, flow logs, intrusion detection, resolvers and monitors each tell a part: some the beginning of a connection, some
//! only when a line was logged, some the name that was wanted, some only an address behind a NAT. A [`Flow`] carries what was
//! told and **what its time means**, and leaves the rest empty.
//!
//! [`read`] reads one file, in the format that its content tells ([`Format`]), and gives its flows one after the other. What
//! can't be read is counted and sampled, and never ends the work. The readers are written for speed where logs are large
//! (Suricata's EVE, Zeek's conn.log): a line is parsed once, borrowed, into typed fields.
//!
//! Left out: which call caused a flow, and whose an address was (`investigate`).

#![forbid(unsafe_code)]

mod flow;
mod format;
mod formats;
mod read;
mod words;

pub use flow::{Action, Alarm, Connection, Flow, FlowKind, Gpu, Means, Moment, Transport};
pub use format::Format;
pub use formats::COLUMNS;
pub use read::{Options, Outcome, ReadError, begins_with_lookups, detect, read, read_input};
