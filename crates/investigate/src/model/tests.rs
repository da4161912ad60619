#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::*;

const NS: f64 = SECOND;
const PYPI: Id = 0;
const MONITOR: Id = 1;
const POOL: Id = 2;
const STRANGER: Id = 3;
const WEB: Id = 443;

const LS: Id = 0;
const PIP: Id = 1;
const PYTHON: Id = 2;

struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }
}

fn at(seconds: f64) -> i64 {
    (seconds * NS) as i64
}

fn call(start: f64, end: f64, kind: Id) -> Call {
    Call { run: 0, start: at(start), end: at(end), kind, leaves_behind: false, gone: at(1e5) }
}

fn flow(time: f64, destination: Id) -> Flow {
    Flow { from: at(time), until: at(time), destination }
}

/// A place with a call each 20 s: some install packages, and flows come of that; a heartbeat each 30 s comes of nothing.
fn ordinary(seed: u64) -> Place {
    let mut dice = Dice(seed);
    let mut place = Place::default();
    for number in 0..200 {
        let start = f64::from(number) * 20.0 + 5.0 * dice.roll();
        let kind = [LS, LS, PYTHON, PIP][(dice.roll() * 4.0) as usize % 4];
        place.calls.push(call(start, start + 1.0 + 9.0 * dice.roll(), kind));
        if kind == PIP {
            place.flows.extend((0..3).map(|_| flow(start + 0.2 + dice.roll(), PYPI)));
        }
    }
    place.flows.extend((0..133).map(|beat| flow(f64::from(beat) * 30.0 + 0.1 * dice.roll(), MONITOR)));
    place.flows.sort_by_key(|flow| flow.from);
    place.names = vec![Vec::new(); place.calls.len()];
    place
}

fn open_calls(place: &Place) -> Vec<Vec<u32>> {
    let meets = |flow: &Flow, call: &Call| call.start <= flow.until && call.end + LINGER >= flow.from;
    place
        .flows
        .iter()
        .map(|flow| {
            (0..place.calls.len() as u32).filter(|at| meets(flow, &place.calls[*at as usize])).collect()
        })
        .collect()
}

/// Fits all places and judges the first: verdicts by flow.
fn judged(places: &[Place]) -> Vec<Verdict> {
    let open: Vec<Vec<Vec<u32>>> = places.iter().map(open_calls).collect();
    let destinations = Destinations { groups: vec![WEB, WEB, 3333, WEB] };
    let model = fit(&Vec::from_iter(places), destinations, |place, flow| &open[place][flow]);
    let mut verdicts = Vec::new();
    model.judge(&places[0], |flow| &open[0][flow], |_, verdict| verdicts.push(verdict));
    verdicts
}

fn of(place: &Place, verdicts: &[Verdict], destination: Id) -> Vec<Verdict> {
    place
        .flows
        .iter()
        .zip(verdicts)
        .filter(|(flow, _)| flow.destination == destination)
        .map(|(_, verdict)| verdict.clone())
        .collect()
}

#[test]
fn shares_are_probabilities() {
    let places = [ordinary(1), ordinary(2)];
    for verdict in judged(&places) {
        let sum: f64 =
            verdict.candidates.iter().map(|candidate| candidate.probability).sum::<f64>() + verdict.none;
        assert!((0.9..=1.000_001).contains(&sum), "{sum}: {verdict:?}");
    }
}

#[test]
fn a_kind_of_command_that_always_goes_there_caused_it_and_a_heartbeat_was_nobody() {
    let places: Vec<Place> = (1..6).map(ordinary).collect();
    let verdicts = judged(&places);
    for verdict in of(&places[0], &verdicts, PYPI) {
        let best = verdict.candidates[0];
        assert!(best.probability > 0.95 && places[0].calls[best.call].kind == PIP, "{verdict:?}");
    }
    let beats = of(&places[0], &verdicts, MONITOR);
    let none = beats.iter().map(|verdict| verdict.none).sum::<f64>() / beats.len() as f64;
    assert!(none > 0.9, "{none}");
}

#[test]
fn what_was_left_behind_is_booked_to_who_left_it() {
    let mut places: Vec<Place> = (1..6).map(ordinary).collect();
    let first = &mut places[0];
    first.calls[50].leaves_behind = true;
    first.calls[50].kind = PYTHON;
    first.names[50] = vec![POOL];
    let start = first.calls[50].start as f64 / NS;
    first.flows.extend((0..40).map(|number| flow(start + 1.0 + 60.0 * f64::from(number), POOL)));
    first.flows.sort_by_key(|flow| flow.from);
    let verdicts = judged(&places);
    let pool = of(&places[0], &verdicts, POOL);
    let right =
        pool.iter().filter(|verdict| verdict.candidates.first().is_some_and(|best| best.call == 50)).count();
    assert!(
        right >= 36,
        "{right} of 40: {:?}",
        pool.iter()
            .map(|verdict| (
                verdict.candidates.first().map(|best| (best.call, best.probability)),
                verdict.none
            ))
            .collect::<Vec<_>>()
    );
}

#[test]
fn one_flow_to_a_stranger_goes_to_the_call_that_had_just_begun() {
    let mut places: Vec<Place> = (1..6).map(ordinary).collect();
    let start = places[0].calls[80].start as f64 / NS;
    places[0].flows.push(flow(start + 0.4, STRANGER));
    places[0].flows.sort_by_key(|flow| flow.from);
    let verdicts = judged(&places);
    let stranger = &of(&places[0], &verdicts, STRANGER)[0];
    assert!(stranger.candidates[0].call == 80 && stranger.candidates[0].probability > 0.8, "{stranger:?}");
}

#[test]
fn who_names_it_did_it_where_two_are_possible() {
    let mut places: Vec<Place> = (1..6).map(ordinary).collect();
    let start = places[0].calls[80].start as f64 / NS;
    // Another sandbox behind the same address.
    places[0].calls.insert(81, Call { run: 1, ..call(start + 0.01, start + 8.0, PYTHON) });
    places[0].names.insert(81, vec![STRANGER]);
    places[0].flows.push(flow(start + 0.5, STRANGER));
    places[0].flows.sort_by_key(|flow| flow.from);
    let verdicts = judged(&places);
    let stranger = &of(&places[0], &verdicts, STRANGER)[0];
    assert!(stranger.candidates[0].call == 81 && stranger.candidates[0].probability > 0.8, "{stranger:?}");
}

#[test]
fn nothing_is_judged_without_trouble() {
    assert_eq!(judged(&[Place::default()]), []);
    let lonely = Place { flows: vec![flow(1.0, 99)], ..Place::default() };
    let verdicts = judged(&[lonely]);
    assert!((verdicts[0].none - 1.0).abs() < 1e-9 && verdicts[0].candidates.is_empty(), "{verdicts:?}");
}
