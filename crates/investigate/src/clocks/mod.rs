//! How far two clocks are apart, found in what they timed.
//!
//! Calls begin flows. Where a trace and a sensor watched the same places, the differences between the starts of calls and the
//! starts of flows pile up just after the clocks' offset, and nowhere else. [`estimate`] finds that pile in three steps, each with the
//! means that its scale needs: `correlate` looks through whole days of possible offsets by Fourier transform; `refine` follows the
//! pile through windows of time for the drift, and finds its leading edge at full resolution for the offset.
//!
//! It refuses ([`Refusal`]) when the data can't tell: no pile stands out, or two do. A wrong offset blames the wrong calls for
//! everything, and is worse than none.

mod correlate;
mod refine;
pub(crate) mod robust;

use serde::Serialize;
use thiserror::Error;

use correlate::Peak;

pub(crate) const SECOND: i64 = 1_000_000_000;
const HALF_HOUR: i64 = 1800 * SECOND;
/// The farthest offset that is looked for: a zone is at most 14 hours from UTC, a clock seldom an hour wrong.
pub const FARTHEST: i64 = 15 * 3600 * SECOND;
/// What may lie between a zone's error and the offset, to be called one.
const NEAR_ZONE: i64 = 300 * SECOND;
/// Moments that a clock may show, 1970 to 2116: what is computed with them stays in range.
pub(crate) const PLAUSIBLE: std::ops::Range<i64> = 0..i64::MAX / 2;
/// Fewer starts than that tell nothing.
const FEWEST: usize = 12;
/// How far, in deviations, a pile stands out of the noise at least. Of 10⁵ lags of noise the highest is at 4 to 5.
const CLEAR: f64 = 6.5;
/// How much higher it is than the next one at least.
const ALONE: f64 = 1.3;

/// What happened at one place, by both clocks, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct PlaceTimes {
    /// When calls began, by the trace's clock.
    pub calls: Vec<i64>,
    /// When flows began, by the sensor's clock: the earliest moment that the record leaves open.
    pub flows: Vec<i64>,
}

/// What relates the two clocks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The sensor's clock less the trace's, at `origin`, in nanoseconds.
    pub offset: i64,
    /// Half the width of the 95 % interval of the offset, in nanoseconds.
    pub uncertainty: i64,
    /// How much faster the sensor's clock goes, in parts per billion.
    pub drift_ppb: i64,
    /// The moment, by the sensor's clock, at which the offset holds.
    pub origin: i64,
    /// If the offset is a wrong zone: the zone's error, in nanoseconds, a multiple of half an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_error: Option<i64>,
    /// How far the pile stands out of the noise, in deviations.
    pub clarity: f64,
    /// Pairs of a call and a flow that the offset was read from.
    pub pairs: u64,
    /// The correlation around the offset and elsewhere, to be shown: lag in nanoseconds, height in deviations.
    pub correlogram: Vec<(i64, f64)>,
}

/// Why no offset is told.
#[derive(Clone, Debug, PartialEq, Error, Serialize)]
pub enum Refusal {
    /// too few starts
    #[error("{calls} calls and {flows} flows with a time are too few to tell an offset from")]
    TooFew {
        /// Calls with a time.
        calls: usize,
        /// Flows at places that have calls.
        flows: usize,
    },
    /// nothing stands out
    #[error(
        "flows follow calls at no offset more than at others (the best, {lag_s:.0} s, stands out by {clarity:.1} deviations, {CLEAR} are needed); give the offset with --skew"
    )]
    NotClear {
        /// The best lag, in seconds.
        lag_s: f64,
        /// How far it stands out.
        clarity: f64,
    },
    /// too many clocks
    #[error("there are too many clocks of traces; only the {told} with the most calls were compared")]
    TooMany {
        /// So many were.
        told: usize,
    },
    /// others say otherwise
    #[error("flows follow calls at {lag_s:.0} s, but clearer clocks say otherwise")]
    Contradicted {
        /// The lag, in seconds.
        lag_s: f64,
    },
    /// two stand out
    #[error(
        "flows follow calls at two offsets, {first_s:.0} s and {second_s:.0} s; give the right one with --skew"
    )]
    Ambiguous {
        /// The best lag, in seconds.
        first_s: f64,
        /// The other.
        second_s: f64,
    },
}

impl Estimate {
    /// The offset at a moment of the sensor's clock.
    pub fn at(&self, moment: i64) -> i64 {
        let since = i128::from(moment) - i128::from(self.origin);
        let drifted = since * i128::from(self.drift_ppb) / 1_000_000_000;
        self.offset.saturating_add(i64::try_from(drifted).unwrap_or(i64::MAX))
    }

    /// The same moment by the trace's clock.
    pub fn to_trace(&self, moment: i64) -> i64 {
        moment.saturating_sub(self.at(moment))
    }
}

/// Finds offset and drift between the clock of calls and the clock of flows. `resolution` is how fine the flows' times are, in
/// nanoseconds.
///
/// # Errors
/// If the data can't tell.
pub fn estimate(places: &[PlaceTimes], resolution: u64) -> Result<Estimate, Refusal> {
    let mut places = places.to_vec();
    for place in &mut places {
        for times in [&mut place.calls, &mut place.flows] {
            times.retain(|time| PLAUSIBLE.contains(time));
            times.sort_unstable();
        }
    }
    // What no offset brings together tells nothing, and one wild time would make all bins as coarse as years.
    let flows = span(&places, |place| &place.flows);
    places.iter_mut().for_each(|place| place.calls.retain(|time| flows.contains(time)));
    let calls = span(&places, |place| &place.calls);
    places.iter_mut().for_each(|place| place.flows.retain(|time| calls.contains(time)));
    // The same answer, whatever order they come in.
    places.sort_by(|a, b| {
        (a.calls.first(), a.calls.len(), &a.flows).cmp(&(b.calls.first(), b.calls.len(), &b.flows))
    });
    places.retain(|place| !place.calls.is_empty() && !place.flows.is_empty());
    let count = |of: fn(&PlaceTimes) -> &Vec<i64>| places.iter().map(|place| of(place).len()).sum::<usize>();
    let (calls, flows) = (count(|place| &place.calls), count(|place| &place.flows));
    if calls < FEWEST || flows < FEWEST {
        return Err(Refusal::TooFew { calls, flows });
    }
    let [few, more] = correlate::PLACES;
    let mut found = correlate::peaks(&places, few);
    if found.first.height < CLEAR && places.len() > few {
        found = correlate::peaks(&places, more);
    }
    let Peak { lag, height, .. } = found.first;
    let seconds = |lag: i64| lag as f64 / SECOND as f64;
    if height < CLEAR {
        return Err(Refusal::NotClear { lag_s: seconds(lag), clarity: height });
    }
    if let Some(second) = found.second.filter(|second| second.height * ALONE > height) {
        return Err(Refusal::Ambiguous { first_s: seconds(lag), second_s: seconds(second.lag) });
    }
    let line = refine::follow(&places, &found.first, resolution);
    let edge = refine::edge(&places, &line, resolution);
    let offset = line.offset + edge.offset;
    Ok(Estimate {
        offset,
        uncertainty: edge.uncertainty,
        drift_ppb: line.drift_ppb,
        origin: line.origin,
        zone_error: zone_error(offset),
        clarity: height,
        pairs: edge.pairs,
        correlogram: found.correlogram,
    })
}

/// From the first to the last of sorted times, as far around as an offset may reach.
fn span(places: &[PlaceTimes], of: fn(&PlaceTimes) -> &Vec<i64>) -> std::ops::RangeInclusive<i64> {
    let first = places.iter().filter_map(|place| of(place).first()).min().copied().unwrap_or(i64::MAX);
    let last = places.iter().filter_map(|place| of(place).last()).max().copied().unwrap_or(i64::MIN);
    first.saturating_sub(FARTHEST)..=last.saturating_add(FARTHEST)
}

/// The zone's error that an offset is, if it is near a multiple of half an hour other than none.
fn zone_error(offset: i64) -> Option<i64> {
    let nearest = (offset + offset.signum() * HALF_HOUR / 2) / HALF_HOUR * HALF_HOUR;
    (nearest != 0 && (offset - nearest).abs() <= NEAR_ZONE).then_some(nearest)
}

#[cfg(test)]
mod tests;
