//! The proof that the boundary holds, or that it doesn't.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;

/// Every bypass was tried inside the finished sandbox, and none worked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoundaryProven {
    /// Each attempt.
    pub probes: Vec<Probe>,
    /// How long all of them took.
    pub duration_us: u64,
}

/// One real attempt to get through the boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// What was attempted.
    pub name: Name,
    /// The control that stands against it.
    pub control: Name,
    /// What came of it.
    pub result: ProbeResult,
    /// The errno that it was refused with, by name, or why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Name>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeResult {
    /// It was refused: the control holds.
    Held,
    /// It worked: a hole.
    Open,
    /// It could not be tried on this host.
    Skipped,
}

/// The boundary could not be established or proven: nothing of the agent was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoundaryFailed {
    /// The control that is missing or open.
    pub control: Name,
    /// What went wrong, and what would help.
    pub reason: Name,
    /// The attempts that were made, where it came to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
}
