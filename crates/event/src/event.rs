//! The one type of event, and what becomes one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CallId, Fact, Process, RunId, Text, Timestamp};

/// One observed fact of a run: who, when, what.
///
/// Made by [`Sequence`](crate::Sequence) from an [`Observation`].
/// Fields that are absent are not known; only `call` and `tool_call_id` are always present, as null if need be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    description = "One observed fact of a run: who, when, what. Fields that are absent are not known; only `call` \
                   and `tool_call_id` are always present, as null if need be."
)]
#[non_exhaustive]
pub struct Event {
    /// The number of the event in its run: from 1, without gaps, in the order of observation.
    #[schemars(range(min = 1))]
    pub seq: u64,
    /// When it was observed.
    pub time: Timestamp,
    /// The run it belongs to.
    pub run: RunId,
    /// The call that caused it, by the kernel's word; null when the run itself did.
    pub call: Option<CallId>,
    /// The caller's own id of that call; null when it gave none.
    pub tool_call_id: Option<Text>,
    /// What was observed: `kind`, and the fields of that kind.
    #[serde(flatten)]
    pub fact: Fact,
    /// The process behind it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// The call that caused something, with the caller's own id of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    /// The call.
    pub call: CallId,
    /// The id that the caller knows it by.
    pub tool_call_id: Option<Text>,
}

impl From<CallId> for Cause {
    fn from(call: CallId) -> Self {
        Self { call, tool_call_id: None }
    }
}

/// Something that was seen, not yet part of a run's record: an [`Event`] without number, time and run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The call that caused it; none when the run itself did.
    pub cause: Option<Cause>,
    /// The process behind it.
    pub process: Option<Process>,
    /// What was seen.
    pub fact: Fact,
}

impl Observation {
    /// A fact of the run itself: no call, no process.
    pub fn new(fact: impl Into<Fact>) -> Self {
        Self { cause: None, process: None, fact: fact.into() }
    }

    /// The same fact, caused by a call.
    pub fn caused_by(self, cause: impl Into<Cause>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The same fact, with the process behind it.
    pub fn with_process(self, process: Process) -> Self {
        Self { process: Some(process), ..self }
    }

    /// The event that this is in the record of a run.
    pub(crate) fn stamped(self, seq: u64, time: Timestamp, run: RunId) -> Event {
        let (call, tool_call_id) = match self.cause {
            Some(cause) => (Some(cause.call), cause.tool_call_id),
            None => (None, None),
        };
        Event { seq, time, run, call, tool_call_id, fact: self.fact, process: self.process }
    }
}
