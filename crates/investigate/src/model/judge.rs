//! One flow after the other: how likely is each that may have caused it.

use super::shape::LEAD;
use super::{AGAIN, AGAIN_TAU, Call, Flow, Id, LEFT_TAU, LINGER, Map, Model, Place, SECOND, UNSAID, decay};

/// How many calls a verdict keeps.
const KEPT: usize = 8;
/// Less than that is nothing.
const NEGLIGIBLE: f64 = 1e-4;
/// How many calls that have ended are asked at most, of each sort, back from the flow.
const ASKED: usize = 256;

/// How likely a call caused a flow, and by what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The index of the call at its place.
    pub call: usize,
    /// How likely, 0 to 1: all of the below together.
    pub probability: f64,
    /// As an open call.
    pub open: f64,
    /// As a call that left something behind.
    pub left: f64,
    /// As what caused the flow before, to the same destination.
    pub again: f64,
    /// The part of it that is due to the destination being named.
    pub named: f64,
}

/// What caused a flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The likeliest first, at most 8.
    pub candidates: Vec<Candidate>,
    /// How likely it was none of the calls.
    pub none: f64,
    /// How many calls were possible.
    pub considered: u32,
}

/// What a step of judging tells the fit: shares of one flow.
pub(crate) trait Shares {
    fn background(&mut self, destination: Id, share: f64);
    fn open(&mut self, call: &Call, flow: &Flow, share: f64, named: f64);
    fn left(&mut self, call: &Call, destination: Id, share: f64, named: f64);
    fn again(&mut self, destination: Id, share: f64);
}

struct Unheard;

impl Shares for Unheard {
    fn background(&mut self, _: Id, _: f64) {}
    fn open(&mut self, _: &Call, _: &Flow, _: f64, _: f64) {}
    fn left(&mut self, _: &Call, _: Id, _: f64, _: f64) {}
    fn again(&mut self, _: Id, _: f64) {}
}

impl Model {
    /// Judges the flows of a place, in their order. `open` gives the indices of the calls whose time meets a flow's, by the index of
    /// the flow; `told` gets each verdict.
    pub fn judge<'o>(
        &self,
        place: &Place,
        open: impl Fn(usize) -> &'o [u32],
        mut told: impl FnMut(usize, Verdict),
    ) {
        self.go_through(place, open, &mut Unheard, &mut told);
    }

    /// How many flows to a destination a call of a kind begins.
    pub fn per_call(&self, kind: Id, destination: Id) -> f64 {
        self.rates.open(kind, destination, self.destinations.group(destination))
    }

    pub(crate) fn go_through<'o>(
        &self,
        place: &Place,
        open: impl Fn(usize) -> &'o [u32],
        shares: &mut impl Shares,
        told: &mut dyn FnMut(usize, Verdict),
    ) {
        let ended = Ended::of(place);
        let mut before: Map<Id, (Flow, Verdict)> = Map::default();
        for (at, flow) in place.flows.iter().enumerate() {
            let weights = self.weigh(place, flow, open(at), &ended, before.get(&flow.destination));
            let verdict = weights.verdict(
                shares,
                place,
                flow,
                before.get(&flow.destination).map(|(_, verdict)| verdict),
            );
            before.insert(flow.destination, (*flow, verdict.clone()));
            told(at, verdict);
        }
    }

    fn weigh(
        &self,
        place: &Place,
        flow: &Flow,
        open: &[u32],
        ended: &Ended,
        before: Option<&(Flow, Verdict)>,
    ) -> Weights {
        let (destination, group) = (flow.destination, self.destinations.group(flow.destination));
        let mut weights =
            Weights { background: self.rates.background(destination, group), ..Weights::default() };
        let is_named =
            |at: usize| place.names.get(at).is_some_and(|names| names.binary_search(&destination).is_ok());
        let since =
            |moment: i64| ((flow.from - moment) as f64 / SECOND, (flow.until - moment) as f64 / SECOND);
        for at in open.iter().map(|at| *at as usize) {
            let Some(call) = place.calls.get(at) else { continue };
            let (from, until) = since(call.start.saturating_sub(LEAD));
            let last = (call.end + LINGER + LEAD - call.start) as f64 / SECOND;
            let shape = self.opening.mean(from, until.min(last).max(from));
            let named = if is_named(at) { self.rates.named() * shape } else { 0.0 };
            weights.open.push(Weight {
                call: at,
                rate: self.rates.open(call.kind, destination, group) * shape + named,
                named,
            });
        }
        for at in ended.before(flow, place, &is_named) {
            let Some(call) = place.calls.get(at) else { continue };
            let (from, until) = since(call.end);
            let shape = decay(from, until, LEFT_TAU);
            let named = if is_named(at) { self.rates.left_named() * shape } else { 0.0 };
            weights.left.push(Weight {
                call: at,
                rate: self.rates.left(call.leaves_behind, destination, group) * shape + named,
                named,
            });
        }
        if let Some((before, _)) = before {
            let (from, until) = since(before.from);
            if from <= AGAIN {
                weights.again =
                    self.rates.again(group) * decay(from.max(0.0), until.max(from).max(0.0), AGAIN_TAU);
            }
        }
        weights
    }
}

/// The rates at the moment of a flow.
#[derive(Default)]
struct Weights {
    background: f64,
    open: Vec<Weight>,
    left: Vec<Weight>,
    again: f64,
}

struct Weight {
    call: usize,
    rate: f64,
    named: f64,
}

impl Weights {
    fn verdict(
        &self,
        shares: &mut impl Shares,
        place: &Place,
        flow: &Flow,
        before: Option<&Verdict>,
    ) -> Verdict {
        let rate = |weights: &[Weight]| weights.iter().map(|weight| weight.rate).sum::<f64>();
        let total =
            (self.background + rate(&self.open) + rate(&self.left) + self.again).max(f64::MIN_POSITIVE);
        let mut by_call: Vec<Candidate> = Vec::with_capacity(self.open.len() + self.left.len() + KEPT);
        let none = Candidate { call: 0, probability: 0.0, open: 0.0, left: 0.0, again: 0.0, named: 0.0 };
        shares.background(flow.destination, self.background / total);
        for weight in &self.open {
            let share = weight.rate / total;
            shares.open(&place.calls[weight.call], flow, share, weight.named / total);
            by_call.push(Candidate { call: weight.call, open: share, named: weight.named / total, ..none });
        }
        for weight in &self.left {
            let share = weight.rate / total;
            shares.left(&place.calls[weight.call], flow.destination, share, weight.named / total);
            by_call.push(Candidate { call: weight.call, left: share, named: weight.named / total, ..none });
        }
        let again = self.again / total;
        shares.again(flow.destination, again);
        let mut none_share = self.background / total;
        if let Some(before) = before {
            none_share += again * before.none;
            by_call.extend(before.candidates.iter().map(|cause| Candidate {
                call: cause.call,
                again: again * cause.probability,
                ..none
            }));
        }
        let considered = u32::try_from(by_call.len()).unwrap_or(u32::MAX);
        Verdict { candidates: likeliest(by_call), none: none_share, considered }
    }
}

/// Puts together what speaks for the same call, and keeps the likeliest.
fn likeliest(mut parts: Vec<Candidate>) -> Vec<Candidate> {
    parts.sort_unstable_by_key(|part| part.call);
    let mut calls: Vec<Candidate> = Vec::new();
    for part in parts {
        match calls.last_mut() {
            Some(last) if last.call == part.call => {
                last.open += part.open;
                last.left += part.left;
                last.again += part.again;
                last.named += part.named;
            }
            _ => calls.push(part),
        }
    }
    calls.iter_mut().for_each(|call| call.probability = call.open + call.left + call.again);
    calls.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    calls.retain(|call| call.probability >= NEGLIGIBLE);
    calls.truncate(KEPT);
    calls
}

/// Calls by when they ended, to look back from a flow.
struct Ended {
    /// Those that may leave something behind for long: by sign or because they name someone.
    lasting: Vec<(i64, u32)>,
    all: Vec<(i64, u32)>,
}

impl Ended {
    fn of(place: &Place) -> Self {
        let by_end = |wanted: &dyn Fn(usize, &Call) -> bool| {
            let calls = place.calls.iter().enumerate().filter(|(at, call)| wanted(*at, call));
            let mut ends: Vec<(i64, u32)> =
                calls.map(|(at, call)| (call.end, u32::try_from(at).unwrap_or(u32::MAX))).collect();
            ends.sort_unstable();
            ends
        };
        let names = |at: usize| place.names.get(at).is_some_and(|names| !names.is_empty());
        Self { lasting: by_end(&|at, call| call.leaves_behind || names(at)), all: by_end(&|_, _| true) }
    }

    /// Calls that have ended before a flow and may have caused it.
    fn before<'a>(
        &'a self,
        flow: &Flow,
        place: &'a Place,
        is_named: &'a dyn Fn(usize) -> bool,
    ) -> impl Iterator<Item = usize> {
        let until = flow.until;
        let back = move |ends: &'a [(i64, u32)]| {
            let at = ends.partition_point(|(end, _)| *end <= until);
            ends[..at].iter().rev().take(ASKED)
        };
        let is_there = move |at: usize| place.calls.get(at).is_some_and(|call| call.gone >= flow.from);
        let lasting = back(&self.lasting).map(|(_, at)| *at as usize).filter(move |at| {
            is_there(*at) && (is_named(*at) || place.calls.get(*at).is_some_and(|call| call.leaves_behind))
        });
        let unsaid = back(&self.all)
            .take_while(move |(end, _)| until - end <= UNSAID)
            .map(|(_, at)| *at as usize)
            .filter(move |at| {
                is_there(*at)
                    && !is_named(*at)
                    && !place.calls.get(*at).is_some_and(|call| call.leaves_behind)
            });
        lasting.chain(unsaid)
    }
}
