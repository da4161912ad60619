//! Destinations by tools.

use std::collections::HashMap;

use super::super::model::HeatMap;
use super::{Case, largest};
use crate::attribution::Answer;
use crate::incident::FlowRow;
use crate::model::Id;

/// How many destinations and tools are kept.
const DESTINATIONS: usize = 40;
const TOOLS: usize = 20;
/// Less than that is nothing.
const LEAST: f64 = 0.05;

/// How many flows the calls of each tool caused to each destination.
#[derive(Debug, Default)]
pub(super) struct Heat {
    cells: HashMap<(Id, Id), f64>,
    /// A destination of one malicious flow comes before all honest ones.
    destinations: HashMap<Id, f64>,
    tools: HashMap<Id, f64>,
}

impl Heat {
    pub(super) fn take(&mut self, case: Case<'_>, flow: &FlowRow, answer: &Answer, malicious: bool) {
        let weight = if malicious { 1e9 } else { 1.0 };
        for (call, probability) in &answer.candidates {
            let Some(tool) = case.incident.calls.get(*call).map(|call| call.tool) else { continue };
            if case.incident.tools.text(tool).is_empty() {
                continue;
            }
            *self.cells.entry((flow.destination, tool)).or_default() += probability;
            *self.destinations.entry(flow.destination).or_default() += probability * weight;
            *self.tools.entry(tool).or_default() += *probability;
        }
    }

    pub(super) fn add(&mut self, later: Self) {
        later.cells.into_iter().for_each(|(at, flows)| *self.cells.entry(at).or_default() += flows);
        for (sums, later) in [(&mut self.destinations, later.destinations), (&mut self.tools, later.tools)] {
            later.into_iter().for_each(|(at, flows)| *sums.entry(at).or_default() += flows);
        }
    }

    /// Those with malicious flows first, then those with the most.
    pub(super) fn map(mut self, case: Case<'_>) -> HeatMap {
        self.destinations.retain(|_, flows| *flows >= LEAST);
        self.tools.retain(|_, flows| *flows >= LEAST);
        let rows: Vec<Id> = largest(&self.destinations, DESTINATIONS).into_iter().map(|(id, _)| id).collect();
        let columns: Vec<Id> = largest(&self.tools, TOOLS).into_iter().map(|(id, _)| id).collect();
        let value = |row: Id, column: Id| {
            self.cells.get(&(row, column)).copied().filter(|flows| *flows >= LEAST).unwrap_or(0.0)
        };
        let values = |row: &Id| columns.iter().map(|column| value(*row, *column)).collect();
        HeatMap {
            destinations: rows.iter().map(|id| case.incident.destinations.text(*id).to_owned()).collect(),
            tools: columns.iter().map(|id| case.incident.tools.text(*id).to_owned()).collect(),
            values: rows.iter().map(values).collect(),
            destinations_left_out: (self.destinations.len() - rows.len()) as u64,
            tools_left_out: (self.tools.len() - columns.len()) as u64,
        }
    }
}
