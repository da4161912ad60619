//! The units a person writes: `4GiB`, `30m`, `0.5` processors.
//!
//! Each unit has one spelling. A near miss (`4G`, `30min`) is refused with the right spelling rather than
//! guessed at, because the guesses differ by 7 % for sizes and by 60 for times. Numbers are whole, so that what
//! was written and what is enforced are the same; `Display` gives a text that parses back to the same value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// Binary and decimal units of size, largest first, as they are written.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("", 1),
];

/// Units of time in milliseconds, in the order in which they may follow each other.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const SIZE_HELP: &str = "write a whole number with KiB, MiB, GiB, TiB, kB, MB, GB or TB, such as `512MiB`, or a plain number of bytes";
const TIME_HELP: &str = "write whole numbers with d, h, m, s or ms, such as `90s`, `30m` or `1h30m`";
const CPUS_HELP: &str = "write a number with at most three decimals, such as `2` or `0.5`";

/// A text that isn't a size, a time or a number of processors.
///
/// Displays as what is wrong, then what to write.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}; {help}")]
pub struct UnitError {
    what: String,
    help: String,
}

impl UnitError {
    /// What is wrong with the text.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to write instead.
    pub fn help(&self) -> &str {
        &self.help
    }

    fn new(text: &str, noun: &str, help: impl Into<String>) -> Self {
        Self { what: format!("{} is not {noun}", crate::problem::quoted(text)), help: help.into() }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// A size of so many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of so many MiB.
    pub(crate) const fn mebi(count: u64) -> Self {
        Self(count << 20)
    }

    /// The size as a plain number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = SIZES.iter().filter(|(_, size)| self.0.is_multiple_of(*size));
        let shortest = exact.map(|(unit, size)| format!("{}{unit}", self.0 / size)).min_by_key(String::len);
        f.write_str(&shortest.unwrap_or_default())
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = |help: String| UnitError::new(text, "a size", help);
        let (digits, unit) = split_number(text);
        if digits.is_empty() || unit.starts_with('.') {
            return Err(error(SIZE_HELP.into()));
        }
        let Some((_, size)) = SIZES.iter().find(|(name, _)| *name == unit) else {
            return Err(error(match meant_size(unit) {
                Some(meant) => format!("write `{digits}{meant}`"),
                None => SIZE_HELP.into(),
            }));
        };
        let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*size));
        bytes.map(Self).ok_or_else(|| error("it is larger than any machine's memory or disk".into()))
    }
}

/// A share of the machine's processors, in thousandths of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(u32);

impl Cpus {
    /// A share of so many thousandths of a processor.
    pub const fn from_milli(milli: u32) -> Self {
        Self(milli)
    }

    /// The share in thousandths of a processor.
    pub const fn as_milli(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Cpus {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "a number of processors", CPUS_HELP);
        let (whole, rest) = split_number(text);
        let decimals = match rest.strip_prefix('.') {
            Some(decimals) if !decimals.is_empty() && decimals.len() <= 3 => decimals,
            None if rest.is_empty() => "0",
            _ => return Err(error()),
        };
        if whole.is_empty() || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        let milli = format!("{whole}{decimals:0<3}").parse().map_err(|_| error())?;
        Ok(Self(milli))
    }
}

/// Reads a length of time such as `90s` or `1h30m`.
///
/// # Errors
/// The text has no unit, an unknown one, or units out of order.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = |help: String| UnitError::new(text, "a length of time", help);
    let mut milliseconds = Some(0u64);
    let mut meant = String::new();
    let mut misspelled = false;
    let mut largest = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, tail) = split_number(rest);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let index = meant_time(unit).filter(|index| !digits.is_empty() && *index >= largest);
        let Some((name, factor)) = index.and_then(|index| TIMES.get(index)) else {
            let bare = unit.is_empty() && meant.is_empty() && !digits.is_empty();
            return Err(error(if bare {
                format!("it has no unit: write `{digits}s`, `{digits}m` or `{digits}h`")
            } else {
                TIME_HELP.into()
            }));
        };
        misspelled |= *name != unit;
        meant.push_str(&format!("{digits}{name}"));
        let part = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*factor));
        milliseconds = milliseconds.zip(part).and_then(|(sum, part)| sum.checked_add(part));
        largest = index.unwrap_or_default() + 1;
        rest = tail;
    }
    match milliseconds {
        _ if misspelled => Err(error(format!("write `{meant}`"))),
        _ if text.is_empty() => Err(error(TIME_HELP.into())),
        None => Err(error("it is longer than can be counted".into())),
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
    }
}

/// Writes a length of time so that [`parse_duration`] reads it back, to the millisecond.
pub(crate) fn duration_text(time: Duration) -> String {
    let mut rest = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, size) in TIMES {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The unit of size that a misspelled one stands for.
fn meant_size(unit: &str) -> Option<&'static str> {
    Some(match unit.trim().to_ascii_lowercase().as_str() {
        "b" | "byte" | "bytes" => "",
        "k" | "ki" | "kib" => "KiB",
        "m" | "mi" | "mib" => "MiB",
        "g" | "gi" | "gib" => "GiB",
        "t" | "ti" | "tib" => "TiB",
        "kb" => "kB",
        "mb" => "MB",
        "gb" => "GB",
        "tb" => "TB",
        _ => return None,
    })
}

/// The index in [`TIMES`] of a unit, however it is spelled.
fn meant_time(unit: &str) -> Option<usize> {
    Some(match unit.trim().to_ascii_lowercase().as_str() {
        "d" | "day" | "days" => 0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 2,
        "s" | "sec" | "secs" | "second" | "seconds" => 3,
        "ms" | "msec" | "millisecond" | "milliseconds" => 4,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn help<T: std::fmt::Debug>(result: Result<T, UnitError>) -> String {
        result.unwrap_err().help().to_owned()
    }

    #[test]
    fn sizes_have_binary_decimal_and_plain_units() {
        assert_eq!("4GiB".parse(), Ok(Bytes::new(4 << 30)));
        assert_eq!("4GB".parse(), Ok(Bytes::new(4_000_000_000)));
        assert_eq!("1kB".parse(), Ok(Bytes::new(1_000)));
        assert_eq!("4096".parse(), Ok(Bytes::new(4096)));
    }

    #[test]
    fn a_misspelled_size_is_refused_with_the_right_spelling() {
        for (text, meant) in [("4G", "4GiB"), ("4gb", "4GB"), ("4 GiB", "4GiB"), ("1KB", "1kB"), ("9B", "9")]
        {
            assert_eq!(help(text.parse::<Bytes>()), format!("write `{meant}`"), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GiB", "4XB", "4\u{661}GiB"] {
            assert_eq!(help(text.parse::<Bytes>()), SIZE_HELP, "{text}");
        }
        assert!("99999999999TiB".parse::<Bytes>().is_err());
        assert!("99999999999999999999999".parse::<Bytes>().is_err());
    }

    #[test]
    fn a_time_needs_a_unit_and_keeps_their_order() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(help(parse_duration("30")), "it has no unit: write `30s`, `30m` or `30h`");
        assert_eq!(help(parse_duration("30min")), "write `30m`");
        for text in ["", "m", "30m1h", "1m1m", "1h30", "1.5h", "-1s", "30é"] {
            assert_eq!(help(parse_duration(text)), TIME_HELP, "{text}");
        }
    }

    #[test]
    fn a_share_of_processors_has_at_most_three_decimals() {
        assert_eq!("2".parse(), Ok(Cpus::from_milli(2000)));
        assert_eq!("0.5".parse(), Ok(Cpus::from_milli(500)));
        for text in ["", ".5", "1.", "1.2345", "-1", "1e3", "2 ", "99999999"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn sizes_round_trip(bytes: u64) {
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }

        #[test]
        fn processors_round_trip(milli: u32) {
            prop_assert_eq!(Cpus(milli).to_string().parse(), Ok(Cpus(milli)));
        }

        #[test]
        fn times_round_trip(milliseconds: u64) {
            let time = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&duration_text(time)), Ok(time));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = (text.parse::<Bytes>(), text.parse::<Cpus>(), parse_duration(&text));
        }
    }
}
