//! Which calls were open when a flow may have begun, at each place.

use std::collections::BTreeMap;

use super::names::NameIndex;
use super::timeline::Timeline;
use crate::clocks::PLAUSIBLE;
use crate::incident::{CallRow, FlowRow, Incident};
use crate::model::{self, Id, LEAD, LINGER};

/// What is left behind is over at most so long after the last call of its run, if nobody tells when the run was over, in nanoseconds.
const AFTER_RUN: i64 = 600_000_000_000;

/// A place as the model sees it, and what its parts are in the incident.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) place: model::Place,
    /// For each call of the place, its index in the incident.
    pub(super) calls: Vec<usize>,
    /// For each flow of the place, its index among those that were joined.
    pub(super) flows: Vec<usize>,
    pub(super) open: Open,
}

/// Pairs of a flow and an open call that are looked at, at one place; and how many calls a flow has in any case, those that began last. Who
/// writes his own trace may have as many calls open as he likes.
const PAIRS: usize = 1 << 25;
const OPEN: usize = 64;

/// For each flow, the calls that were open.
#[derive(Debug, Default)]
pub(super) struct Open {
    begins: Vec<usize>,
    calls: Vec<u32>,
}

impl Open {
    pub(super) fn of(&self, flow: usize) -> &[u32] {
        let begin = self.begins.get(flow).copied().unwrap_or(0);
        let end = self.begins.get(flow + 1).copied().unwrap_or(self.calls.len());
        self.calls.get(begin..end).unwrap_or_default()
    }

    /// One pass over both in the order of time: calls come in when they begin and go when they have ended.
    /// `around` is what a call's time is widened by, before and after: nothing where all clocks are known exactly.
    fn find(place: &model::Place, around: (i64, i64)) -> Self {
        let mut open = Self::default();
        let (mut next, mut live): (usize, Vec<u32>) = (0, Vec::new());
        let most = (PAIRS / place.flows.len().max(1)).max(OPEN);
        for flow in &place.flows {
            open.begins.push(open.calls.len());
            while place.calls.get(next).is_some_and(|call| call.start.saturating_sub(around.0) <= flow.until)
            {
                live.extend(u32::try_from(next));
                next += 1;
            }
            let call = |at: u32| place.calls.get(at as usize);
            // Flows come in the order of their earliest begin, so what has ended before one has ended for all that follow.
            live.retain(|at| call(*at).is_some_and(|call| call.end.saturating_add(around.1) >= flow.from));
            live.drain(..live.len().saturating_sub(most));
            open.calls.extend(live.iter().filter(|at| {
                call(**at).is_some_and(|call| call.start.saturating_sub(around.0) <= flow.until)
            }));
        }
        open
    }
}

/// What is joined with flows: all calls, by their places, in one time.
#[derive(Debug)]
pub(super) struct Joiner {
    calls: Vec<Vec<(model::Call, u32)>>,
    names: NameIndex,
    around: (i64, i64),
}

impl Joiner {
    pub(super) fn of(incident: &Incident, timeline: &Timeline) -> Self {
        let mut calls: Vec<Vec<(model::Call, u32)>> = vec![Vec::new(); incident.places.len()];
        let gone = gone(incident, timeline);
        for (at, row) in (0_u32..).zip(&incident.calls) {
            let Some(call) = call(row, timeline, &gone) else { continue };
            for place in &row.places {
                if let Some(calls) = calls.get_mut(*place as usize) {
                    calls.push((call, at));
                }
            }
        }
        calls.iter_mut().for_each(|calls| calls.sort_by_key(|(call, at)| (call.start, *at)));
        let around = if timeline.is_exact() { (0, 0) } else { (LEAD, LINGER) };
        Self { calls, names: NameIndex::of(incident), around }
    }

    /// The places of some flows, all of each.
    pub(super) fn places(&self, incident: &Incident, timeline: &Timeline, rows: &[FlowRow]) -> Vec<Joined> {
        let mut flows: BTreeMap<Id, Vec<(model::Flow, usize)>> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            if let Some((place, flow)) = row.place.zip(flow(row, timeline)) {
                flows.entry(place).or_default().push((flow, at));
            }
        }
        flows.into_iter().map(|(place, flows)| self.joined(incident, place, flows)).collect()
    }

    fn joined(&self, incident: &Incident, place: Id, mut flows: Vec<(model::Flow, usize)>) -> Joined {
        flows.sort_by_key(|(flow, at)| (flow.from, *at));
        let (flows, flow_rows) = flows.into_iter().unzip();
        let (calls, call_rows): (_, Vec<usize>) = self
            .calls
            .get(place as usize)
            .into_iter()
            .flatten()
            .map(|(call, at)| (*call, *at as usize))
            .unzip();
        let names = call_rows.iter().map(|at| self.names.named(&incident.calls[*at].names)).collect();
        let place = model::Place { calls, flows, names };
        Joined { open: Open::find(&place, self.around), place, calls: call_rows, flows: flow_rows }
    }
}

fn call(row: &CallRow, timeline: &Timeline, gone: &[i64]) -> Option<model::Call> {
    let clock = timeline.trace(row.clock)?;
    let (start, end) = (clock.to_common(row.start), clock.to_common(row.end));
    if !is_plausible(start, end) {
        return None;
    }
    let gone = gone.get(row.run as usize).copied().unwrap_or(end).max(end);
    Some(model::Call { run: row.run, start, end, kind: row.kind, leaves_behind: row.leaves_behind, gone })
}

fn flow(row: &FlowRow, timeline: &Timeline) -> Option<model::Flow> {
    let clock = timeline.flows(row.clock)?;
    let slack = clock.uncertainty;
    let from = clock.to_common(row.from).saturating_sub(slack);
    let until = clock.to_common(row.until).saturating_add(slack);
    is_plausible(from, until).then_some(model::Flow { from, until, destination: row.destination })
}

/// Times that no clock shows are left out, so that all that is computed with them stays in range.
fn is_plausible(from: i64, until: i64) -> bool {
    PLAUSIBLE.contains(&from) && PLAUSIBLE.contains(&until)
}

/// When each run was over for good: as the host map tells, else a while after its last call.
fn gone(incident: &Incident, timeline: &Timeline) -> Vec<i64> {
    let mut gone: Vec<i64> = vec![i64::MIN; incident.runs.len()];
    for row in &incident.calls {
        let (Some(clock), Some(gone)) = (timeline.trace(row.clock), gone.get_mut(row.run as usize)) else {
            continue;
        };
        *gone = (*gone).max(clock.to_common(row.end).saturating_add(AFTER_RUN));
    }
    let told = |run: Id| incident.gone.get(run as usize).copied().flatten();
    for (run, gone) in gone.iter_mut().enumerate() {
        if let Some(told) = Id::try_from(run).ok().and_then(told) {
            *gone = timeline.reference().map_or(told, |clock| clock.to_common(told));
        }
    }
    gone
}
