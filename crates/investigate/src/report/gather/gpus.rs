//! GPUs that came into use, beside the calls that mined.
//!
//! A GPU in use is no crime, and its samples are too far apart to name a call by. Beside a call that went to a pool it is a second witness.

use std::collections::{HashMap, HashSet};

use flows::FlowKind;

use super::super::figures::percent;
use super::{Case, is_malicious};
use crate::attribution::Answer;
use crate::incident::FlowRow;

/// How many sentences a call has.
pub(super) const EACH: usize = 3;
/// Less probable than that is nothing to tell.
const LEAST: f64 = 0.05;

/// For each of some calls, a sentence for each GPU that it may have brought into use, by the flows of a part.
pub(super) fn beside(
    case: Case<'_>,
    calls: &HashSet<usize>,
    flows: &[FlowRow],
    answers: &[Answer],
) -> HashMap<usize, Vec<String>> {
    let mut sentences: HashMap<usize, Vec<String>> = HashMap::new();
    let is_use = |flow: &FlowRow| flow.kind == FlowKind::Gpu && !is_malicious(flow);
    for (flow, answer) in flows.iter().zip(answers).filter(|(flow, _)| is_use(flow)) {
        for (call, probability) in answer.candidates.iter().filter(|(call, _)| calls.contains(call)) {
            let told = sentences.entry(*call).or_default();
            if *probability >= LEAST && told.len() < EACH {
                told.extend(sentence(case, flow, *call, *probability));
            }
        }
    }
    sentences
}

/// Nothing, if nobody knows when the call began.
fn sentence(case: Case<'_>, flow: &FlowRow, call: usize, probability: f64) -> Option<String> {
    let clock = case.found.timeline.flows(flow.clock)?;
    let begun = case.start(case.incident.calls.get(call)?)?;
    let after = |moment: i64| clock.to_common(moment).saturating_sub(begun) as f64 / 1e9;
    Some(format!(
        "{} came into use {:.0} to {:.0} s after the call began ({} that the call did that)",
        case.incident.destinations.text(flow.destination),
        after(flow.from),
        after(flow.until),
        percent(probability).replace('\u{a0}', " "),
    ))
}
