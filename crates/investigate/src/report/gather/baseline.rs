//! What a baseline says of a culprit's destinations, and what it leaves untold.

use super::super::figures::{count, some};
use super::super::model::BaselineSummary;
use super::Case;
use crate::model::Id;

/// How many destinations are named of those that it never has.
const NAMED: usize = 3;

/// A sentence for the destinations that the baseline never has, the most frequent first, and one for those that it has.
pub(super) fn evidence(case: Case<'_>, destinations: &[(Id, f64)]) -> Vec<String> {
    let Some(beside) = &case.incident.beside else { return Vec::new() };
    let is_told = |id: &Id| {
        // "many hosts", and GPUs, are no destinations to look for.
        case.incident.ends.get(*id as usize).is_some_and(|end| end.name.is_some() || end.address.is_some())
    };
    let text = |id: &Id| case.incident.destinations.text(*id);
    let told = destinations.iter().map(|(id, _)| id).filter(|id| is_told(id)).map(text);
    let told = told.filter_map(|to| Some((to, beside.baseline.calls(to)?)));
    let (new, known): (Vec<_>, Vec<_>) = told.partition(|(_, calls)| *calls == 0);
    let mut sentences = Vec::new();
    if !new.is_empty() {
        let names: Vec<&str> = new.iter().take(NAMED).map(|(to, _)| *to).collect();
        let more = new.len().saturating_sub(NAMED) as u64;
        let more = if more > 0 { format!(" and {}", some(more, "more", "more")) } else { String::new() };
        let records = some(beside.baseline.records(), "record", "records");
        sentences.push(format!("the baseline never has {}{more} ({records})", names.join(", ")));
    }
    let to_known = known.iter().take(NAMED).map(|(to, calls)| {
        format!("the baseline has {to} too, {} {}", count(*calls), if *calls == 1 { "time" } else { "times" })
    });
    sentences.extend(to_known);
    sentences
}

/// What must be known of a baseline by who reads only what is not known.
pub(super) fn untold(baseline: &BaselineSummary) -> Vec<String> {
    let held_back = (baseline.held_back > 0).then(|| {
        format!(
            "Flows that a port, a length or a volume alone speaks against, to destinations that the baseline calls alike from many places, which have no class for that: {}. If the baseline was not clean, they may be what is looked for.",
            count(baseline.held_back)
        )
    });
    held_back.into_iter().chain(baseline.rates_untold.clone()).collect()
}
