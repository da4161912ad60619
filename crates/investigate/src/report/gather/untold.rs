//! What could not be told, and why, as sentences: what concerns malicious flows first.

use super::super::figures::count;
use super::Case;
use crate::attribution::{Answer, Clock, Untold};
use crate::incident::FlowRow;

/// So many clocks are told of one by one.
const CLOCKS: usize = 40;

/// Flows of which something can't be told: how many, and how many malicious ones of them.
#[derive(Debug, Default)]
pub(super) struct Unsaid {
    no_place: (u64, u64),
    no_clock: (u64, u64),
    spread: (u64, u64),
    no_class: (u64, u64),
}

impl Unsaid {
    pub(super) fn take(&mut self, flow: &FlowRow, answer: &Answer, malicious: bool) {
        let best = answer.best().map(|(_, probability)| probability);
        let mut count = |of: fn(&mut Self) -> &mut (u64, u64), is_so: bool| {
            let (all, bad) = of(self);
            *all += u64::from(is_so);
            *bad += u64::from(is_so && malicious);
        };
        count(|unsaid| &mut unsaid.no_place, answer.untold == Some(Untold::NoPlace));
        count(|unsaid| &mut unsaid.no_clock, answer.untold == Some(Untold::NoClock));
        count(|unsaid| &mut unsaid.spread, malicious && best.is_some_and(|probability| probability < 0.5));
        count(|unsaid| &mut unsaid.no_class, flow.class.is_none());
    }

    pub(super) fn add(&mut self, later: Self) {
        let both = [
            (&mut self.no_place, later.no_place),
            (&mut self.no_clock, later.no_clock),
            (&mut self.spread, later.spread),
            (&mut self.no_class, later.no_class),
        ];
        for ((all, bad), later) in both {
            *all += later.0;
            *bad += later.1;
        }
    }
}

pub(super) fn sentences(case: Case<'_>, unsaid: &Unsaid) -> Vec<String> {
    let mut all: Vec<String> = flows(unsaid).collect();
    all.extend(left_out(case));
    all.extend(clocks(case));
    all.extend(gpus(case));
    all
}

fn flows(unsaid: &Unsaid) -> impl Iterator<Item = String> {
    [
        ("Flows with an address that no host map knows, so that nobody can say whose they were", unsaid.no_place),
        (
            "Flows timed by a clock that can't be brought together with the traces', so that their cause can't be told",
            unsaid.no_clock,
        ),
        ("Flows that a call caused more probably than none, but no single call is likely", unsaid.spread),
        ("Flows whose records don't tell enough to say of what kind they are", unsaid.no_class),
    ]
    .into_iter()
    .filter(|(_, (all, _))| *all > 0)
    .map(|(what, (all, bad))| {
        let of_them = if bad > 0 { format!(", {} of them malicious", count(bad)) } else { String::new() };
        format!("{what}: {}{of_them}.", count(all))
    })
}

/// What was left out.
fn left_out(case: Case<'_>) -> Vec<String> {
    let left_out = &case.incident.left_out;
    [
        (
            "Calls without any time, which can't be joined by time and are no candidates",
            left_out.spans_without_time,
        ),
        ("Calls of runs that no host map knows, which are no candidates", left_out.spans_without_place),
        (
            "Flows to more destinations than are told apart, which are taken as one",
            left_out.destinations_together,
        ),
    ]
    .into_iter()
    .filter(|(_, calls)| *calls > 0)
    .map(|(what, calls)| format!("{what}: {}.", count(calls)))
    .collect()
}

/// Clocks that nobody could tell, or that were taken to be right.
fn clocks(case: Case<'_>) -> Vec<String> {
    let timeline = &case.found.timeline;
    let (traces, flows) = (&case.incident.trace_clocks, &case.incident.flow_clocks);
    let traces = traces.each().zip(0..).map(|(name, id)| ("traces", name, timeline.trace(id)));
    let flows = flows.each().zip(0..).map(|(name, id)| ("records", name, timeline.flows(id)));
    let sentence = |(side, name, clock): (&str, &str, Option<&Clock>)| match clock {
        None => Some(format!("How the clock of the {side} \"{name}\" stands to the others can't be told.")),
        Some(clock) if clock.assumed => Some(format!(
            "The clock of the {side} \"{name}\" is taken to be right: there is too little to measure it by."
        )),
        Some(_) => None,
    };
    let mut sentences: Vec<String> = traces.chain(flows).filter_map(sentence).collect();
    if let Some(more) = sentences.len().checked_sub(CLOCKS).filter(|more| *more > 0) {
        sentences.truncate(CLOCKS);
        sentences.push(format!("As much holds for {} more clocks.", count(more as u64)));
    }
    sentences
}

/// What of GPUs was seen and can be nobody's.
fn gpus(case: Case<'_>) -> Vec<String> {
    let left_out = &case.incident.left_out.gpus;
    let mining = match left_out.mining_without_begin {
        0 => String::new(),
        some => format!(", {} of them by programs that mine", count(some)),
    };
    [
        (
            "Times that a GPU was in use and no sample saw it begin (from its first sample on, or after a hole), so that no call can be told to have begun it",
            left_out.without_begin,
            mining,
        ),
        ("Samples of GPUs older than the ones before them, which were passed over", left_out.out_of_order, String::new()),
        ("Samples of more GPUs and programs than are followed", left_out.too_many, String::new()),
    ]
    .into_iter()
    .filter(|(_, number, _)| *number > 0)
    .map(|(what, number, more)| format!("{what}: {}{more}.", count(number)))
    .collect()
}
