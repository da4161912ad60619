//! Whether it keeps hours.
//!
//! Flows can't be tested: one call that goes on for an hour makes as many as it likes. Tested is when episodes that most
//! probably did it began to (each once), by χ² against when agents worked: hours with more calls have more of everything. The
//! day is cut as finely as the expected counts allow, 5 in each part (Cochran, *Biometrics* 10, 1954).

use std::collections::HashMap;
use std::sync::Arc;

use super::causes::Tallies;
use super::chances::chi_square;
use super::units::is_judged;
use crate::attribution::Timeline;
use crate::incident::Incident;

/// Expected in each part of the day at least.
const FEWEST: f64 = 5.0;
/// Into how many parts a day is cut.
const PARTS: [usize; 5] = [24, 12, 8, 6, 4];
/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;

type Day = [f64; 24];

/// For each class that could be tested, the probability of so uneven a day by chance.
pub(crate) fn chances(incident: &Incident, timeline: &Timeline, tallies: &Tallies) -> HashMap<Arc<str>, f64> {
    let work = work(incident, timeline);
    let tested = tallies.begins.iter().filter_map(|(class, begins)| {
        let mut day = [0.0; 24];
        begins.values().for_each(|moment| day[hour(*moment)] += 1.0);
        Some((Arc::clone(class), unevenness(&day, &work)?))
    });
    tested.collect()
}

/// Calls in each hour.
fn work(incident: &Incident, timeline: &Timeline) -> Day {
    let mut work = [0.0; 24];
    for call in incident.calls.iter().filter(|call| is_judged(call, timeline)) {
        if let Some(clock) = timeline.trace(call.clock) {
            work[hour(clock.to_common(call.start))] += 1.0;
        }
    }
    work
}

fn hour(moment: i64) -> usize {
    usize::try_from(moment.div_euclid(HOUR).rem_euclid(24)).unwrap_or(0)
}

/// The probability of counts so far from what the work lets expect; none if there are too few.
fn unevenness(counts: &Day, work: &Day) -> Option<f64> {
    let all: f64 = counts.iter().sum();
    let worked: f64 = work.iter().sum();
    PARTS.iter().find_map(|parts| {
        let cells = counts.chunks(24 / parts).zip(work.chunks(24 / parts));
        let cells: Vec<(f64, f64)> = cells
            .map(|(counts, work)| (counts.iter().sum(), all * work.iter().sum::<f64>() / worked.max(1.0)))
            .collect();
        let enough = cells.iter().all(|(_, expected)| *expected >= FEWEST);
        enough.then(|| {
            let statistic = cells.iter().map(|(count, expected)| (count - expected).powi(2) / expected).sum();
            chi_square(statistic, u32::try_from(parts - 1).unwrap_or(0))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenly_over_the_work_is_no_pattern() {
        let work: Day = std::array::from_fn(|hour| if (8..20).contains(&hour) { 300.0 } else { 100.0 });
        let like_work = work.map(|calls| calls / 15.0);
        assert!(unevenness(&like_work, &work).is_some_and(|p| p > 0.99));
        assert!(unevenness(&[10.0; 24], &work).is_some_and(|p| p < 1e-6));
    }

    #[test]
    fn few_are_put_together_and_too_few_not_tested() {
        let work = [50.0; 24];
        let mut nightly = [0.0; 24];
        nightly[..6].fill(4.0);
        assert!(unevenness(&nightly, &work).is_some_and(|p| p < 1e-6), "four parts of six");
        assert_eq!(unevenness(&[0.5; 24], &work), None);
        assert_eq!(unevenness(&[0.0; 24], &[0.0; 24]), None);
        let mut half_a_day = work;
        half_a_day[12..].fill(0.0);
        assert_eq!(unevenness(&[20.0; 24], &half_a_day), None, "nobody worked in the other half");
    }

    #[test]
    fn hours_before_1970_too() {
        assert_eq!((hour(-1), hour(0), hour(25 * HOUR)), (23, 0, 1));
    }
}
