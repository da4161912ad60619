//! A [`Report`] from an incident and its answers.
//!
//! Everything is counted in two passes over the flows, part by part: one that gives each call what it caused ([`Sums`], which the
//! caller takes while it writes the answers down, since they are made only then), and one that gives the culprits, once they are
//! known, their classes, destinations and episodes. What is kept is bounded by the calls, by the destinations and by what is
//! malicious, and not by the flows; what is listed by the limits in here.
//!
//! Left out: calibration. Who has it puts it into the report.

mod baseline;
mod course;
mod culprits;
mod episodes;
mod gpus;
mod heat;
mod kinds;
#[cfg(test)]
mod tests;
mod untold;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use event::Timestamp;

use super::model::{ClassSummary, ClockDiagnosis, InputSummary, Report, Totals};
use crate::attribution::{Answer, Attribution};
use crate::baseline::compare;
use crate::behaviour::{self, Tallies};
use crate::clocks::PLAUSIBLE;
use crate::incident::{CallRow, FlowRow, Flows, Incident, KeepError};
use crate::model::Id;
use course::Course;
use culprits::{Load, Where};
use episodes::Episode;
use heat::Heat;
use kinds::Kind;
use untold::Unsaid;

/// Pairs of clocks that are shown at most.
const CLOCKS: usize = 200;
/// What a flow without a class is called.
const UNCLASSIFIED: &str = "unclassified";

/// What the incident does not tell.
#[derive(Clone, Debug)]
pub struct Told {
    /// The report's name.
    pub title: String,
    /// When it is made.
    pub made_at: Timestamp,
    /// What was read.
    pub inputs: Vec<InputSummary>,
}

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    incident: &'a Incident,
    found: &'a Attribution,
}

/// What flows and their answers tell, added up.
#[derive(Debug, Default)]
pub struct Sums {
    totals: Counted,
    classes: BTreeMap<Arc<str>, Class>,
    loads: HashMap<usize, Load>,
    course: Course,
    heat: Heat,
    untold: Unsaid,
    tallies: Tallies,
}

#[derive(Debug, Default)]
struct Counted {
    by_id: u64,
    from: Option<i64>,
    until: Option<i64>,
}

impl Sums {
    /// What a part tells.
    pub fn of(case: Case<'_>, flows: &[FlowRow], answers: &[Answer]) -> Self {
        let mut sums = Self::default();
        for (flow, answer) in flows.iter().zip(answers) {
            let malicious = is_malicious(flow);
            let time = case.time(flow);
            sums.totals.by_id += u64::from(malicious && flow.exact.is_some() && answer.best().is_some());
            sums.totals.from = sums.totals.from.into_iter().chain(time).min();
            sums.totals.until = sums.totals.until.into_iter().chain(time).max();
            Class::entry(&mut sums.classes, flow).take(case, flow, answer);
            culprits::take(&mut sums.loads, flow, answer, malicious);
            if malicious {
                sums.course.take(case, flow, answer);
            }
            sums.heat.take(case, flow, answer, malicious);
            sums.untold.take(flow, answer, malicious);
            sums.tallies.take(case.incident, &case.found.timeline, flow, answer);
        }
        sums
    }

    /// Adds what a later part tells.
    pub fn add(&mut self, later: Self) {
        self.totals.by_id += later.totals.by_id;
        self.totals.from = self.totals.from.into_iter().chain(later.totals.from).min();
        self.totals.until = self.totals.until.into_iter().chain(later.totals.until).max();
        for (name, class) in later.classes {
            self.classes.entry(name).or_default().add(class);
        }
        culprits::add(&mut self.loads, later.loads);
        self.course.add(later.course);
        self.heat.add(later.heat);
        self.untold.add(later.untold);
        self.tallies.add(later.tallies);
    }
}

/// Puts together what is shown, for who writes no answers down.
///
/// # Errors
/// As [`gather`].
pub fn report(told: Told, incident: &Incident, found: &Attribution) -> Result<Report, KeepError> {
    let (case, mut sums) = (Case::of(incident, found), Sums::default());
    found.each(
        incident,
        |flows, answers| Sums::of(case, flows, answers),
        |part| {
            sums.add(part);
            Ok::<_, KeepError>(())
        },
    )?;
    gather(told, case, sums)
}

/// Puts together what is shown, of the sums of all parts.
///
/// # Errors
/// If flows can't be had from where they are kept.
pub fn gather(told: Told, case: Case<'_>, sums: Sums) -> Result<Report, KeepError> {
    let ranked = culprits::ranked(&sums.loads);
    let runs: HashSet<Id> = ranked.iter().filter_map(|at| Some(case.incident.calls.get(*at)?.run)).collect();
    let classes = classes(sums.classes);
    let mut totals = totals(case, &sums.totals, &classes);
    (totals.culprits, totals.culprit_runs) = (ranked.len() as u64, runs.len() as u64);
    let details = Details::of(case, &ranked)?;
    let mut hours = sums.course.hours(&classes);
    let chances = behaviour::chances(case.incident, &case.found.timeline, &sums.tallies);
    for hours in &mut hours {
        hours.p = chances.get(hours.class.as_str()).copied();
    }
    let mut behaviour = behaviour::associations(case.incident, &case.found.timeline, sums.tallies);
    let baseline = compare::summary(case.incident, &mut behaviour.tested);
    Ok(Report {
        title: told.title,
        made_at: told.made_at,
        inputs: told.inputs,
        clocks: clocks(case),
        culprits: culprits::list(case, &sums.loads, &details.wheres, &ranked),
        episodes: episodes::shown(case, details.episodes, &ranked),
        activity: sums.course.activity(&classes, sums.totals.from.zip(sums.totals.until)),
        heat: sums.heat.map(case),
        behaviour: behaviour.tested,
        behaviour_untestable: behaviour.untestable,
        onset: sums.course.onset(case, &classes),
        hours,
        calibration: None,
        untold: untold::sentences(case, &sums.untold)
            .into_iter()
            .chain(baseline.iter().flat_map(baseline::untold))
            .collect(),
        baseline,
        totals,
        classes,
    })
}

/// What is told of the culprits, once they are known.
struct Details {
    wheres: HashMap<usize, Where>,
    episodes: Vec<Episode>,
}

impl Details {
    /// By the flows of their places.
    fn of(case: Case<'_>, ranked: &[usize]) -> Result<Self, KeepError> {
        let listed = ranked.get(..culprits::LISTED).unwrap_or(ranked);
        let mut details = Self {
            wheres: listed.iter().map(|at| (*at, Where::default())).collect(),
            episodes: episodes::begun(case, ranked),
        };
        let calls = listed.iter().filter_map(|at| case.incident.calls.get(*at));
        let places = calls.flat_map(|call| &call.places);
        let places = places.chain(details.episodes.iter().flat_map(Episode::places));
        let parts: BTreeSet<usize> = places.map(|place| Flows::part_of(*place)).collect();
        let (known, index) = (listed.iter().copied().collect(), episodes::Index::of(&details.episodes));
        case.found.each_of(
            case.incident,
            &Vec::from_iter(parts),
            |flows, answers| {
                (
                    culprits::wheres(case, &known, flows, answers),
                    episodes::flows(case, &index, flows, answers),
                )
            },
            |(wheres, flows)| {
                culprits::add_wheres(&mut details.wheres, wheres);
                episodes::add(&mut details.episodes, flows);
                Ok::<_, KeepError>(())
            },
        )?;
        Ok(details)
    }
}

impl<'a> Case<'a> {
    /// An incident, and what was found.
    pub fn of(incident: &'a Incident, found: &'a Attribution) -> Self {
        Self { incident, found }
    }

    /// When a flow was, in the common time.
    fn time(&self, flow: &FlowRow) -> Option<i64> {
        plausible(self.found.timeline.flows(flow.clock)?.to_common(flow.time))
    }

    /// When a call began, in the common time, if its trace tells it.
    fn start(&self, call: &CallRow) -> Option<i64> {
        let clock = self.found.timeline.trace(call.clock)?;
        plausible(clock.to_common(call.start)).filter(|_| call.start_known)
    }

    /// When a call ended, in the common time, if its trace tells it.
    fn end(&self, call: &CallRow) -> Option<i64> {
        let clock = self.found.timeline.trace(call.clock)?;
        plausible(clock.to_common(call.end)).filter(|_| call.end_known)
    }
}

/// A time that no clock shows is none.
fn plausible(time: i64) -> Option<i64> {
    PLAUSIBLE.contains(&time).then_some(time)
}

fn is_malicious(flow: &FlowRow) -> bool {
    flow.class.as_deref().is_some_and(|class| Kind::of(class).malicious)
}

/// What a flow is called.
fn class(flow: &FlowRow) -> Arc<str> {
    static NONE: LazyLock<Arc<str>> = LazyLock::new(|| UNCLASSIFIED.into());
    flow.class.clone().unwrap_or_else(|| Arc::clone(&NONE))
}

/// How probably any call caused a flow.
fn caused(answer: &Answer) -> f64 {
    if answer.untold.is_some() { 0.0 } else { (1.0 - answer.none).clamp(0.0, 1.0) }
}

fn totals(case: Case<'_>, counted: &Counted, classes: &[ClassSummary]) -> Totals {
    let bad = || classes.iter().filter(|class| class.malicious);
    Totals {
        runs: case.incident.runs.len() as u64,
        calls: case.incident.calls.len() as u64,
        flows: case.incident.flows.len(),
        malicious_flows: bad().map(|class| class.flows).sum(),
        caused: bad().map(|class| class.caused).sum(),
        by_id: counted.by_id,
        culprits: 0,
        culprit_runs: 0,
        from: counted.from.map(Timestamp::from_nanos),
        until: counted.until.map(Timestamp::from_nanos),
    }
}

#[derive(Debug, Default)]
struct Class {
    flows: u64,
    caused: f64,
    runs: HashSet<Id>,
    destinations: HashSet<Id>,
    first: Option<i64>,
    last: Option<i64>,
}

impl Class {
    /// The class of a flow.
    fn entry<'c>(classes: &'c mut BTreeMap<Arc<str>, Self>, flow: &FlowRow) -> &'c mut Self {
        classes.entry(class(flow)).or_default()
    }

    fn take(&mut self, case: Case<'_>, flow: &FlowRow, answer: &Answer) {
        self.flows += 1;
        self.caused += caused(answer);
        self.destinations.insert(flow.destination);
        self.runs.extend(answer.best().and_then(|(call, _)| Some(case.incident.calls.get(call)?.run)));
        let time = case.time(flow);
        self.first = self.first.into_iter().chain(time).min();
        self.last = self.last.into_iter().chain(time).max();
    }

    fn add(&mut self, later: Self) {
        self.flows += later.flows;
        self.caused += later.caused;
        self.destinations.extend(later.destinations);
        self.runs.extend(later.runs);
        self.first = self.first.into_iter().chain(later.first).min();
        self.last = self.last.into_iter().chain(later.last).max();
    }
}

/// The classes, the worst first and what is harmless last, each by its number.
fn classes(classes: BTreeMap<Arc<str>, Class>) -> Vec<ClassSummary> {
    let mut all: Vec<_> = classes.into_iter().map(|(name, class)| summary(&name, class)).collect();
    all.sort_by_key(|class| std::cmp::Reverse((class.malicious, class.severity, class.flows)));
    all
}

fn summary(name: &str, class: Class) -> ClassSummary {
    let kind = Kind::of(name);
    ClassSummary {
        class: name.to_owned(),
        title: kind.title.to_owned(),
        malicious: kind.malicious,
        severity: kind.severity,
        attack: kind.attack.iter().map(|id| (*id).to_owned()).collect(),
        flows: class.flows,
        caused: class.caused,
        runs: class.runs.len() as u64,
        destinations: class.destinations.len() as u64,
        first: class.first.map(Timestamp::from_nanos),
        last: class.last.map(Timestamp::from_nanos),
    }
}

fn clocks(case: Case<'_>) -> Vec<ClockDiagnosis> {
    let (traces, flows) = (&case.incident.trace_clocks, &case.incident.flow_clocks);
    let diagnosis = |pair: &crate::attribution::ClockPair| {
        let (trace, flow) = (traces.text(pair.trace).to_owned(), flows.text(pair.flows).to_owned());
        ClockDiagnosis::of(trace, flow, pair.estimate.as_ref())
    };
    // What was found comes before what was not, of which there may be any number.
    let pairs = &case.found.timeline.pairs;
    let (told, refused): (Vec<_>, Vec<_>) = pairs.iter().partition(|pair| pair.estimate.is_ok());
    told.into_iter().chain(refused).take(CLOCKS).map(diagnosis).collect()
}

/// The largest of what was counted, each with its number.
fn largest<K: Ord + Clone>(counted: &HashMap<K, f64>, most: usize) -> Vec<(K, f64)> {
    let mut all: Vec<_> = counted.iter().map(|(key, value)| (key.clone(), *value)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(most);
    all
}
