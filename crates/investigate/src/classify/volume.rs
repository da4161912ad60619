//! Much that is sent and little that is got, at once or in pieces, outside, to where it is not usual to go.
//!
//! What is usual is told by how many go there: a place that gathers results, or a service that takes a part in every task, is
//! called from everywhere, in most runs. Where a baseline is given it knows better, and holds back the rest.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use flows::FlowKind;

use super::is_outside;
use crate::incident::{FlowRow, Incident};
use crate::model::Id;

/// Much, in bytes: as the analyzer of `detect` has it.
const MUCH: u64 = 10 << 20;
/// Pieces that are sent within so much time are one volume, in nanoseconds.
const WINDOW: i64 = 3_600_000_000_000;
/// What fewer than one of so many runs may have called is not a part of their tasks.
const RUNS: usize = 10;

/// For each flow of some places, whether it is a part of much, of those that go to where it is `unusual` to go.
pub(crate) fn find(incident: &Incident, rows: &[FlowRow], unusual: impl Fn(&FlowRow) -> bool) -> Vec<bool> {
    let mut groups: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        if is_upload(row) && unusual(row) {
            groups.entry((row.place, row.source.0, end(incident, row))).or_default().push(at);
        }
    }
    let mut found = vec![false; rows.len()];
    for mut flows in groups.into_values() {
        flows.sort_by_key(|at| rows[*at].time);
        mark(rows, &flows, &mut found);
    }
    found
}

/// Where it goes: a name has many addresses, and an address without one many ports.
fn end(incident: &Incident, row: &FlowRow) -> Result<IpAddr, Id> {
    let has_name = incident.ends.get(row.destination as usize).is_some_and(|end| end.name.is_some());
    row.called.0.filter(|_| !has_name).ok_or(row.destination)
}

/// Whether it sent ten times what it got, outside.
fn is_upload(flow: &FlowRow) -> bool {
    let (sent, got) = (sent(flow), flow.bytes.1.unwrap_or(0));
    sent > 0 && sent / 10 > got && flow.kind != FlowKind::Lookup && flow.called.0.is_some_and(is_outside)
}

fn sent(flow: &FlowRow) -> u64 {
    flow.bytes.0.unwrap_or(0)
}

/// Whether few go there.
pub(super) fn is_unusual(incident: &Incident, flow: &FlowRow) -> bool {
    let visits = incident.visits.get(flow.destination as usize);
    visits.is_some_and(|visits| visits.are_of_few() || visits.flows as usize * RUNS <= incident.runs.len())
}

/// Marks what is within a window that has much.
fn mark(rows: &[FlowRow], flows: &[usize], found: &mut [bool]) {
    let (mut window, mut sum, mut unmarked) = (VecDeque::new(), 0_u128, 0);
    for at in flows {
        let flow = &rows[*at];
        window.push_back(*at);
        sum += u128::from(sent(flow));
        unmarked += 1;
        while let Some(first) =
            window.front().copied().filter(|first| flow.time.saturating_sub(rows[*first].time) > WINDOW)
        {
            window.pop_front();
            sum -= u128::from(sent(&rows[first]));
        }
        if sum >= u128::from(MUCH) {
            window.iter().rev().take(unmarked).for_each(|at| found[*at] = true);
            unmarked = 0;
        }
    }
}
