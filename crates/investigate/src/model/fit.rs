//! Expectation maximisation: causes from rates, rates from causes.

use std::convert::Infallible;

use super::judge::Shares;
use super::rates::{Counts, Exposure, Rates};
use super::shape::{COUNT, LEAD, Shape};
use super::{
    AGAIN, AGAIN_TAU, Call, Destinations, Flow, Id, LEFT_TAU, LINGER, Map, Model, Place, SECOND, UNSAID,
    decayed,
};
use crate::parallel;

/// Rounds. The rates settle within a few; the shape takes longest.
const ROUNDS: usize = 10;

/// Fits a model to places. `open(place, flow)` gives the indices of the calls whose time meets a flow's.
pub fn fit<'o>(
    places: &[&Place],
    destinations: Destinations,
    open: impl Fn(usize, usize) -> &'o [u32] + Sync,
) -> Model {
    let fixed = Fixed::of(places, &destinations);
    let mut model =
        Model { destinations, rates: Rates::before(fixed.exposure.seconds), opening: Shape::default() };
    // Before the first round all destinations are alike to calls: the rates of one flow a call.
    let mut counts = at_first(places, &model, &open);
    for _ in 0..ROUNDS {
        let exposure = fixed.exposure(&model.opening);
        model.rates = Rates::fitted(&counts.counts, &exposure, &model.destinations);
        counts = heard(places, |at, place, heard| {
            model.go_through(place, |flow| open(at, flow), heard, &mut |_, _| {});
        });
        model.opening =
            Shape::fitted(&counts.opening, &fixed.expected(&model.rates, &counts.counts), &model.opening);
    }
    let exposure = fixed.exposure(&model.opening);
    model.rates = Rates::fitted(&counts.counts, &exposure, &model.destinations);
    model
}

/// What all places tell, on all processors. They are added up in the same order on any machine, since sums of fractions depend on it.
fn heard(places: &[&Place], listen: impl Fn(usize, &Place, &mut Heard) + Sync) -> Heard {
    const PIECES: usize = 16;
    let length = places.len().div_ceil(PIECES).max(1);
    let pieces: Vec<(usize, &[&Place])> =
        places.chunks(length).enumerate().map(|(piece, places)| (piece * length, places)).collect();
    let mut all = Heard::default();
    let listened: Result<(), Infallible> = parallel::each(
        pieces.len(),
        |piece| {
            let (first, places) = pieces[piece];
            let mut heard = Heard::default();
            for (at, place) in (first..).zip(places) {
                listen(at, place, &mut heard);
            }
            Ok(heard)
        },
        |heard| {
            all.add(heard);
            Ok(())
        },
    );
    let Ok(()) = listened;
    all
}

/// A first guess: of each flow half is the background's, half is shared by the calls that are open.
fn at_first<'o>(
    places: &[&Place],
    model: &Model,
    open: &(impl Fn(usize, usize) -> &'o [u32] + Sync),
) -> Heard {
    heard(places, |at, place, heard| {
        for (index, flow) in place.flows.iter().enumerate() {
            let calls = open(at, index);
            let shares: Vec<(&Call, f64)> = calls
                .iter()
                .filter_map(|call| place.calls.get(*call as usize))
                .map(|call| {
                    let since = |moment: i64| (moment - call.start + LEAD) as f64 / SECOND;
                    (call, model.opening.mean(since(flow.from), since(flow.until)))
                })
                .collect();
            let total: f64 = shares.iter().map(|(_, share)| share).sum();
            let by_calls = if total > 0.0 { 0.5 } else { 0.0 };
            heard.background(flow.destination, 1.0 - by_calls);
            for (call, share) in shares {
                if total > 0.0 {
                    heard.open(call, flow, by_calls * share / total, 0.0);
                }
            }
        }
    })
}

/// What one round found.
#[derive(Default)]
struct Heard {
    counts: Counts,
    opening: [f64; COUNT],
}

impl Heard {
    fn add(&mut self, other: Self) {
        self.counts.add(other.counts);
        self.opening.iter_mut().zip(other.opening).for_each(|(sum, weight)| *sum += weight);
    }
}

impl Shares for Heard {
    fn background(&mut self, destination: Id, share: f64) {
        *self.counts.background.entry(destination).or_default() += share;
    }

    fn open(&mut self, call: &Call, flow: &Flow, share: f64, named: f64) {
        let since = |moment: i64| (moment - call.start + LEAD) as f64 / SECOND;
        Shape::book(since(flow.from), since(flow.until), share, &mut self.opening);
        *self.counts.open.entry((call.kind, flow.destination)).or_default() += share - named;
        self.counts.named += named;
    }

    fn left(&mut self, call: &Call, destination: Id, share: f64, named: f64) {
        *self.counts.left.entry((call.leaves_behind, destination)).or_default() += share - named;
        self.counts.left_named += named;
    }

    fn again(&mut self, destination: Id, share: f64) {
        *self.counts.again.entry(destination).or_default() += share;
    }
}

/// What there was, whatever the rates.
struct Fixed {
    exposure: Exposure,
    /// For each kind, the time that its calls spent in each step of the shape.
    times: Map<Id, [f64; COUNT]>,
    /// The same for calls, once for each destination that they name.
    named: [f64; COUNT],
    groups: Map<Id, Id>,
}

impl Fixed {
    fn of(places: &[&Place], destinations: &Destinations) -> Self {
        let mut fixed = Self {
            exposure: Exposure::default(),
            times: Map::default(),
            named: [0.0; COUNT],
            groups: Map::default(),
        };
        // When the logs saw anything: a call with a wild time must not make a century of quiet of it.
        let flows = || places.iter().flat_map(|place| &place.flows);
        let first = flows().map(|flow| flow.from).min().unwrap_or(0);
        let logged = (first, flows().map(|flow| flow.until).max().unwrap_or(first).max(first));
        for place in places {
            fixed.add_calls(place);
            fixed.add_flows(place, destinations, logged);
        }
        fixed
    }

    fn add_calls(&mut self, place: &Place) {
        for (at, call) in place.calls.iter().enumerate() {
            let open = call.end.saturating_sub(call.start).saturating_add(LINGER + LEAD);
            Shape::spend(open, self.times.entry(call.kind).or_insert([0.0; COUNT]));
            let names = place.names.get(at).map_or(0, Vec::len);
            let mut times = [0.0; COUNT];
            Shape::spend(open, &mut times);
            self.named.iter_mut().zip(times).for_each(|(sum, time)| *sum += names as f64 * time);
            let there = call.gone.saturating_sub(call.end).max(0);
            let lasts = |until: i64| decayed(until as f64 / SECOND, LEFT_TAU);
            self.exposure.left[usize::from(call.leaves_behind)] +=
                lasts(if call.leaves_behind { there } else { there.min(UNSAID) });
            self.exposure.left_named += names as f64 * lasts(there);
        }
    }

    fn add_flows(&mut self, place: &Place, destinations: &Destinations, logged: (i64, i64)) {
        let moments = place
            .calls
            .iter()
            .flat_map(|call| [call.start, call.end].map(|at| at.clamp(logged.0, logged.1)))
            .chain(place.flows.iter().map(|flow| flow.from));
        let (first, last) =
            moments.fold((i64::MAX, i64::MIN), |(first, last), at| (first.min(at), last.max(at)));
        let seconds = last.saturating_sub(first).max(0) as f64 / SECOND;
        self.exposure.seconds += seconds;
        let mut before: Map<Id, i64> = Map::default();
        for flow in &place.flows {
            let group = destinations.group(flow.destination);
            self.groups.insert(flow.destination, group);
            let gap = match before.insert(flow.destination, flow.from) {
                Some(earlier) => (flow.from - earlier) as f64 / SECOND,
                None => {
                    *self.exposure.background.entry(flow.destination).or_default() += seconds;
                    continue;
                }
            };
            *self.exposure.again.entry(group).or_default() += decayed(gap.min(AGAIN), AGAIN_TAU);
        }
        for (destination, latest) in before {
            let rest = (last - latest) as f64 / SECOND;
            *self.exposure.again.entry(destinations.group(destination)).or_default() +=
                decayed(rest.min(AGAIN), AGAIN_TAU);
        }
    }

    fn exposure(&self, opening: &Shape) -> Exposure {
        let held = |times: &[f64; COUNT]| {
            times.iter().zip(opening.heights()).map(|(time, height)| time * height).sum::<f64>()
        };
        let mut exposure = self.exposure.clone();
        exposure.open = self.times.iter().map(|(kind, times)| (*kind, held(times))).collect();
        exposure.named = held(&self.named);
        exposure
    }

    /// The time in each step, weighed by how many flows its calls begin.
    fn expected(&self, rates: &Rates, counts: &Counts) -> [f64; COUNT] {
        let mut by_kind: Map<Id, f64> = Map::default();
        for (kind, destination) in counts.open.keys() {
            let group = self.groups.get(destination).copied().unwrap_or(Id::MAX);
            *by_kind.entry(*kind).or_default() += rates.open(*kind, *destination, group);
        }
        let mut expected = self.named.map(|time| time * rates.named());
        for (kind, times) in &self.times {
            let rate = by_kind.get(kind).copied().unwrap_or(0.0);
            expected.iter_mut().zip(times).for_each(|(sum, time)| *sum += rate * time);
        }
        expected
    }
}
