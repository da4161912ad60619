//! How much is told of what an agent can do as often as it likes.

use std::time::{Duration, Instant};

/// Told at once, and then one in each of these spans.
const BURST: u32 = 100;
const EACH: Duration = Duration::from_millis(50);

/// How many things of one kind are told: a token bucket. What is not told is counted.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    refilled: Option<Instant>,
    omitted: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: BURST, refilled: None, omitted: 0 }
    }
}

impl Budget {
    /// Takes one from the budget, with the number of those not told before it.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u64> {
        let since = *self.refilled.get_or_insert(now);
        let steps = now.saturating_duration_since(since).as_millis() / EACH.as_millis();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        if steps > 0 {
            self.left = self.left.saturating_add(steps).min(BURST);
            self.refilled = Some(now);
        }
        if self.left == 0 {
            self.omitted = self.omitted.saturating_add(1);
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.omitted))
    }

    /// Those not told so far.
    pub(crate) fn omitted(&self) -> u64 {
        self.omitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_told_by_the_next_record() {
        let mut budget = Budget::default();
        let start = Instant::now();
        let told = (0..100_000).filter(|_| budget.take(start).is_some()).count();
        assert_eq!((told, budget.omitted()), (100, 99_900));
        assert_eq!(budget.take(start + Duration::from_millis(49)), None);
        assert_eq!(budget.take(start + Duration::from_millis(51)), Some(99_901));
        let hour = start + Duration::from_secs(3600);
        assert_eq!((0..1000).filter(|_| budget.take(hour).is_some()).count(), 100);
    }
}
