//! What is counted, and what its members have in common.
//!
//! A tool and a kind of command are a call's, and there the unit is the call. A task, a step of the training and a model are
//! an episode's: its calls are no independent witnesses of them, so there the unit is the episode, which did it if one of its
//! calls did.

use super::causes::ClassCauses;
use crate::attribution::Timeline;
use crate::incident::{CallRow, Incident, Texts};
use crate::model::Id;
use crate::report::model::Factor;

/// Units by one factor.
#[derive(Debug)]
pub(super) struct Units {
    pub(super) factor: Factor,
    /// The values that there are.
    pub(super) values: Texts,
    /// For each unit its value: calls by their index, runs by their number. None if it has none, or could not have been
    /// found to have done anything.
    pub(super) of: Vec<Option<Id>>,
}

/// Whether a call could be an answer: it has a place, and its clock is known.
pub(super) fn is_judged(call: &CallRow, timeline: &Timeline) -> bool {
    !call.places.is_empty() && timeline.trace(call.clock).is_some()
}

impl Units {
    pub(super) fn calls(incident: &Incident, timeline: &Timeline, factor: Factor) -> Self {
        let mut values = Texts::default();
        let of = incident
            .calls
            .iter()
            .map(|call| {
                let text = match factor {
                    Factor::Tool => incident.tools.text(call.tool),
                    _ => incident.kinds.text(call.kind),
                };
                (!text.is_empty() && is_judged(call, timeline)).then(|| values.id(text))
            })
            .collect();
        Self { factor, values, of }
    }

    pub(super) fn runs(incident: &Incident, timeline: &Timeline, factor: Factor) -> Self {
        let mut values = Texts::default();
        let mut of: Vec<Option<Id>> = vec![None; incident.runs.len()];
        for call in incident.calls.iter().filter(|call| is_judged(call, timeline)) {
            let Some(unit) = of.get_mut(call.run as usize).filter(|unit| unit.is_none()) else { continue };
            *unit = match factor {
                Factor::Task => call.task.as_deref().map(|task| values.id(task)),
                Factor::Model => call.model.as_deref().map(|model| values.id(model)),
                _ => call.training_step.map(|step| values.id(&step.to_string())),
            };
        }
        Self { factor, values, of }
    }

    /// How many there are of each value.
    pub(super) fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.values.len()];
        self.of.iter().flatten().for_each(|value| counts[*value as usize] += 1);
        counts
    }

    /// How many of each value did it; expected.
    pub(super) fn did(&self, class: &ClassCauses) -> Vec<f64> {
        let mut by_unit: Vec<(usize, f64)> = match self.factor {
            Factor::Tool | Factor::CommandKind => {
                class.calls.iter().map(|(call, probability)| (*call, *probability)).collect()
            }
            Factor::Task | Factor::TrainingStep | Factor::Model => {
                class.runs.iter().map(|(run, probability)| (*run as usize, *probability)).collect()
            }
        };
        // Sums of fractions depend on their order.
        by_unit.sort_unstable_by_key(|(unit, _)| *unit);
        let mut did = vec![0.0; self.values.len()];
        for (unit, probability) in by_unit {
            if let Some(value) = self.of.get(unit).copied().flatten() {
                did[value as usize] += probability;
            }
        }
        did
    }
}
