//! Two logs that saw the same connections tell their clocks' offset by them, without any call.
//!
//! A firewall that logs what it refuses has few lines, and their times are late and whole seconds: too little to be tied to a trace. But
//! the same connections, by their five-tuple, are in the log of a sensor beside it.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::clocks::Estimate;
use crate::clocks::robust::{center_and_deviation, quantile};
use crate::incident::{FlowRow, Incident, KeepError};
use crate::model::Id;

/// Fewer connections than that tell nothing.
const FEWEST: usize = 8;
/// A five-tuple is used again after a while; one that is there more often than that is no help.
const MOST_USES: usize = 4;
/// How many are looked at, of the log whose clock is not known.
const MOST: usize = 200_000;

type Tuple = (IpAddr, u16, IpAddr, u16);

/// What the clock of `other` is ahead of each clock that is wanted, if connections that both logged tell.
pub(super) fn estimates(
    incident: &Incident,
    other: Id,
    is_wanted: impl Fn(Id) -> bool,
) -> Result<Vec<Option<Estimate>>, KeepError> {
    let Some(seen) = Seen::by(incident, other)? else { return Ok(Vec::new()) };
    let mut differences = vec![Vec::new(); incident.flow_clocks.len()];
    for part in 0..incident.flows.parts() {
        for row in incident.flows.part(part)?.iter().filter(|row| row.clock != other && is_wanted(row.clock))
        {
            let times = tuple(row).and_then(|tuple| seen.times.get(&tuple));
            let times = times.filter(|times| times.len() <= MOST_USES);
            if let Some((times, differences)) = times.zip(differences.get_mut(row.clock as usize)) {
                differences.extend(times.iter().map(|time| time.saturating_sub(row.time) as f64));
            }
        }
    }
    Ok(differences.into_iter().map(|differences| seen.estimate(differences)).collect())
}

/// The connections of a clock, some of them if they are many.
struct Seen {
    times: HashMap<Tuple, Vec<i64>>,
    resolution: u64,
    /// The time of one of them.
    origin: i64,
}

impl Seen {
    /// Nothing, if it timed none.
    fn by(incident: &Incident, clock: Id) -> Result<Option<Self>, KeepError> {
        let mut seen: Option<Self> = None;
        for part in 0..incident.flows.parts() {
            for row in incident.flows.part(part)?.iter().filter(|row| row.clock == clock) {
                let first = || Self { times: HashMap::new(), resolution: 1, origin: row.time };
                let seen = seen.get_or_insert_with(first);
                let Some(tuple) = tuple(row) else { continue };
                if seen.times.len() < MOST || seen.times.contains_key(&tuple) {
                    seen.times.entry(tuple).or_default().push(row.time);
                    seen.resolution = seen.resolution.max(row.resolution);
                }
            }
        }
        Ok(seen.filter(|seen| !seen.times.is_empty()))
    }

    fn estimate(&self, mut differences: Vec<f64>) -> Option<Estimate> {
        if differences.len() < FEWEST {
            return None;
        }
        // A port that was used again gives a wild difference; most are of the same connection.
        let (center, deviation) = center_and_deviation(&differences);
        let near = 5e9_f64.max(4.0 * deviation);
        differences.retain(|difference| (difference - center).abs() <= near);
        // A line is logged after what it tells, never before: the offset is where the differences begin.
        let (low, high) = (quantile(&mut differences, 0.02)?, quantile(&mut differences, 0.5)?);
        let floored = if self.resolution > 100_000_000 { self.resolution as f64 / 2.0 } else { 0.0 };
        Some(Estimate {
            offset: (low + floored) as i64,
            uncertainty: ((high - low) / 2.0 + floored) as i64 + 10_000_000,
            drift_ppb: 0,
            origin: self.origin,
            zone_error: None,
            clarity: 0.0,
            pairs: differences.len() as u64,
            correlogram: Vec::new(),
        })
    }
}

fn tuple(flow: &FlowRow) -> Option<Tuple> {
    Some((flow.source.0?, flow.source.1?, flow.called.0?, flow.called.1?))
}
