//! The whole way from an [`Incident`] to an answer for each flow.
//!
//! 1. `timeline`: all clocks are brought to one, by the pairs of clocks that tell each other apart ([`crate::clocks`]);
//! 2. `join`: at each place, which calls were open when a flow may have begun;
//! 3. the [`crate::model`] is fitted, on some of the places if there are many flows, and judges each flow;
//! 4. what is known by id, because Aurelian saw it, is taken as it is.
//!
//! What can't be told is said with its reason ([`Answer::untold`]), and is no answer of "none".

mod alike;
mod evidence;
mod join;
mod names;
mod timeline;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use crate::incident::{End, FlowRow, Incident, KeepError};
use crate::model::{self, Destinations, Id, Model};
use crate::parallel;

pub use evidence::Evidence;
pub use timeline::{Clock, ClockPair, Skew, Timeline};

/// About so many flows are enough to fit a model; with more, it is fitted to some of the parts, and the rest is only judged.
const FITTED_FLOWS: u64 = 300_000;

/// What was found: what answers are made of. They are made part by part ([`Attribution::each`]), since all of them would be more
/// than the flows.
#[derive(Debug)]
pub struct Attribution {
    /// What is known of the clocks.
    pub timeline: Timeline,
    joiner: join::Joiner,
    model: Model,
    /// Places with calls whose clock could not be brought to the others.
    open: HashSet<Id>,
    /// Calls by their run and id, where flows are known by id.
    by_id: HashMap<Arc<str>, HashMap<Arc<str>, usize>>,
}

/// Who caused a flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The calls that may have, the likeliest first: their index in the incident, and the probability.
    pub candidates: Vec<(usize, f64)>,
    /// How likely it was none of them.
    pub none: f64,
    /// How many calls were possible.
    pub considered: u32,
    /// What speaks for the first.
    pub evidence: Vec<Evidence>,
    /// Why there is no answer, if there is none.
    pub untold: Option<Untold>,
}

/// Why nothing is said of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Untold {
    /// Its addresses are in no host map.
    NoPlace,
    /// Its clock, or that of calls at its place, could not be brought to the others.
    NoClock,
}

impl Answer {
    /// The likeliest call, unless it is likelier that it was none.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.candidates.first().copied().filter(|(_, probability)| *probability > self.none)
    }
}

/// Finds who caused each flow of an incident.
///
/// # Errors
/// If flows can't be had from where they are kept.
pub fn attribute(incident: &Incident, skew: Skew) -> Result<Attribution, KeepError> {
    let timeline = Timeline::of(incident, skew)?;
    let joiner = join::Joiner::of(incident, &timeline);
    let model = fitted(incident, &timeline, &joiner)?;
    let lost = incident.calls.iter().filter(|call| timeline.trace(call.clock).is_none());
    let open = lost.flat_map(|call| call.places.iter().copied()).collect();
    Ok(Attribution { joiner, model, open, by_id: by_id(incident), timeline })
}

impl Attribution {
    /// Does `work` for the flows of each part and their answers, on all processors, and gives `take` what comes of it, in the
    /// order of the parts.
    ///
    /// # Errors
    /// If flows can't be had from where they are kept; and those of `take`.
    pub fn each<T: Send, E: From<KeepError> + Send>(
        &self,
        incident: &Incident,
        work: impl Fn(&[FlowRow], &[Answer]) -> T + Sync,
        take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_of(incident, &(0..incident.flows.parts()).collect::<Vec<_>>(), work, take)
    }

    /// The same for some parts.
    pub(crate) fn each_of<T: Send, E: From<KeepError> + Send>(
        &self,
        incident: &Incident,
        parts: &[usize],
        work: impl Fn(&[FlowRow], &[Answer]) -> T + Sync,
        take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let of_part = |at: usize| {
            let rows = incident.flows.part(parts.get(at).copied().unwrap_or(usize::MAX))?;
            Ok(work(&rows, &self.answers(incident, &rows)))
        };
        parallel::each(parts.len(), of_part, take)
    }

    /// All flows with their answers, in the order in which they were read: for incidents that are known to be small.
    ///
    /// # Errors
    /// If flows can't be had from where they are kept.
    pub fn all(&self, incident: &Incident) -> Result<Vec<(FlowRow, Answer)>, KeepError> {
        let mut all = Vec::new();
        let both = |rows: &[FlowRow], answers: &[Answer]| -> Vec<_> {
            rows.iter().cloned().zip(answers.iter().cloned()).collect()
        };
        self.each(incident, both, |part| {
            all.extend(part);
            Ok::<_, KeepError>(())
        })?;
        all.sort_by_key(|(row, _)| row.number);
        Ok(all)
    }

    /// The answers for the flows of some places, all of each.
    fn answers(&self, incident: &Incident, rows: &[FlowRow]) -> Vec<Answer> {
        let untold = |row: &FlowRow| if row.place.is_some() { Untold::NoClock } else { Untold::NoPlace };
        let mut answers: Vec<Answer> =
            rows.iter().map(|row| Answer { untold: Some(untold(row)), ..Answer::default() }).collect();
        for place in self.joiner.places(incident, &self.timeline, rows) {
            judge(&self.model, &place, incident, &mut answers);
        }
        for (row, answer) in rows.iter().zip(&mut answers) {
            self.leave_open(row, answer);
            self.take_by_id(row, answer);
        }
        answers
    }

    /// At a place with calls whose clock could not be brought to the others, "none" may be one of those.
    fn leave_open(&self, row: &FlowRow, answer: &mut Answer) {
        let is_open = row.place.is_some_and(|place| self.open.contains(&place));
        if is_open && answer.untold.is_none() && answer.best().is_none() {
            *answer = Answer { untold: Some(Untold::NoClock), ..Answer::default() };
        }
    }

    /// What Aurelian itself saw needs no estimate.
    fn take_by_id(&self, row: &FlowRow, answer: &mut Answer) {
        let Some((run, id)) = &row.exact else { return };
        let call = id.as_deref().and_then(|id| self.by_id.get(run)?.get(id));
        *answer = Answer {
            candidates: call.map(|call| vec![(*call, 1.0)]).unwrap_or_default(),
            none: if call.is_some() { 0.0 } else { 1.0 },
            considered: 1,
            evidence: vec![Evidence::ById],
            untold: None,
        };
    }
}

/// A model of the places of some parts, evenly over all, so that no worker's habits are everybody's.
fn fitted(incident: &Incident, timeline: &Timeline, joiner: &join::Joiner) -> Result<Model, KeepError> {
    let parts: Vec<usize> =
        (0..incident.flows.parts()).filter(|part| incident.flows.part_len(*part) > 0).collect();
    let step = (incident.flows.len() / FITTED_FLOWS).max(1) as usize;
    let mut chosen: Vec<join::Joined> = Vec::new();
    for part in parts.iter().step_by(step) {
        chosen.extend(joiner.places(incident, timeline, &incident.flows.part(*part)?));
    }
    let places: Vec<&model::Place> = chosen.iter().map(|joined| &joined.place).collect();
    Ok(model::fit(&places, destinations(incident), |place, flow| chosen[place].open.of(flow)))
}

/// Destinations are alike by their port, and by how often they are called at all: what a log is shipped to tells nothing of a host that
/// was called once. GPUs are alike, and like nothing else.
fn destinations(incident: &Incident) -> Destinations {
    let counts = incident.visits.iter().map(|visits| visits.flows).chain(std::iter::repeat(0));
    const GPU: Id = 1 << 17; // no port
    let group = |(end, count): (&End, u32)| {
        let of_gpus = if end.is_gpu { GPU } else { 0 };
        end.port.map_or(of_gpus, |port| Id::from(port) + 1) | (count.max(1).ilog2() / 2) << 20
    };
    Destinations { groups: incident.ends.iter().zip(counts).map(group).collect() }
}

/// Puts in the answers for the flows of a place.
fn judge(model: &Model, joined: &join::Joined, incident: &Incident, answers: &mut [Answer]) {
    let call = |at: usize| joined.calls.get(at).copied().unwrap_or(usize::MAX);
    model.judge(
        &joined.place,
        |flow| joined.open.of(flow),
        |at, verdict| {
            let Some(answer) = joined.flows.get(at).and_then(|flow| answers.get_mut(*flow)) else { return };
            *answer = Answer {
                candidates: verdict
                    .candidates
                    .iter()
                    .map(|candidate| (call(candidate.call), candidate.probability))
                    .collect(),
                none: verdict.none,
                considered: verdict.considered,
                evidence: evidence::of(model, joined, incident, at, &verdict),
                untold: None,
            };
        },
    );
}

/// Calls by their run and id, if any flow is known by id.
fn by_id(incident: &Incident) -> HashMap<Arc<str>, HashMap<Arc<str>, usize>> {
    let mut ids: HashMap<Arc<str>, HashMap<Arc<str>, usize>> = HashMap::new();
    if !incident.flows.any_exact() {
        return ids;
    }
    for (at, call) in incident.calls.iter().enumerate() {
        if let Some((run, id)) = incident.runs.shared(call.run).zip(call.tool_call_id.clone()) {
            ids.entry(run).or_default().insert(id, at);
        }
    }
    ids
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::path::Path;

    use intake::{Origin, Stamp};
    use trace::{Means, Moment, Span, SpanKind};

    use super::*;
    use crate::hosts::Hosts;
    use crate::incident::Builder;

    const SECOND: i64 = 1_000_000_000;

    fn span(order: u64, start: i64) -> Span {
        let mut span = Span::new("a", SpanKind::Call, Origin::new(Path::new("x").into(), 0));
        (span.order, span.tool_call_id) = (order, Some(format!("call_{order}")));
        span.command = Some("curl https://files.example.com".into());
        span.start = Some(Moment::new(Stamp::exact(start), Means::CommandStarted));
        span.end = Some(Moment::new(Stamp::exact(start + 2 * SECOND), Means::CommandEnded));
        span
    }

    fn flow(at: i64, to: &str) -> flows::Flow {
        let time = flows::Moment::new(Stamp::exact(at), flows::Means::Began);
        let mut flow = flows::Flow::new(flows::FlowKind::Flow, time, Origin::new(Path::new("y").into(), 0));
        (flow.destination, flow.destination_port) = (to.parse().ok(), Some(443));
        flow
    }

    /// 40 calls a minute apart, each of which begins one flow; and flows by the half minute that none began.
    fn incident(ahead: i64, exact: bool) -> Incident {
        let mut builder = Builder::new(Hosts::default());
        for call in 0..40 {
            // Irregular, as agents are: with regular calls every period would be an offset.
            let start = (60 * call + call * call % 17) * SECOND;
            builder.span(trace::Format::Spans, span(call.cast_unsigned(), start));
            let mut caused = flow(start + ahead + SECOND / 5, "203.0.113.1");
            if exact {
                (caused.run, caused.tool_call_id) = (Some("a".into()), Some("call_7".into()));
            }
            builder.flow(flows::Format::Eve, caused).unwrap();
            builder.flow(flows::Format::Eve, flow((60 * call + 35) * SECOND + ahead, "203.0.113.2")).unwrap();
        }
        builder.build().unwrap()
    }

    fn answers(incident: &Incident, skew: Skew) -> Vec<Answer> {
        let all = attribute(incident, skew).unwrap().all(incident).unwrap();
        all.into_iter().map(|(_, answer)| answer).collect()
    }

    #[test]
    fn what_is_told_of_the_clocks_is_taken() {
        let answers = answers(&incident(3600 * SECOND, false), Skew::Told(3600 * SECOND));
        let (caused, beside): (Vec<_>, Vec<_>) = answers.chunks(2).map(|pair| (&pair[0], &pair[1])).unzip();
        let blamed: Vec<_> = caused.iter().filter_map(|answer| Some(answer.best()?.0)).collect();
        assert_eq!(blamed, Vec::from_iter(0..40));
        assert!(beside.iter().all(|answer| answer.best().is_none() && answer.untold.is_none()));
    }

    #[test]
    fn a_call_of_another_century_changes_nothing() {
        let caused = |wild: &[i64]| {
            let mut builder = Builder::new(Hosts::default());
            for (order, at) in (50..).zip(wild) {
                builder.span(trace::Format::Spans, span(order, *at));
            }
            for call in 0..40 {
                let start = (1_000_000 + 60 * call) * SECOND;
                builder.span(trace::Format::Spans, span(call.cast_unsigned(), start));
                builder.flow(flows::Format::Eve, flow(start + SECOND / 5, "203.0.113.1")).unwrap();
                // Most that goes there is nobody's.
                for other in 0..5 {
                    let at = start + (3 + 11 * other) * SECOND;
                    builder.flow(flows::Format::Eve, flow(at, "203.0.113.2")).unwrap();
                }
            }
            let answers = answers(&builder.build().unwrap(), Skew::Told(0));
            answers.iter().map(|answer| answer.best().is_some()).collect::<Vec<_>>()
        };
        assert_eq!(caused(&[0, 120 * 365 * 86_400 * SECOND]), caused(&[]));
    }

    #[test]
    fn where_clocks_cannot_be_told_nothing_is_said_to_be_nobodys() {
        let mut incident = incident(0, false);
        // Flows that follow no call.
        let mut chance = 7_u64;
        for part in 0..incident.flows.parts() {
            let mut rows = incident.flows.part(part).unwrap();
            for row in &mut rows {
                chance =
                    chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (chance >> 33).cast_signed() * 1117 % (2400 * SECOND);
                (row.from, row.until, row.time) = (at, at, at);
            }
            incident.flows.put(part, &rows).unwrap();
        }
        let found = attribute(&incident, Skew::Auto).unwrap();
        assert!(found.timeline.pairs.iter().all(|pair| pair.estimate.is_err()));
        let answers = answers(&incident, Skew::Auto);
        assert!(answers.iter().all(|answer| answer.untold == Some(Untold::NoClock)));
    }

    #[test]
    fn however_many_hosts_a_trace_names_clocks_with_calls_are_compared() {
        let mut builder = Builder::new(Hosts::default());
        for call in 0..40 {
            let start = (60 * call + call * call % 17) * SECOND;
            builder.span(trace::Format::Spans, span(call.cast_unsigned(), start));
            builder.flow(flows::Format::Eve, flow(start + SECOND / 5, "203.0.113.1")).unwrap();
        }
        for host in 0..3000_u64 {
            let mut lone = span(100 + host, 0);
            lone.host = Some(format!("host-{host}"));
            builder.span(trace::Format::Spans, lone);
        }
        let incident = builder.build().unwrap();
        let pairs = attribute(&incident, Skew::Auto).unwrap().timeline.pairs;
        let too_many =
            |pair: &ClockPair| matches!(pair.estimate, Err(crate::clocks::Refusal::TooMany { told: 512 }));
        assert_eq!((pairs.len(), pairs.iter().filter(|pair| too_many(pair)).count()), (3001, 2489));
        assert!(pairs.iter().any(|pair| pair.trace == 0 && !too_many(pair)), "the busiest is compared");
    }

    #[test]
    fn what_was_seen_is_not_estimated() {
        let answer = &answers(&incident(0, true), Skew::Told(0))[0];
        assert_eq!((answer.best(), &*answer.evidence), (Some((7, 1.0)), &[Evidence::ById][..]));
    }
}
