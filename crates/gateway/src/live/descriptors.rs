//! Descriptors for flows and their pipes, of which a process has only so many.
//!
//! Who takes the last one takes it from the supervisors of all runs in the process, and a supervisor without any is blind. So
//! some are left to others, and of the rest a run may have no more than a multiple of what is still free: whatever other
//! runs have taken, there is some for it too (Choudhury and Hahne, "Dynamic Queue Length Thresholds", 1998).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use rustix::process::{Resource, getrlimit};

/// Those that are left to others than flows.
const RESERVED: u64 = 512;
/// How many times as many as are free a run may have. A run alone gets nearly all.
const SHARE: u64 = 64;

/// What one run may take.
#[derive(Clone, Debug)]
pub(super) struct Descriptors {
    /// Pairs that this run has.
    own: Arc<AtomicU64>,
    /// Pairs that all runs have.
    all: Arc<AtomicU64>,
    most: u64,
}

/// Two descriptors: those of a flow's sockets, or a pipe's. They may be had by others when dropped.
#[derive(Debug)]
pub(super) struct Pair(Descriptors);

impl Descriptors {
    /// Of this process, by its limit on open files.
    pub(super) fn of_process() -> Self {
        static ALL: LazyLock<Arc<AtomicU64>> = LazyLock::new(Arc::default);
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::new(Arc::clone(&ALL), files.saturating_sub(RESERVED) / 2)
    }

    fn new(all: Arc<AtomicU64>, most: u64) -> Self {
        Self { own: Arc::default(), all, most }
    }

    /// Two of them, if the run may have two more.
    pub(super) fn take(&self) -> Option<Pair> {
        let may = |all: u64| {
            let free = self.most.saturating_sub(all);
            (self.own.load(Ordering::Relaxed) < free.saturating_mul(SHARE)).then_some(all + 1)
        };
        self.all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, may).ok()?;
        self.own.fetch_add(1, Ordering::Relaxed);
        Some(Pair(self.clone()))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.0.own.fetch_sub(1, Ordering::Relaxed);
        self.0.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_of(run: &Descriptors) -> Vec<Pair> {
        std::iter::from_fn(|| run.take()).collect()
    }

    #[test]
    fn no_run_takes_all_and_all_together_take_no_more_than_there_are() {
        const MOST: u64 = 10_000;
        let all = Arc::<AtomicU64>::default();
        let [greedy, second, third] = std::array::from_fn(|_| Descriptors::new(Arc::clone(&all), MOST));
        let taken = all_of(&greedy);
        assert!((9_800..MOST).contains(&(taken.len() as u64)), "{}", taken.len());
        let of_second = all_of(&second);
        assert!(of_second.len() > 100, "{} are left to a second run", of_second.len());
        let of_third = all_of(&third);
        assert!(!of_third.is_empty() && all.load(Ordering::Relaxed) <= MOST);
        assert!(greedy.take().is_none(), "and none to the greedy one");
        drop(taken);
        assert!(all_of(&third).len() > 9_000, "what is given back can be had again");
        drop((of_second, of_third));
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_process_without_descriptors_to_spare_has_none_for_flows() {
        assert!(Descriptors::new(Arc::default(), 0).take().is_none());
    }
}
