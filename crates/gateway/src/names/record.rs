//! What is told of a question, and how many questions are told.
//!
//! Each question is counted; not each is told, or a flood of random names would be a flood of events. Answered and refused
//! ones have a budget each, so that noise of one kind can't hide the other.

use std::time::{Duration, Instant};

/// Questions told at once, and then in each second.
const BURST: u32 = 100;
const EACH: Duration = Duration::from_millis(50);

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// In a stream, without its two bytes of length.
    Tcp,
}

/// What a question came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The name got, or already had, a synthetic address.
    Answered,
    /// The name exists, but has nothing of the type that was asked for.
    NoData,
    /// The sandbox's own loopback.
    Localhost,
    /// The name of a synthetic address.
    Reverse,
    /// No rule could allow the name: it does not exist.
    NotAllowed,
    /// The run has asked for more names than it can have.
    Exhausted,
    /// A question that this resolver doesn't answer: a transfer, another class, an update.
    Unsupported,
    /// No question at all.
    Malformed,
}

impl Outcome {
    /// The name, as it stands in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoData => "no-data",
            Self::Localhost => "localhost",
            Self::Reverse => "reverse",
            Self::NotAllowed => "name-not-allowed",
            Self::Exhausted => "names-exhausted",
            Self::Unsupported => "unsupported",
            Self::Malformed => "malformed",
        }
    }

    /// Whether the agent was refused something.
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::NotAllowed | Self::Exhausted | Self::Unsupported | Self::Malformed)
    }
}

/// A question that is told, and how many before it were not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryRecord {
    /// The name that was asked for, escaped as in RFC 4343; absent where there is none.
    pub name: Option<String>,
    /// The type, such as `A`.
    pub record_type: Option<String>,
    /// How it came.
    pub transport: Transport,
    /// What it came to.
    pub outcome: Outcome,
    /// Questions since the last record of this kind, answered or refused, that were not told.
    pub omitted: u64,
}

/// How many questions of one kind are told: a token bucket.
#[derive(Debug)]
pub(super) struct Budget {
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
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
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
    pub(super) fn omitted(&self) -> u64 {
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
