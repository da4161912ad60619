//! One time for all clocks.
//!
//! Each pair of a trace's clock and a log's clock may tell their offset; the surest pairs tie the clocks together, one after the other, to
//! the clock of the most flows, and logs that none ties to logs that saw the same connections (`alike`). Where there is too little to tell anything by, and both sides state their zones, the clocks are taken to be right, with
//! so much allowed as computers' clocks are mostly good for. Where there is enough, and it doesn't tell, nothing is said of what
//! such a clock timed.
//!
//! Samples of GPUs tell no offset: they are seconds to minutes apart, and most of what uses a GPU is no call's doing. Their clock is taken to
//! be right where its zone is known.

use std::collections::HashSet;

use serde::Serialize;

use super::alike;
use crate::clocks::{Estimate, PlaceTimes, Refusal, estimate};
use crate::incident::gpu::is_clock_of_samples;
use crate::incident::{Incident, KeepError};
use crate::model::Id;
use crate::parallel;

/// A pile that stands out so far leaves no doubt.
const SURE: f64 = 12.0;
/// What is allowed for a clock that is taken to be right, in nanoseconds.
const ASSUMED: i64 = 2_000_000_000;

/// Pairs of clocks that are compared at most, each of which may take a second: a trace may name any number of hosts, each with a clock.
const MOST_PAIRS: usize = 512;
/// Of a log with more flows than that, some places are looked at.
const MOST_TIMES: u64 = 8_000_000;

/// How the clocks' offset is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// From the data.
    Auto,
    /// Told: what the flows' clocks are ahead of the traces', in nanoseconds.
    Told(i64),
}

/// A pair of clocks, and what they tell of each other.
#[derive(Clone, Debug, Serialize)]
pub struct ClockPair {
    /// The trace's clock.
    pub trace: Id,
    /// The log's clock.
    pub flows: Id,
    /// What relates them, or why that can't be told.
    pub estimate: Result<Estimate, Refusal>,
}

/// From one clock to the common time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Clock {
    /// The clock less the common time at `origin`, in nanoseconds.
    pub offset: i64,
    /// In parts per billion.
    pub drift_ppb: i64,
    /// By the clock.
    pub origin: i64,
    /// How far off it may be still, in nanoseconds.
    pub uncertainty: i64,
    /// It is taken to be right, and was not measured.
    pub assumed: bool,
}

/// All clocks.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The pairs.
    pub pairs: Vec<ClockPair>,
    traces: Vec<Option<Clock>>,
    flows: Vec<Option<Clock>>,
    reference: Option<Clock>,
}

const RIGHT: Clock = Clock { offset: 0, drift_ppb: 0, origin: 0, uncertainty: 0, assumed: false };

impl Clock {
    fn at(&self, moment: i64) -> i64 {
        let since = i128::from(moment) - i128::from(self.origin);
        let drifted = since * i128::from(self.drift_ppb) / 1_000_000_000;
        self.offset.saturating_add(i64::try_from(drifted).unwrap_or(i64::MAX))
    }

    /// A moment of this clock in the common time.
    pub fn to_common(&self, moment: i64) -> i64 {
        moment.saturating_sub(self.at(moment))
    }

    /// The clock that is ahead of this one by `sign` times the estimate.
    fn beside(&self, estimate: &Estimate, sign: i64) -> Self {
        Self {
            offset: self.at(estimate.origin).saturating_add(sign.saturating_mul(estimate.offset)),
            drift_ppb: self.drift_ppb + sign * estimate.drift_ppb,
            origin: estimate.origin,
            uncertainty: self.uncertainty.saturating_add(estimate.uncertainty),
            assumed: self.assumed,
        }
    }
}

impl Timeline {
    pub(super) fn of(incident: &Incident, skew: Skew) -> Result<Self, KeepError> {
        let (traces, flows) = (incident.trace_clocks.len(), incident.flow_clocks.len());
        match skew {
            Skew::Told(offset) => {
                let ahead = Clock { offset, ..RIGHT };
                Ok(Self {
                    pairs: Vec::new(),
                    traces: vec![Some(RIGHT); traces],
                    flows: vec![Some(ahead); flows],
                    reference: Some(ahead),
                })
            }
            Skew::Auto => {
                let mut pairs = pairs(incident)?;
                let (traces, flows, reference) = tied(incident, &pairs)?;
                pairs.iter_mut().for_each(|pair| contradict(pair, &traces, &flows));
                Ok(Self { pairs, traces, flows, reference })
            }
        }
    }

    /// The clock of a trace; none if it can't be brought to the common time.
    pub fn trace(&self, id: Id) -> Option<&Clock> {
        self.traces.get(id as usize)?.as_ref()
    }

    /// The clock of a log; none if it can't be brought to the common time.
    pub fn flows(&self, id: Id) -> Option<&Clock> {
        self.flows.get(id as usize)?.as_ref()
    }

    /// Whether nothing is left open: somebody told the skew.
    pub(super) fn is_exact(&self) -> bool {
        self.traces.iter().chain(&self.flows).flatten().all(|clock| clock.uncertainty == 0 && !clock.assumed)
            && self.pairs.is_empty()
    }

    /// The clock of the most flows, by which the host map's times are taken.
    pub(super) fn reference(&self) -> Option<&Clock> {
        self.reference.as_ref()
    }
}

/// Each clock of a trace with each clock of a log.
fn pairs(incident: &Incident) -> Result<Vec<ClockPair>, KeepError> {
    let logged = Logged::of(incident)?;
    let traces = incident.trace_clocks.len();
    let telling: Vec<(Id, &Logged)> = (0..)
        .zip(&logged)
        .filter(|(clock, _)| !is_clock_of_samples(incident.flow_clocks.text(*clock)))
        .collect();
    let told = MOST_PAIRS / telling.len().max(1);
    let compared = busiest(incident, told);
    let mut pairs = Vec::new();
    parallel::each(
        traces * telling.len(),
        |at| {
            let (trace, (flows, logged)) = ((at / telling.len()) as Id, telling[at % telling.len()]);
            let estimate = match compared.contains(&trace) {
                true => estimate(&logged.beside(incident, trace), logged.resolution),
                false => Err(Refusal::TooMany { told }),
            };
            Ok(ClockPair { trace, flows, estimate })
        },
        |pair| {
            pairs.push(pair);
            Ok(())
        },
    )?;
    Ok(pairs)
}

/// The clocks of traces with the most calls, so many at most.
fn busiest(incident: &Incident, most: usize) -> HashSet<Id> {
    let mut calls = vec![0_usize; incident.trace_clocks.len()];
    for call in &incident.calls {
        calls.get_mut(call.clock as usize).into_iter().for_each(|count| *count += 1);
    }
    let mut clocks: Vec<(usize, Id)> = calls.into_iter().zip(0..).collect();
    clocks.sort_unstable_by_key(|(calls, clock)| (std::cmp::Reverse(*calls), *clock));
    clocks.into_iter().take(most).map(|(_, clock)| clock).collect()
}

/// When flows of a clock began, at each place.
#[derive(Clone)]
struct Logged {
    places: Vec<Vec<i64>>,
    /// How fine the times are.
    resolution: u64,
}

impl Logged {
    /// For each clock of logs. Of what is too much, only some places: they tell as well.
    fn of(incident: &Incident) -> Result<Vec<Self>, KeepError> {
        let none = Self { places: vec![Vec::new(); incident.places.len()], resolution: 1 };
        let mut all = vec![none; incident.flow_clocks.len()];
        let steps: Vec<u64> = incident.timed.iter().map(|timed| timed.flows / MOST_TIMES + 1).collect();
        for part in 0..incident.flows.parts() {
            for row in incident.flows.part(part)? {
                let Some((place, clock)) = row.place.zip(all.get_mut(row.clock as usize)) else { continue };
                let step = steps.get(row.clock as usize).copied().unwrap_or(1);
                if let Some(times) = clock.places.get_mut(place as usize)
                    && u64::from(place) % step == 0
                {
                    times.push(row.time);
                    clock.resolution = clock.resolution.max(row.resolution);
                }
            }
        }
        Ok(all)
    }

    /// The same, with the begins of the calls that a clock of traces timed: of the places that have both.
    fn beside(&self, incident: &Incident, trace: Id) -> Vec<PlaceTimes> {
        let mut begins: Vec<Vec<i64>> = vec![Vec::new(); self.places.len()];
        for call in incident.calls.iter().filter(|call| call.clock == trace && call.start_known) {
            for place in &call.places {
                if let Some(begins) = begins.get_mut(*place as usize) {
                    begins.push(call.start);
                }
            }
        }
        let both = begins.into_iter().zip(&self.places);
        both.filter(|(calls, flows)| !calls.is_empty() && !flows.is_empty())
            .map(|(calls, flows)| PlaceTimes { calls, flows: flows.clone() })
            .collect()
    }
}

type Tied = (Vec<Option<Clock>>, Vec<Option<Clock>>, Option<Clock>);

/// Ties clocks together by the surest pairs first.
fn tied(incident: &Incident, pairs: &[ClockPair]) -> Result<Tied, KeepError> {
    let mut traces: Vec<Option<Clock>> = vec![None; incident.trace_clocks.len()];
    let mut flows: Vec<Option<Clock>> = vec![None; incident.flow_clocks.len()];
    // Samples tie nothing to themselves, so their clock is the common time only if there is no other.
    let is_of_flows = |at: usize| !incident.flow_clocks.each().nth(at).is_some_and(is_clock_of_samples);
    let timed = incident.timed.iter().enumerate();
    let main = timed.max_by_key(|(at, timed)| (is_of_flows(*at), timed.flows)).map(|(at, _)| at);
    if let Some(clock) = main.and_then(|main| flows.get_mut(main)) {
        *clock = Some(RIGHT);
    }
    // Pairs that leave no doubt, then what two logs both saw, then the rest.
    tie(pairs, SURE, &mut traces, &mut flows);
    alike(incident, &mut flows)?;
    tie(pairs, 0.0, &mut traces, &mut flows);
    alike(incident, &mut flows)?;
    assume(incident, pairs, &mut traces, &mut flows);
    let reference = main.and_then(|main| flows.get(main).copied().flatten());
    Ok((traces, flows, reference))
}

/// A pair that was not used, and says something else than those that were, was chance.
fn contradict(pair: &mut ClockPair, traces: &[Option<Clock>], flows: &[Option<Clock>]) {
    let Ok(estimate) = &pair.estimate else { return };
    let (Some(trace), Some(flow)) = (traces[pair.trace as usize], flows[pair.flows as usize]) else { return };
    let used = flow.at(estimate.origin).saturating_sub(trace.at(estimate.origin));
    if used.saturating_sub(estimate.offset).saturating_abs() > 2 * ASSUMED + estimate.uncertainty {
        pair.estimate = Err(Refusal::Contradicted { lag_s: estimate.offset as f64 / 1e9 });
    }
}

/// Ties clocks of which one is known to it, by the pairs that are at least so clear, the most exact first.
fn tie(pairs: &[ClockPair], clarity: f64, traces: &mut [Option<Clock>], flows: &mut [Option<Clock>]) {
    let estimates = pairs.iter().filter_map(|pair| Some((pair, pair.estimate.as_ref().ok()?)));
    let mut sure: Vec<(&ClockPair, &Estimate)> =
        estimates.filter(|(_, estimate)| estimate.clarity >= clarity).collect();
    sure.sort_by_key(|(_, estimate)| estimate.uncertainty);
    let one_is_known = |pair: &ClockPair, traces: &[Option<Clock>], flows: &[Option<Clock>]| {
        traces[pair.trace as usize].is_some() != flows[pair.flows as usize].is_some()
    };
    while let Some((pair, estimate)) = sure.iter().find(|(pair, _)| one_is_known(pair, traces, flows)) {
        let (trace, flow) = (pair.trace as usize, pair.flows as usize);
        match (traces[trace], flows[flow]) {
            (Some(known), None) => flows[flow] = Some(known.beside(estimate, 1)),
            (None, Some(known)) => traces[trace] = Some(known.beside(estimate, -1)),
            _ => break,
        }
    }
}

/// Ties logs that no trace ties to those that saw the same connections.
fn alike(incident: &Incident, flows: &mut [Option<Clock>]) -> Result<(), KeepError> {
    for at in 0..flows.len() {
        if flows[at].is_some() {
            continue;
        }
        let estimates = alike::estimates(incident, at as Id, |one| flows[one as usize].is_some())?;
        let known = estimates.into_iter().enumerate().filter_map(|(one, estimate)| {
            let clock: Clock = (*flows.get(one)?)?;
            Some(clock.beside(&estimate?, 1))
        });
        flows[at] = known.min_by_key(|clock| clock.uncertainty);
    }
    Ok(())
}

/// Clocks that nothing ties, because too little was timed by them, are taken to be right if their times state a zone.
fn assume(
    incident: &Incident,
    pairs: &[ClockPair],
    traces: &mut [Option<Clock>],
    flows: &mut [Option<Clock>],
) {
    let states = |name: &str| !name.ends_with("zone unknown");
    let is_right = |clock: &Option<Clock>| clock.is_some_and(|clock| clock.offset.abs() <= ASSUMED);
    let right =
        incident.flow_clocks.each().zip(flows.iter()).any(|(name, clock)| states(name) && is_right(clock));
    let too_few = |of: &dyn Fn(&ClockPair) -> bool| {
        pairs.iter().filter(|pair| of(pair)).all(|pair| matches!(pair.estimate, Err(Refusal::TooFew { .. })))
    };
    let assumed = Some(Clock { uncertainty: ASSUMED, assumed: true, ..RIGHT });
    for (at, (name, clock)) in incident.trace_clocks.each().zip(traces.iter_mut()).enumerate() {
        if right && clock.is_none() && states(name) && too_few(&|pair| pair.trace as usize == at) {
            *clock = assumed;
        }
    }
    for (at, (name, clock)) in incident.flow_clocks.each().zip(flows.iter_mut()).enumerate() {
        if right && clock.is_none() && states(name) && too_few(&|pair| pair.flows as usize == at) {
            *clock = assumed;
        }
    }
}
