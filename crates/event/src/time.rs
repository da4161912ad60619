//! When something was seen.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in nanoseconds, in UTC.
///
/// Written as RFC 3339 with exactly nine digits of the second and `Z`, so that times of equal length sort as
/// text. It is the host's wall clock, which may step: the order of events is their number, not their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// This moment.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now())
    }

    /// The moment so many nanoseconds after 1970-01-01T00:00:00Z. All of `i64` is in range (1677 to 2262).
    pub fn from_nanos(nanos: i64) -> Self {
        let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        let time = jiff::Timestamp::new(seconds, rest as i32); // 0 ≤ rest < 10⁹, so the cast keeps it
        Self(time.unwrap_or(jiff::Timestamp::UNIX_EPOCH)) // the year is between 1677 and 2262: never the fallback
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z; what is out of range is the nearest that is in it.
    pub fn as_nanos(self) -> i64 {
        let nanos = self.0.as_nanosecond();
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self(time)
    }
}

impl From<Timestamp> for jiff::Timestamp {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9}", self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        jiff::Timestamp::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A moment of the host's wall clock: RFC 3339, UTC, exactly nine digits of the second. \
                            The clock may step: the order of events is their number, not their time.",
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_always_has_nine_digits() {
        assert_eq!(Timestamp::from_nanos(0).to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            Timestamp::from_nanos(1_700_000_000_120_000_000).to_string(),
            "2023-11-14T22:13:20.120000000Z"
        );
        assert_eq!(Timestamp::from_nanos(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn every_i64_is_a_moment_that_survives_its_text() {
        for nanos in [i64::MIN, -1, 0, 1, 1_700_000_000_123_456_789, i64::MAX] {
            let time = Timestamp::from_nanos(nanos);
            assert_eq!((time.0.as_nanosecond(), time.as_nanos()), (i128::from(nanos), nanos));
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        }
    }
}
