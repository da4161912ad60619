//! The episodes of the culprits, with the flows of their places.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use event::Timestamp;

use super::super::model::{EpisodeTimeline, TimelineCall, TimelineFlow};
use super::{Case, is_malicious};
use crate::attribution::Answer;
use crate::incident::{CallRow, FlowRow};
use crate::model::Id;

/// How many episodes are listed.
const LISTED: usize = 60;
/// How many flows each has at most; malicious ones go first.
const FLOWS: usize = 20_000;
/// How much of a command names a call.
const LABEL: usize = 200;

/// An episode as it is put together.
#[derive(Debug)]
pub(super) struct Episode {
    run: Id,
    /// Indices of its calls, by their beginning.
    calls: Vec<usize>,
    places: Vec<Id>,
    from: i64,
    until: i64,
    flows: Vec<EpisodeFlow>,
}

/// A flow of an episode.
#[derive(Debug)]
pub(super) struct EpisodeFlow {
    time: i64,
    class: Option<Arc<str>>,
    destination: Id,
    malicious: bool,
    /// The call that most probably caused it.
    call: Option<usize>,
    probability: f64,
}

/// The episodes of the culprits, in their order, with their calls.
pub(super) fn begun(case: Case<'_>, ranked: &[usize]) -> Vec<Episode> {
    let mut runs: Vec<Id> = Vec::new();
    for run in ranked.iter().filter_map(|at| Some(case.incident.calls.get(*at)?.run)) {
        if !runs.contains(&run) {
            runs.push(run);
        }
        if runs.len() == LISTED {
            break;
        }
    }
    let mut calls: HashMap<Id, Vec<usize>> = runs.iter().map(|run| (*run, Vec::new())).collect();
    for (at, call) in case.incident.calls.iter().enumerate() {
        if let Some(calls) = calls.get_mut(&call.run) {
            calls.push(at);
        }
    }
    runs.iter().filter_map(|run| Episode::of(case, *run, calls.remove(run)?)).collect()
}

/// Episodes by what their flows are found by.
pub(super) struct Index {
    by_run: HashMap<Id, usize>,
    by_place: HashMap<Id, Vec<usize>>,
    times: Vec<RangeInclusive<i64>>,
}

impl Index {
    pub(super) fn of(episodes: &[Episode]) -> Self {
        let by_run = episodes.iter().enumerate().map(|(at, episode)| (episode.run, at)).collect();
        let mut by_place: HashMap<Id, Vec<usize>> = HashMap::new();
        for (at, episode) in episodes.iter().enumerate() {
            episode.places.iter().for_each(|place| by_place.entry(*place).or_default().push(at));
        }
        Self {
            by_run,
            by_place,
            times: episodes.iter().map(|episode| episode.from..=episode.until).collect(),
        }
    }

    /// A flow goes to the episode whose call most probably caused it, else to those that were at its place then.
    fn of_flow(&self, run: Option<Id>, place: Option<Id>, time: i64) -> Vec<usize> {
        if let Some(run) = run {
            return self.by_run.get(&run).copied().into_iter().collect();
        }
        let at_place = place.and_then(|place| self.by_place.get(&place)).into_iter().flatten().copied();
        at_place.filter(|at| self.times.get(*at).is_some_and(|times| times.contains(&time))).collect()
    }
}

/// The flows of a part, each with the number of its episode.
pub(super) fn flows(
    case: Case<'_>,
    index: &Index,
    flows: &[FlowRow],
    answers: &[Answer],
) -> Vec<(usize, EpisodeFlow)> {
    let mut found = Vec::new();
    // No part has more of an episode than is kept of it.
    let mut kept = vec![0; index.times.len()];
    for (flow, answer) in flows.iter().zip(answers) {
        let Some(time) = case.time(flow) else { continue };
        let best = answer.best();
        let run = best.and_then(|(call, _)| Some(case.incident.calls.get(call)?.run));
        for at in index.of_flow(run, flow.place, time) {
            let malicious = is_malicious(flow);
            if !is_kept(kept[at], malicious) {
                continue;
            }
            kept[at] += 1;
            let flow = EpisodeFlow {
                time,
                class: flow.class.clone(),
                destination: flow.destination,
                malicious,
                call: best.map(|(call, _)| call),
                probability: best.map_or(answer.none, |(_, probability)| probability),
            };
            found.push((at, flow));
        }
    }
    found
}

/// Adds the flows of a part.
pub(super) fn add(episodes: &mut [Episode], flows: Vec<(usize, EpisodeFlow)>) {
    for (at, flow) in flows {
        if let Some(episode) =
            episodes.get_mut(at).filter(|episode| is_kept(episode.flows.len(), flow.malicious))
        {
            episode.flows.push(flow);
        }
    }
}

/// Whether an episode that has so many flows takes another.
fn is_kept(flows: usize, malicious: bool) -> bool {
    flows < FLOWS || malicious && flows < 2 * FLOWS
}

/// The episodes, as they are shown.
pub(super) fn shown(case: Case<'_>, episodes: Vec<Episode>, ranked: &[usize]) -> Vec<EpisodeTimeline> {
    let culprits: HashSet<usize> = ranked.iter().copied().collect();
    episodes.into_iter().map(|episode| episode.shown(case, |call| culprits.contains(&call))).collect()
}

impl Episode {
    fn of(case: Case<'_>, run: Id, mut calls: Vec<usize>) -> Option<Self> {
        let row = |at: &usize| case.incident.calls.get(*at);
        calls.retain(|at| row(at).is_some_and(|call| begin(case, call).is_some()));
        calls.sort_by_key(|at| row(at).and_then(|call| begin(case, call)));
        let begins = || calls.iter().filter_map(|at| begin(case, row(at)?));
        let ends = calls.iter().filter_map(|at| case.end(row(at)?));
        let mut places: Vec<Id> = calls.iter().filter_map(row).flat_map(|call| call.places.clone()).collect();
        places.sort_unstable();
        places.dedup();
        let (from, until) = (begins().min()?, ends.chain(begins()).max()?);
        Some(Self { run, calls, places, from, until, flows: Vec::new() })
    }

    /// Where its calls were.
    pub(super) fn places(&self) -> &[Id] {
        &self.places
    }

    fn shown(mut self, case: Case<'_>, is_culprit: impl Fn(usize) -> bool) -> EpisodeTimeline {
        self.flows.sort_by_key(|flow| flow.time);
        let index: HashMap<usize, usize> =
            self.calls.iter().enumerate().map(|(shown, at)| (*at, shown)).collect();
        let call = |at: &usize| call(case, case.incident.calls.get(*at)?, is_culprit(*at));
        let last = self.flows.last().map_or(self.until, |flow| self.until.max(flow.time));
        let first = self.flows.first().map_or(self.from, |flow| self.from.min(flow.time));
        let task = self.calls.first().and_then(|at| case.incident.calls.get(*at)?.task.as_ref());
        let places: Vec<_> = self.places.iter().map(|place| case.incident.places.text(*place)).collect();
        EpisodeTimeline {
            run: case.incident.runs.text(self.run).to_owned(),
            task: task.map(ToString::to_string),
            place: Some(places.join(", ")).filter(|places| !places.is_empty()),
            start: Timestamp::from_nanos(first),
            end: Timestamp::from_nanos(last),
            calls: self.calls.iter().filter_map(call).collect(),
            flows: self.flows.iter().map(|shown| flow(case, shown, &index)).collect(),
        }
    }
}

/// When a call began; where only its end is told, then.
fn begin(case: Case<'_>, call: &CallRow) -> Option<i64> {
    case.start(call).or_else(|| case.end(call))
}

fn call(case: Case<'_>, row: &CallRow, culprit: bool) -> Option<TimelineCall> {
    let text = if row.command.is_empty() { case.incident.tools.text(row.tool) } else { &row.command };
    Some(TimelineCall {
        start: Timestamp::from_nanos(begin(case, row)?),
        end: case.end(row).map(Timestamp::from_nanos),
        label: text.get(..text.floor_char_boundary(LABEL)).unwrap_or(text).to_owned(),
        culprit,
    })
}

fn flow(case: Case<'_>, flow: &EpisodeFlow, calls: &HashMap<usize, usize>) -> TimelineFlow {
    TimelineFlow {
        time: Timestamp::from_nanos(flow.time),
        class: flow.class.as_deref().map(str::to_owned),
        destination: case.incident.destinations.text(flow.destination).to_owned(),
        probability: flow.probability,
        call: flow.call.and_then(|call| calls.get(&call).copied()),
    }
}
