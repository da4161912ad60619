//! Ids of runs and calls.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::{Uuid, Variant};

/// The id of a run: a UUIDv7 (RFC 9562), so that ids sort by the time the run was made.
///
/// Written in the 36-character lower-case form with hyphens; read in that form only, in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "Uuid", try_from = "String")]
pub struct RunId(Uuid);

impl RunId {
    /// A new id, never seen before.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl From<RunId> for Uuid {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_v7 = |id: &Uuid| id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122;
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH && is_v7(&id) => Ok(Self(id)),
            _ => Err(ParseRunIdError),
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = ParseRunIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl JsonSchema for RunId {
    fn schema_name() -> Cow<'static, str> {
        "RunId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The id of a run: a UUIDv7 (RFC 9562).",
            "type": "string",
            "format": "uuid",
            "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        })
    }
}

/// expected the id of a run: a version 7 UUID such as `0198c5e2-7c4b-7d2a-9f3e-5b1a2c3d4e5f`
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a run: a version 7 UUID such as 0198c5e2-7c4b-7d2a-9f3e-5b1a2c3d4e5f")]
pub struct ParseRunIdError;

/// The id of a call within its run: a number from 1, in the order of starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CallId(NonZeroU32);

impl CallId {
    /// The first call of a run.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The id with this number; none for 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number, from 1.
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// The id of the call after this one; none when the numbers are used up.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_survives_its_text() {
        let id = RunId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
    }

    #[test]
    fn only_hyphenated_version_7_uuids_are_run_ids() {
        for wrong in [
            "",
            "run",
            "0198c5e27c4b7d2a9f3e5b1a2c3d4e5f",
            "{0198c5e2-7c4b-7d2a-9f3e-5b1a2c3d4e5f}",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "0198c5e2-7c4b-7d2a-1f3e-5b1a2c3d4e5f",
            "0198c5e2-7c4b-7d2a-9f3e-5b1a2c3d4e5f\n",
        ] {
            assert_eq!(wrong.parse::<RunId>(), Err(ParseRunIdError), "{wrong:?}");
        }
    }

    #[test]
    fn later_runs_sort_after_earlier_ones() {
        let ids: Vec<_> = (0..100).map(|_| RunId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn calls_are_numbered_from_one() {
        assert_eq!(CallId::new(0), None);
        assert_eq!(CallId::FIRST.number(), 1);
        assert_eq!(CallId::FIRST.next(), CallId::new(2));
        assert_eq!(CallId::new(u32::MAX).and_then(CallId::next), None);
        assert_eq!(serde_json::to_string(&CallId::new(7)).unwrap(), "7");
        assert!(serde_json::from_str::<CallId>("0").is_err());
    }
}
