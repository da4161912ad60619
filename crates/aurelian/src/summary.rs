//! What a run comes to, for the operator and for programs.

mod refused;
mod text;
pub(crate) mod units;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use sensor::Summary;
use serde::Serialize;

use crate::run::Kept;

pub(crate) use text::{Width, text, title};

/// The version of the JSON below. It changes when a reader of the old one could no longer read the new.
const SCHEMA: &str = "urn:aurelian:schema:summary:1";

/// A run, summed up. As JSON it is what `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    schema: &'static str,
    /// What `aurelian` exits with.
    pub(crate) exit_code: u8,
    /// The signal to `aurelian` that ended the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_by_signal: Option<i32>,
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// Calls of the file that could not be started.
    pub(crate) not_started: Vec<NotStarted>,
    /// Calls of the file that it did not come to.
    pub(crate) not_reached: usize,
    /// The file of events; absent when they went to stdout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) events_file: Option<PathBuf>,
    /// The copy of the scratch layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<Kept>,
    /// What was kept from the operator's terminal, by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) filtered: BTreeMap<&'static str, u64>,
    /// Whether the calls came from a file.
    #[serde(skip)]
    pub(crate) is_of_a_file: bool,
}

/// A call that could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NotStarted {
    /// The caller's id of it.
    pub(crate) tool_call_id: Option<String>,
    /// Why.
    pub(crate) reason: String,
}

impl Report {
    /// A run that ended like this, so far without what only some runs have.
    pub(crate) fn new(exit_code: u8, summary: Summary) -> Self {
        Self {
            schema: SCHEMA,
            exit_code,
            ended_by_signal: None,
            summary,
            not_started: Vec::new(),
            not_reached: 0,
            events_file: None,
            kept: None,
            filtered: BTreeMap::new(),
            is_of_a_file: false,
        }
    }
}

/// A value as one line of JSON in printable ASCII: it may be printed on a terminal.
pub(crate) fn json(value: &impl Serialize) -> io::Result<String> {
    let json = serde_json::to_string(value)?;
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            ' '..='~' => line.push(character),
            // Control characters were escaped already, and these stand in strings only.
            _ => line.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests;
