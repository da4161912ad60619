//! What was judged wrong, and what was done about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Text};

/// Something was judged wrong. The event's `call` is the one that did it.
///
/// The same again is not told again each time: an event with the same number, and a higher count, comes when the count has
/// doubled. The last one of a number holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The number of the finding in this run, from 1.
    #[schemars(range(min = 1))]
    pub finding: u64,
    /// The rule or the analyzer's sign, such as `mining.stratum`: what policies name.
    pub rule: Name,
    /// The same in a few words.
    pub title: Name,
    /// Who judged: `analyzer`, `sigma`.
    pub source: Name,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is, in percent.
    #[schemars(range(max = 100))]
    pub confidence: u8,
    /// Whether the boundary refused it: nothing came of it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub prevented: bool,
    /// What it is about, such as a destination or a file: findings of one rule and call are told apart by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Text>,
    /// What happened, as a sentence.
    pub message: Text,
    /// What to do.
    pub remedy: Name,
    /// The numbers of the events that show it: the first of them, and the last.
    pub evidence: Vec<u64>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub evidence_omitted: u64,
    /// The processes that it came from: the one that did it, its parent, and so on to the first one of the call that is known.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lineage: Vec<Ancestor>,
    /// OWASP Agentic Security Initiative, such as `ASI10`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub asi: Vec<Name>,
    /// MITRE ATT&CK techniques, such as `T1496`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attack: Vec<Name>,
    /// MITRE ATLAS techniques, such as `AML.T0072`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub atlas: Vec<Name>,
    /// How often it happened so far.
    #[schemars(range(min = 1))]
    pub count: u64,
}

/// How bad something is, in the words of Sigma.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Out of the ordinary.
    Low,
    /// Out of bounds, or an attempt at it.
    Medium,
    /// Harm is about to happen.
    High,
    /// Harm is happening.
    Critical,
}

impl Severity {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A process that something came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Ancestor {
    /// Its id on the host.
    pub host_pid: u32,
    /// The program that it executed last, where that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<Text>,
}

/// A step of a response was taken, because of a finding or because an operator asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseStep {
    /// What was done.
    pub step: Step,
    /// What came of it.
    pub outcome: Outcome,
    /// The finding that it answers; absent when an operator asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<u64>,
    /// The rule of that finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Name>,
    /// Who decided: `policy`, or an operator as `uid 1000`.
    pub by: Name,
    /// Why, in the operator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// From the event that completed the finding, or from the operator's request, until the step was done.
    pub latency_us: u64,
    /// How long the step itself took.
    pub took_us: u64,
    /// What was achieved, in numbers, or why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Text>,
}

/// A step of a response, in the order of containment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Every flow of the run is cut, and none opens.
    Cut,
    /// Every process of the run stands still.
    Freeze,
    /// What shows how it came to this is kept.
    Collect,
    /// Every process of the run is killed.
    Kill,
    /// Nothing resumes the run, or another one under its labels, but an operator.
    Hold,
    /// The run goes on, and may connect again.
    Thaw,
    /// What was held is so no more.
    Release,
    /// The operator's own command or web hook was told.
    Notify,
}

impl Step {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Freeze => "freeze",
            Self::Collect => "collect",
            Self::Kill => "kill",
            Self::Hold => "hold",
            Self::Thaw => "thaw",
            Self::Release => "release",
            Self::Notify => "notify",
        }
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is so now.
    Done,
    /// It was so before.
    Already,
    /// It could not be done.
    Failed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered() {
        let order =
            [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        assert!(order.is_sorted());
        for severity in order {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        }
    }
}
