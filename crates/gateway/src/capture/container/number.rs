//! Numbers in either byte order, and times in any unit.

use std::time::Duration;

const SECOND: u128 = 1_000_000_000;

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Order {
    /// The number of two bytes at this place; zero outside.
    pub(super) fn short(self, bytes: &[u8], at: usize) -> u16 {
        let number = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        match self {
            Self::Big => u16::from_be_bytes(number),
            Self::Little => u16::from_le_bytes(number),
        }
    }

    /// The number of four bytes at this place; zero outside.
    pub(super) fn long(self, bytes: &[u8], at: usize) -> u32 {
        let number = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        match self {
            Self::Big => u32::from_be_bytes(number),
            Self::Little => u32::from_le_bytes(number),
        }
    }

    /// The number of eight bytes at this place; zero outside.
    pub(super) fn longest(self, bytes: &[u8], at: usize) -> u64 {
        let number = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        match self {
            Self::Big => u64::from_be_bytes(number),
            Self::Little => u64::from_le_bytes(number),
        }
    }
}

/// The unit that times are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// How many of it make a second.
    pub(super) per_second: u128,
    /// Seconds to add to every time.
    pub(super) offset: i64,
}

impl Unit {
    pub(super) const MICROSECONDS: Self = Self { per_second: 1_000_000, offset: 0 };

    /// The unit that `if_tsresol` stands for: a negative power of 10, or of 2 where the highest bit is set. A power that
    /// is finer than any clock (beyond 10⁻³⁸) is read as the finest there is.
    pub(super) fn with_resolution(self, resolution: u8) -> Self {
        let (base, power) =
            if resolution & 0x80 == 0 { (10u128, resolution) } else { (2, resolution & 0x7f) };
        Self { per_second: base.checked_pow(u32::from(power)).unwrap_or(u128::MAX), ..self }
    }

    /// The time of so many units, since 1970. A time outside of 1970 to 2262, which is what fits in an event's, is
    /// moved to the end that is nearer.
    pub(super) fn time(self, count: u64) -> Duration {
        let count = u128::from(count);
        let (seconds, rest) = (count / self.per_second, count % self.per_second);
        let nanos = rest.checked_mul(SECOND).map_or(0, |nanos| nanos / self.per_second);
        let seconds = i128::try_from(seconds).unwrap_or(i128::MAX).saturating_add(i128::from(self.offset));
        let seconds = u128::try_from(seconds).unwrap_or(0);
        let time = seconds.saturating_mul(SECOND).saturating_add(nanos).min(i64::MAX as u128);
        Duration::from_nanos(time as u64) // at most i64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_unit() {
        let micro = Unit::MICROSECONDS;
        assert_eq!(micro.time(1_700_000_000_123_456), Duration::new(1_700_000_000, 123_456_000));
        assert_eq!(
            micro.with_resolution(9).time(1_700_000_000_123_456_789),
            Duration::new(1_700_000_000, 123_456_789)
        );
        assert_eq!(micro.with_resolution(0x81).time(3), Duration::from_millis(1500));
        assert_eq!(micro.with_resolution(0).time(3), Duration::from_secs(3));
    }

    #[test]
    fn no_time_is_out_of_bounds() {
        for resolution in 0..=u8::MAX {
            for offset in [i64::MIN, -1, 0, i64::MAX] {
                for count in [0, 1, u64::MAX] {
                    let time = Unit { offset, ..Unit::MICROSECONDS }.with_resolution(resolution).time(count);
                    assert!(time.as_nanos() <= i64::MAX as u128);
                }
            }
        }
    }
}
