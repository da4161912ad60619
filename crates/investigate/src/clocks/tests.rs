#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::*;

/// Repeatable numbers between 0 and 1.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

struct Incident {
    places: usize,
    calls: usize,
    offset: i64,
    drift_ppm: f64,
    resolution: i64,
    /// The share of calls that begin flows.
    busy: f64,
}

const EASY: Incident =
    Incident { places: 8, calls: 400, offset: 0, drift_ppm: 0.0, resolution: 1000, busy: 0.2 };
const BEGAN: i64 = 1_772_366_400 * SECOND;

/// Calls as agents make them, flows that some of them cause, heartbeats and noise.
fn make(incident: &Incident) -> Vec<PlaceTimes> {
    let mut dice = Dice(7);
    let stamp = |time: f64| {
        let time = BEGAN as f64 + time * 1e9;
        let shown = time + incident.offset as f64 + (time - BEGAN as f64) * incident.drift_ppm / 1e6;
        shown as i64 / incident.resolution * incident.resolution
    };
    (0..incident.places)
        .map(|place| {
            let mut times = PlaceTimes::default();
            let mut now = 60.0 * dice.roll();
            for _ in 0..incident.calls {
                now += (2.0 + 1.2 * dice.normal()).exp();
                times.calls.push(BEGAN + (now * 1e9) as i64);
                if dice.roll() < incident.busy {
                    for _ in 0..=(3.0 * dice.roll()) as u32 {
                        times.flows.push(stamp(now + (-1.0 + 0.8 * dice.normal()).exp() + 0.02));
                    }
                }
            }
            let period = 15.0 + place as f64;
            times.flows.extend((0..(now / period) as u32).map(|beat| stamp(f64::from(beat) * period)));
            times.flows.extend((0..incident.calls / 2).map(|_| stamp(now * dice.roll())));
            times
        })
        .collect()
}

fn error_ms(incident: &Incident) -> f64 {
    let places = make(incident);
    let found = estimate(&places, incident.resolution as u64).unwrap();
    let at = BEGAN + incident.offset;
    (found.at(at) - incident.offset) as f64 / 1e6
}

#[test]
fn offsets_are_recovered_within_a_tenth_of_a_second() {
    for offset in [
        0,
        37 * SECOND + 250_000_000,
        -2 * 3600 * SECOND - 811_000_000,
        3 * 3600 * SECOND,
        8 * 3600 * SECOND + 12 * SECOND,
    ] {
        let error = error_ms(&Incident { offset, ..EASY });
        assert!(error.abs() < 100.0, "{offset}: {error} ms");
    }
}

#[test]
fn drift_is_followed() {
    for drift_ppm in [50.0, -50.0, 10.0] {
        let incident = Incident { calls: 4000, drift_ppm, offset: 90 * SECOND, ..EASY };
        let error = error_ms(&incident);
        let found = estimate(&make(&incident), 1000).unwrap();
        assert!(error.abs() < 100.0, "{drift_ppm}: {error} ms");
        assert!(
            (found.drift_ppb as f64 / 1000.0 - drift_ppm).abs() < 3.0,
            "{drift_ppm}: {}",
            found.drift_ppb
        );
    }
}

#[test]
fn times_to_the_second_are_good_for_a_second() {
    let error = error_ms(&Incident { resolution: SECOND, offset: -600 * SECOND, ..EASY });
    assert!(error.abs() < 1000.0, "{error} ms");
}

#[test]
fn a_wrong_zone_is_called_one() {
    let zone = |offset| estimate(&make(&Incident { offset, ..EASY }), 1000).unwrap().zone_error;
    assert_eq!(zone(8 * 3600 * SECOND + 2 * SECOND), Some(8 * 3600 * SECOND));
    assert_eq!(zone(-(5 * 3600 + 1800) * SECOND), Some(-(5 * 3600 + 1800) * SECOND));
    assert_eq!(zone(40 * SECOND), None);
    assert_eq!(zone(1000 * SECOND), None);
}

#[test]
fn it_refuses_to_guess() {
    let unrelated = make(&Incident { busy: 0.0, ..EASY });
    assert!(
        matches!(estimate(&unrelated, 1000), Err(Refusal::NotClear { .. })),
        "{:?}",
        estimate(&unrelated, 1000)
    );
    assert_eq!(estimate(&[], 1000), Err(Refusal::TooFew { calls: 0, flows: 0 }));
    let few = PlaceTimes { calls: vec![BEGAN; 3], flows: vec![BEGAN; 300] };
    assert_eq!(estimate(&[few], 1000), Err(Refusal::TooFew { calls: 3, flows: 300 }));
}

#[test]
fn two_offsets_are_one_too_many() {
    let mut places = make(&Incident { busy: 0.6, ..EASY });
    for place in &mut places {
        let later: Vec<i64> = place.flows.iter().map(|flow| flow + 7777 * SECOND).collect();
        place.flows.extend(later);
    }
    assert!(
        matches!(estimate(&places, 1000), Err(Refusal::Ambiguous { .. })),
        "{:?}",
        estimate(&places, 1000).map(|e| e.offset)
    );
}

#[test]
fn strange_times_are_no_trouble() {
    let places = [
        PlaceTimes { calls: vec![0; 50], flows: vec![0; 50] },
        PlaceTimes { calls: (0..50).map(|at| at * SECOND).collect(), flows: vec![i64::MAX / 2; 50] },
    ];
    let _ = estimate(&places, 1);
    let _ = estimate(&places[..1], u64::MAX);
    let extremes = PlaceTimes { calls: vec![i64::MIN, i64::MAX], flows: [i64::MIN, i64::MAX].repeat(20) };
    let _ = estimate(&[PlaceTimes { calls: vec![i64::MIN; 20], ..extremes.clone() }, extremes], 1);
}

#[test]
fn a_wild_time_blinds_nobody() {
    let mut places = make(&EASY);
    let found = estimate(&places, 1000).unwrap();
    places[0].calls.extend([5 * 365 * 86_400 * SECOND, 130 * 365 * 86_400 * SECOND]);
    assert_eq!(estimate(&places, 1000).unwrap(), found);
}
