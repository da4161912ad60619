//! Those who watch are to be blinded: floods of events, and what was lost.

use event::fact::Fact;
use event::{CallId, Event};

use super::{Analyzer, caller, millis};
use crate::bounded::Bounded;
use crate::catalogue;
use crate::finding::Suspicion;

const CALLS: usize = 4096;
/// So many events of a call in a second are a flood if it goes on for so many seconds. A build that executes as fast as two
/// processors can makes 2,000.
const FLOOD: u64 = 4000;
const SECONDS: u32 = 3;

#[derive(Debug, Default)]
struct Rate {
    second: i64,
    count: u64,
    /// Seconds in a row that were full.
    full: u32,
}

#[derive(Debug)]
pub(super) struct Tamper(Bounded<Option<CallId>, Rate>);

impl Default for Tamper {
    fn default() -> Self {
        Self(Bounded::new(CALLS))
    }
}

impl Analyzer for Tamper {
    fn name(&self) -> &'static str {
        "tamper"
    }

    fn see(&mut self, event: &Event, suspicions: &mut Vec<Suspicion>) {
        if let Fact::TelemetryGap(gap) = &event.fact
            && !gap.source.starts_with("detect.")
        {
            let message = format!("{} observations were lost by {}: {}", gap.lost, gap.source, gap.reason);
            suspicions.push(Suspicion::of(&catalogue::TAMPER_BLIND, &*gap.source, message).confidence(50));
        }
        let second = millis(event) / 1000;
        let rate = self.0.entry(event.call, Rate::default);
        if second != rate.second {
            let is_next = second == rate.second + 1;
            rate.full = if is_next && rate.count >= FLOOD { rate.full + 1 } else { 0 };
            (rate.second, rate.count) = (second, 0);
        }
        rate.count += 1;
        if rate.count == FLOOD && rate.full + 1 >= SECONDS {
            let message = format!("{} makes more than {FLOOD} events a second", caller(event));
            suspicions.push(Suspicion::of(&catalogue::TAMPER_FLOOD, "", message).confidence(70));
        }
    }

    fn forgotten(&mut self) -> u64 {
        self.0.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use event::Observation;
    use event::fact::TelemetryGap;

    use super::*;
    use crate::testing::{Trial, refused};

    fn flood(each_second: usize, seconds: i64) -> Vec<Suspicion> {
        let mut trial = Trial::of(Tamper::default());
        let mut suspicions = Vec::new();
        for _ in 0..seconds {
            suspicions.extend(trial.call(1, (0..each_second).map(|_| Observation::new(refused("unshare")))));
            trial.wait(1000);
        }
        suspicions
    }

    #[test]
    fn a_burst_is_no_flood() {
        assert!(flood(20_000, 2).is_empty());
        assert!(flood(2_000, 60).is_empty());
        assert_eq!(flood(5_000, 4).len(), 2);
    }

    #[test]
    fn what_was_lost_is_a_finding_unless_it_is_ours() {
        let gap = |source: &'static str| {
            Observation::new(TelemetryGap { lost: 3, source: source.into(), reason: "full".into() })
        };
        let mut trial = Trial::of(Tamper::default());
        assert_eq!(trial.call(1, [gap("recorder")]).len(), 1);
        assert!(trial.call(1, [gap("detect.scan")]).is_empty());
    }
}
