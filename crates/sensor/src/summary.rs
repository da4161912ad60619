//! What can be said of a run when it is over, for people and for programs.

use event::fact::{CallEnded, Fact, Finding, LimitHit, Refused, ResponseStep, Verdict};
use event::{CallId, Name, Protocol, RunId, Text};
use serde::Serialize;

/// A run, summed up. As JSON it is the body of `aurelian run --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The run.
    pub run: RunId,
    /// What can be said of it as a whole.
    pub verdict: Verdict,
    /// Whether every probe of the boundary was refused before the first call.
    pub proven: bool,
    /// Events in the record, `run.ended` included.
    pub events: u64,
    /// How many attempts were refused, all calls together.
    pub refused: Refused,
    /// Time from the beginning of the record to its end.
    pub wall_us: u64,
    /// CPU time of all processes; absent where it can't be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
    /// The most memory in use at any moment; absent where it can't be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// The calls, in the order of their numbers.
    pub calls: Vec<CallSummary>,
    /// What was refused to no call in particular.
    #[serde(skip_serializing_if = "Refusals::is_empty")]
    pub refused_outside_calls: Refusals,
    /// Limits that held, with the call where one is to be named.
    pub limits: Vec<LimitSummary>,
    /// Files that the host would later execute and that appeared in the workspace, the first of them.
    pub planted: Vec<Planted>,
    /// What was judged wrong, the last word of each finding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingSummary>,
    /// Findings that are not in the list because it was full.
    #[serde(skip_serializing_if = "is_zero")]
    pub findings_omitted: u64,
    /// Steps that were taken about them, or because an operator asked, the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub responses: Vec<ResponseStep>,
    /// What was not recorded, and why: not empty makes the run `unproven`.
    pub gaps: Vec<Gap>,
    /// Why the record could not be written to its end; makes the run `unproven`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_error: Option<String>,
}

/// A call, summed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallSummary {
    /// Its number.
    pub call: CallId,
    /// The caller's own id of it.
    pub tool_call_id: Option<Text>,
    /// The beginning of its command: at most 16 items and 1 KiB. The event `call.started` has more.
    pub command: Vec<Text>,
    /// How it ended; absent when it hasn't.
    #[serde(flatten)]
    pub ended: Option<CallEnded>,
    /// Programs that its processes executed.
    pub executed: u64,
    /// Those of them whose file was written during the run.
    pub executed_written: u64,
    /// What was refused to it.
    pub refused: Refusals,
    /// Where its connections led that were allowed.
    #[serde(skip_serializing_if = "Reached::is_empty")]
    pub reached: Reached,
}

/// Places that were reached, and those that could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Each with what went there, in the order of their first.
    pub list: Vec<Place>,
    /// Connections to places that are not in the list because it was full.
    pub more: u64,
}

/// A place, by a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its name, or its address where it was asked for without one.
    pub host: Text,
    /// Its port.
    pub port: u16,
    /// What was spoken there.
    pub protocol: Protocol,
    /// Connections that were made and have ended.
    pub connections: u64,
    /// Connections that were allowed and could not be made.
    pub failed: u64,
    /// Bytes that were sent there.
    pub sent_bytes: u64,
    /// Bytes that came from there.
    pub received_bytes: u64,
}

impl Reached {
    /// Whether nothing was reached.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.more == 0
    }
}

/// Refused attempts, grouped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refusals {
    /// Different ones, each with its count, in the order of their first.
    pub list: Vec<Refusal>,
    /// Attempts that are not in the list because it was full.
    pub more: u64,
}

/// One attempt that was refused, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The attempt: a [`Fact::NetRefused`], a [`Fact::NetConnect`], a [`Fact::DnsQuery`] or a [`Fact::SyscallRefused`],
    /// the first of its kind.
    #[serde(flatten)]
    pub fact: Fact,
    /// How often.
    pub count: u64,
}

/// A finding, with the call that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingSummary {
    /// The call; absent where it is of the run itself.
    pub call: Option<CallId>,
    /// The caller's own id of it.
    pub tool_call_id: Option<Text>,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A limit that held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitSummary {
    /// The call, where it held for one.
    pub call: Option<CallId>,
    /// The limit.
    #[serde(flatten)]
    pub hit: LimitHit,
    /// How often it was noticed.
    pub count: u64,
}

/// A file that the host would later execute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planted {
    /// The call, where it is known.
    pub call: Option<CallId>,
    /// The file, as a path inside the sandbox.
    pub path: Text,
    /// What would execute it.
    pub why: Name,
}

/// Something that was not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Observations that were lost, at least.
    pub lost: u64,
    /// What lost them.
    pub source: Name,
    /// Why.
    pub reason: Name,
}

impl Refusals {
    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.more == 0
    }

    /// All attempts.
    pub fn total(&self) -> u64 {
        self.list.iter().map(|refusal| refusal.count).sum::<u64>() + self.more
    }
}
