//! The clock that programs inside read as well.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The monotonic clock.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Bytes that the program `stamp` writes.
pub(crate) const STAMP: usize = 16;

/// The time that the program `stamp` wrote.
pub(crate) fn read_stamp(bytes: &[u8]) -> Option<Duration> {
    let (seconds, rest) = bytes.split_first_chunk::<8>()?;
    let nanoseconds = u64::from_le_bytes(rest.try_into().ok()?);
    Some(Duration::new(u64::from_le_bytes(*seconds), u32::try_from(nanoseconds).ok()?))
}
