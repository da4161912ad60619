//! Which calls may have written a file, by the time of its last change.
//!
//! The kernel says when a file changed and not who changed it. But a call that was not alive at that time can't have:
//! with one call at a time, which is how agents work, exactly one is left. A call counts as alive until the sandbox says that
//! the last of its processes is gone, which it has from the kernel: a count of processes could miss one that forks.

use std::collections::BTreeMap;

use event::CallId;

use crate::clock::Moment;

/// How far a stamp may lie after the reading of a clock and yet be from before it. The end of a call is seen after it happened
/// and read from the fine clock, so that this only has to cover a file system that has a clock of its own.
const SLACK_NS: i64 = 20_000_000;

/// When the calls of a run were alive.
#[derive(Debug)]
pub(crate) struct Lineage {
    run_began: i64,
    calls: BTreeMap<CallId, Life>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    began: i64,
    /// When its last process was gone; none while one may live.
    over: Option<i64>,
}

impl Life {
    fn may_have_written(self, changed_ns: i64) -> bool {
        self.began <= changed_ns && self.over.is_none_or(|over| changed_ns <= over.saturating_add(SLACK_NS))
    }
}

impl Lineage {
    /// Of a run that begins now.
    pub(crate) fn new(now: Moment) -> Self {
        Self { run_began: now.began, calls: BTreeMap::new() }
    }

    /// A call begins; none of its processes has executed an instruction yet.
    pub(crate) fn begins(&mut self, call: CallId, now: Moment) {
        self.calls.insert(call, Life { began: now.began, over: None });
    }

    /// No process of a call is left. Only the first word of it counts.
    pub(crate) fn is_over(&mut self, call: CallId, now: Moment) {
        if let Some(life) = self.calls.get_mut(&call) {
            life.over.get_or_insert(now.over);
        }
    }

    /// Whether a file with this time of its last change was written during the run.
    pub(crate) fn is_of_this_run(&self, changed_ns: i64) -> bool {
        changed_ns >= self.run_began
    }

    /// The calls that may have written a file at this time, in order.
    pub(crate) fn writers(&self, changed_ns: i64) -> Vec<CallId> {
        let may = self.calls.iter().filter(|(_, life)| life.may_have_written(changed_ns));
        may.map(|(call, _)| *call).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: i64 = 1_000_000;

    fn call(number: u32) -> CallId {
        CallId::new(number).unwrap()
    }

    fn at(ms: i64) -> Moment {
        // The coarse clock lies up to a tick behind.
        Moment { began: ms / 4 * 4 * MS, over: ms * MS }
    }

    fn lineage(lives: &[(i64, Option<i64>)]) -> Lineage {
        let mut lineage = Lineage::new(at(0));
        for (number, (began, over)) in (1..).zip(lives) {
            lineage.begins(call(number), at(*began));
            if let Some(over) = over {
                lineage.is_over(call(number), at(*over));
            }
        }
        lineage
    }

    #[test]
    fn of_calls_in_turn_one_is_named() {
        let lineage = lineage(&[(10, Some(50)), (100, Some(150)), (200, None)]);
        assert_eq!(lineage.writers(40 * MS), [call(1)]);
        assert_eq!(lineage.writers(120 * MS), [call(2)]);
        assert_eq!(lineage.writers(300 * MS), [call(3)]);
        assert_eq!(lineage.writers(90 * MS), []);
    }

    #[test]
    fn a_call_that_follows_at_once_is_not_blamed_for_the_file() {
        let lineage = lineage(&[(0, Some(52)), (53, None)]);
        assert_eq!(lineage.writers(48 * MS), [call(1)]);
    }

    #[test]
    fn what_a_call_left_behind_may_write_later() {
        let lineage = lineage(&[(0, None), (100, Some(150)), (200, None)]);
        assert_eq!(lineage.writers(210 * MS), [call(1), call(3)]);
    }

    #[test]
    fn files_from_before_the_run_are_not_of_it() {
        let lineage = Lineage::new(Moment { began: 8 * MS, over: 11 * MS });
        assert!(!lineage.is_of_this_run(7 * MS));
        assert!(lineage.is_of_this_run(8 * MS), "the coarse clock had not moved since the run began");
    }

    proptest! {
        /// Calls with any lives; whoever writes at any moment of its life is among those named, whatever the tick.
        #[test]
        fn the_writer_is_always_named(
            lives in prop::collection::vec((0i64..1000, 0i64..500, any::<bool>()), 1..8),
            pick: prop::sample::Index,
            part in 0.0f64..=1.0,
            coarse: bool,
        ) {
            let lives: Vec<_> = lives.into_iter().map(|(began, length, left)| (began, began + length, left)).collect();
            let ends: Vec<_> = lives.iter().map(|&(began, end, left)| (began, (!left).then_some(end))).collect();
            let lineage = lineage(&ends);
            let index = pick.index(lives.len());
            let (began, end, _) = lives[index];
            let written = began + ((end - began) as f64 * part) as i64;
            let stamp = if coarse { at(written).began } else { at(written).over };
            prop_assert!(lineage.is_of_this_run(stamp));
            prop_assert!(lineage.writers(stamp).contains(&call(index as u32 + 1)));
        }

        /// Nobody is named who was not alive within the slack and a tick.
        #[test]
        fn only_the_living_are_named(
            lives in prop::collection::vec((0i64..1000, 0i64..500), 0..8), stamp in 0i64..2000,
        ) {
            let ends: Vec<_> = lives.iter().map(|&(began, length)| (began, Some(began + length))).collect();
            for named in lineage(&ends).writers(stamp * MS) {
                let (began, length) = lives[named.number() as usize - 1];
                prop_assert!(began - 4 < stamp + 1 && stamp <= began + length + SLACK_NS / MS);
            }
        }
    }
}
