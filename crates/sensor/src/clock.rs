//! The two clocks that moments are read from.
//!
//! The kernel stamps files with its coarse clock, which moves once a tick (1 to 10 ms) and lies behind the fine one
//! by less than that; since Linux 6.13 some stamps are fine. So a file that changes after a moment never has
//! a stamp before that moment's *coarse* reading, nor one that changed before it a stamp after its *fine* reading:
//! `began` and `over` are each the reading that errs on the safe side.

use event::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A moment, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// What begins now leaves no stamp before this.
    pub(crate) began: i64,
    /// What is over now left no stamp after this. It is also the moment that events tell.
    pub(crate) over: i64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let over = nanoseconds(clock_gettime(ClockId::Realtime));
        Self { began: nanoseconds(clock_gettime(ClockId::RealtimeCoarse)).min(over), over }
    }

    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_nanos(self.over)
    }
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_stamped_between_two_moments() {
        use std::os::unix::fs::MetadataExt;
        let path = std::env::temp_dir().join(format!("aurelian-clock-{}", std::process::id()));
        for _ in 0..50 {
            let before = Moment::now();
            std::fs::write(&path, "x").unwrap();
            let after = Moment::now();
            let stat = std::fs::metadata(&path).unwrap();
            let changed = stat.ctime() * 1_000_000_000 + stat.ctime_nsec();
            assert!((before.began..=after.over).contains(&changed), "{before:?} {changed} {after:?}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
