//! Who did it: what each call caused, which of them are culprits, and what is told of those.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use event::Timestamp;

use super::super::model::{Culprit, Share};
use super::{Case, baseline, class, gpus, is_malicious, largest};
use crate::attribution::{Answer, Evidence};
use crate::incident::{CallRow, FlowRow};
use crate::model::Id;

/// How many culprits are listed.
pub(super) const LISTED: usize = 1000;
/// How many classes and destinations each has.
const SHARES: usize = 12;
/// From this probability on a call is sure, and comes before those that are not.
const SURE: f64 = 0.9;
/// From this one on it is a culprit.
const LIKELY: f64 = 0.5;

/// What a call caused.
#[derive(Debug, Default)]
pub(super) struct Load {
    flows: f64,
    malicious: f64,
    /// How probable its surest malicious flow is: the flows of a call stand and fall together, and many doubtful ones make no
    /// sure one.
    surest: f64,
    /// What that flow is.
    class: Option<Arc<str>>,
    /// What speaks for that.
    evidence: Vec<Evidence>,
    /// It is the best candidate of that flow.
    is_best: bool,
    by_id: bool,
}

/// Adds a flow to the calls that may have caused it.
pub(super) fn take(loads: &mut HashMap<usize, Load>, flow: &FlowRow, answer: &Answer, malicious: bool) {
    let best = answer.best().map(|(call, _)| call);
    for (call, probability) in &answer.candidates {
        let load = loads.entry(*call).or_default();
        load.flows += probability;
        if !malicious {
            continue;
        }
        load.malicious += probability;
        if *probability > load.surest {
            load.surest = *probability;
            load.class.clone_from(&flow.class);
            load.evidence.clone_from(&answer.evidence);
            load.is_best = best == Some(*call);
            load.by_id = flow.exact.is_some();
        }
    }
}

/// Adds what calls caused in a later part.
pub(super) fn add(loads: &mut HashMap<usize, Load>, later: HashMap<usize, Load>) {
    for (call, later) in later {
        let load = loads.entry(call).or_default();
        let (flows, malicious) = (load.flows + later.flows, load.malicious + later.malicious);
        if later.surest > load.surest {
            *load = later;
        }
        (load.flows, load.malicious) = (flows, malicious);
    }
}

/// The culprits by index: the sure ones first; among them one of each class after the other, and of a class those first that caused
/// more. A scan has hundreds of flows and an upload one, so that by number alone uploads would stand where nobody looks.
pub(super) fn ranked(loads: &HashMap<usize, Load>) -> Vec<usize> {
    let is_culprit = |load: &Load| load.is_best && load.surest >= LIKELY;
    let mut all: Vec<_> = loads.iter().filter(|(_, load)| is_culprit(load)).collect();
    all.sort_by(|(at, a), (other, b)| b.malicious.total_cmp(&a.malicious).then(at.cmp(other)));
    let mut of_class: HashMap<_, usize> = HashMap::new();
    let mut turns: Vec<_> = all
        .into_iter()
        .map(|(at, load)| {
            let is_unsure = load.surest < SURE;
            let turn = of_class.entry((is_unsure, &load.class)).or_default();
            *turn += 1;
            ((is_unsure, *turn), *at)
        })
        .collect();
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, at)| at).collect()
}

/// Of what classes the flows of a culprit are, and where they went.
#[derive(Debug, Default)]
pub(super) struct Where {
    classes: HashMap<Arc<str>, f64>,
    destinations: HashMap<Id, f64>,
    /// What is told of GPUs that came into use.
    gpus: Vec<String>,
}

/// The same for those that are known, by the flows of a part.
pub(super) fn wheres(
    case: Case<'_>,
    known: &HashSet<usize>,
    flows: &[FlowRow],
    answers: &[Answer],
) -> HashMap<usize, Where> {
    let mut wheres: HashMap<usize, Where> = HashMap::new();
    for (flow, answer) in flows.iter().zip(answers).filter(|(flow, _)| is_malicious(flow)) {
        for (call, probability) in answer.candidates.iter().filter(|(call, _)| known.contains(call)) {
            let place = wheres.entry(*call).or_default();
            *place.classes.entry(class(flow)).or_default() += probability;
            *place.destinations.entry(flow.destination).or_default() += probability;
        }
    }
    for (call, sentences) in gpus::beside(case, known, flows, answers) {
        wheres.entry(call).or_default().gpus = sentences;
    }
    wheres
}

/// Adds those of a later part.
pub(super) fn add_wheres(wheres: &mut HashMap<usize, Where>, later: HashMap<usize, Where>) {
    for (call, later) in later {
        let place = wheres.entry(call).or_default();
        later
            .classes
            .into_iter()
            .for_each(|(class, flows)| *place.classes.entry(class).or_default() += flows);
        for (destination, flows) in later.destinations {
            *place.destinations.entry(destination).or_default() += flows;
        }
        place.gpus.extend(later.gpus);
        place.gpus.truncate(gpus::EACH);
    }
}

/// The first of them, with all that is told.
pub(super) fn list(
    case: Case<'_>,
    loads: &HashMap<usize, Load>,
    wheres: &HashMap<usize, Where>,
    ranked: &[usize],
) -> Vec<Culprit> {
    let culprit =
        |at: &usize| Some(culprit(case, case.incident.calls.get(*at)?, loads.get(at)?, wheres.get(at)?));
    ranked.iter().take(LISTED).filter_map(culprit).collect()
}

fn culprit(case: Case<'_>, call: &CallRow, load: &Load, place: &Where) -> Culprit {
    let text = |text: &std::sync::Arc<str>| text.to_string();
    let tool = case.incident.tools.text(call.tool);
    let destinations = largest(&place.destinations, SHARES);
    let told = baseline::evidence(case, &destinations);
    let destination =
        |(id, flows): (Id, f64)| Share { of: case.incident.destinations.text(id).to_owned(), flows };
    Culprit {
        run: case.incident.run(call).to_owned(),
        task: call.task.as_ref().map(text),
        training_step: call.training_step,
        model: call.model.as_ref().map(text),
        tool_call_id: call.tool_call_id.as_ref().map(text),
        tool: (!tool.is_empty()).then(|| tool.to_owned()),
        command: (!call.command.is_empty()).then(|| call.command.to_string()),
        start: case.start(call).map(Timestamp::from_nanos),
        flows: load.flows,
        malicious_flows: load.malicious,
        probability: load.surest,
        by_id: load.by_id,
        classes: classes(place),
        destinations_left_out: place.destinations.len().saturating_sub(SHARES) as u64,
        destinations: destinations.into_iter().map(destination).collect(),
        evidence: load.evidence.iter().map(ToString::to_string).chain(beside(place)).chain(told).collect(),
        origin: Some(call.origin.clone()),
    }
}

/// What its flows probably are, and what most of them are.
fn classes(place: &Where) -> Vec<Share> {
    const ONE: f64 = 0.5;
    let mut classes = largest(&place.classes, SHARES);
    let probable = classes.iter().take_while(|(_, flows)| *flows >= ONE).count();
    classes.truncate(probable.max(1));
    classes.into_iter().map(|(class, flows)| Share { of: class.to_string(), flows }).collect()
}

/// What GPUs tell of a call that mined.
fn beside(place: &Where) -> impl Iterator<Item = String> {
    let mines = place.classes.keys().any(|class| class.starts_with("mining"));
    place.gpus.iter().filter(move |_| mines).cloned()
}
