//! The findings of a run, as they stand.

use std::collections::BTreeMap;

use event::fact::{Finding, Severity};
use event::{CallId, Observation};

use crate::summary::FindingSummary;

/// Findings that are remembered, the worst first where there are more.
const FINDINGS: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Findings {
    known: BTreeMap<u64, FindingSummary>,
    /// The number of the last one, which is also how many there are.
    last: u64,
    worst: Option<Severity>,
    omitted: u64,
}

impl Findings {
    /// Takes one in, or what has become of it.
    pub(crate) fn count(&mut self, observation: &Observation, finding: &Finding) {
        self.last = self.last.max(finding.finding);
        self.worst = self.worst.max(Some(finding.severity));
        let call: Option<CallId> = observation.cause.as_ref().map(|cause| cause.call);
        let tool_call_id = observation.cause.as_ref().and_then(|cause| cause.tool_call_id.clone());
        self.known.insert(finding.finding, FindingSummary { call, tool_call_id, finding: finding.clone() });
        if self.known.len() > FINDINGS {
            let least =
                self.known.iter().min_by_key(|(number, known)| (known.finding.severity, u64::MAX - **number));
            if let Some(number) = least.map(|(number, _)| *number) {
                self.known.remove(&number);
                self.omitted += 1;
            }
        }
    }

    /// How many different ones there are.
    pub(crate) fn total(&self) -> u64 {
        self.last
    }

    /// Whether one of them is out of bounds, or was an attempt at it.
    pub(crate) fn is_violation(&self) -> bool {
        self.worst >= Some(Severity::Medium)
    }

    /// In the order of their numbers, and how many are left out.
    pub(crate) fn into_list(self) -> (Vec<FindingSummary>, u64) {
        (self.known.into_values().collect(), self.omitted)
    }
}
