//! For each class of malicious traffic, how probably each call and each episode did it.
//!
//! An answer gives the probability that a call caused one flow. That a call caused *at least one* flow of a class is
//! 1 − Π(1 − p) if the flows' causes are independent of each other. Flows of one class to one destination are not:
//! whoever opened the first opened the rest, and a hundred attempts at one pool would make a certainty of a suspicion. Such
//! flows are one **bout**, for which the strongest of its probabilities stands; a scan is one bout, wherever it went. The product is
//! over bouts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::attribution::{Answer, Timeline};
use crate::classify::names_malice;
use crate::incident::{FlowRow, Incident};
use crate::model::Id;

/// Less than that is nothing.
const LEAST: f64 = 1e-4;

/// Who did what.
#[derive(Debug, Default)]
pub(super) struct Causes {
    /// The malicious classes, by name.
    pub(super) classes: Vec<ClassCauses>,
}

/// Who did it, of one class.
#[derive(Debug)]
pub(super) struct ClassCauses {
    pub(super) class: Arc<str>,
    /// Calls by their index in the incident: that it did it.
    pub(super) calls: HashMap<usize, f64>,
    /// Runs by their number: that one of its calls did it.
    pub(super) runs: HashMap<Id, f64>,
}

/// The strongest probability of each bout, by who did it and where it went.
type Bouts<K> = HashMap<(K, Id), f64>;

/// What the answers for flows tell of malicious classes, added up.
#[derive(Debug, Default)]
pub struct Tallies {
    causes: HashMap<Arc<str>, Tally>,
    /// For each class, when the first flow of each episode that most probably did it was, in the common time.
    pub(super) begins: HashMap<Arc<str>, HashMap<Id, i64>>,
}

/// One class while it is added up.
#[derive(Debug, Default)]
struct Tally {
    calls: Bouts<usize>,
    runs: Bouts<Id>,
}

impl Tallies {
    /// Adds a flow.
    pub fn take(&mut self, incident: &Incident, timeline: &Timeline, flow: &FlowRow, answer: &Answer) {
        let Some(class) = flow.class.as_ref().filter(|class| names_malice(class)) else { return };
        let bout = if class.starts_with("scan") { Id::MAX } else { flow.destination };
        self.causes.entry(Arc::clone(class)).or_default().take(incident, &answer.candidates, bout);
        let call = answer.best().and_then(|(call, _)| incident.calls.get(call));
        if let Some((call, clock)) = call.zip(timeline.flows(flow.clock)) {
            self.begin(class, call.run, clock.to_common(flow.time));
        }
    }

    /// Adds what another part tells.
    pub fn add(&mut self, other: Self) {
        for (class, tally) in other.causes {
            let known = self.causes.entry(class).or_default();
            tally
                .calls
                .into_iter()
                .for_each(|(of, probability)| strongest(&mut known.calls, of, probability));
            tally.runs.into_iter().for_each(|(of, probability)| strongest(&mut known.runs, of, probability));
        }
        for (class, begins) in other.begins {
            begins.into_iter().for_each(|(run, moment)| self.begin(&class, run, moment));
        }
    }

    fn begin(&mut self, class: &Arc<str>, run: Id, moment: i64) {
        let first = self.begins.entry(Arc::clone(class)).or_default().entry(run).or_insert(moment);
        *first = moment.min(*first);
    }
}

impl Causes {
    /// By all answers.
    pub(super) fn of(tallies: Tallies) -> Self {
        let of_class = |(class, tally): (Arc<str>, Tally)| ClassCauses {
            class,
            calls: at_least_one(tally.calls),
            runs: at_least_one(tally.runs),
        };
        let mut classes: Vec<_> = tallies.causes.into_iter().map(of_class).collect();
        classes.sort_by(|a, b| a.class.cmp(&b.class));
        Self { classes }
    }
}

impl Tally {
    fn take(&mut self, incident: &Incident, candidates: &[(usize, f64)], bout: Id) {
        let mut runs: Vec<(Id, f64)> = Vec::new();
        for (call, probability) in candidates.iter().filter(|(_, probability)| *probability >= LEAST) {
            let Some(run) = incident.calls.get(*call).map(|call| call.run) else { continue };
            strongest(&mut self.calls, (*call, bout), *probability);
            match runs.iter_mut().find(|(of, _)| *of == run) {
                Some((_, sum)) => *sum += probability,
                None => runs.push((run, *probability)),
            }
        }
        for (run, probability) in runs {
            strongest(&mut self.runs, (run, bout), probability);
        }
    }
}

fn strongest<K: std::hash::Hash + Eq>(bouts: &mut Bouts<K>, of: (K, Id), probability: f64) {
    let known = bouts.entry(of).or_default();
    *known = known.max(probability);
}

/// 1 − Π(1 − p) over the bouts of each, in their order: products of fractions depend on it.
fn at_least_one<K: std::hash::Hash + Ord + Copy>(bouts: Bouts<K>) -> HashMap<K, f64> {
    let mut all: HashMap<K, f64> = HashMap::new();
    let bouts: BTreeMap<(K, Id), f64> = bouts.into_iter().collect();
    for ((who, _), probability) in bouts {
        *all.entry(who).or_insert(1.0) *= 1.0 - probability.clamp(0.0, 1.0);
    }
    all.values_mut().for_each(|innocent| *innocent = 1.0 - *innocent);
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::path::Path;

    use intake::{Origin, Stamp};
    use trace::{Span, SpanKind};

    use super::*;
    use crate::attribution::{Skew, attribute};
    use crate::hosts::Hosts;
    use crate::incident::Builder;

    /// The class of a flow, its destination, and the calls that may have caused it.
    type Told<'a> = (&'a str, &'a str, &'a [(usize, f64)]);

    /// Calls 0 and 1 are of run a, call 2 is of run b.
    fn causes(flows: &[Told<'_>]) -> Causes {
        let origin = || Origin::new(Path::new("x").into(), 0);
        let mut builder = Builder::new(Hosts::default());
        for run in ["a", "a", "b"] {
            let mut span = Span::new(run, SpanKind::Call, origin());
            span.start = Some(trace::Moment::new(Stamp::exact(0), trace::Means::CommandStarted));
            builder.span(trace::Format::Commands, span);
        }
        for (class, to, _) in flows {
            let time = flows::Moment::new(Stamp::exact(0), flows::Means::Began);
            let mut flow = flows::Flow::new(flows::FlowKind::Flow, time, origin());
            flow.class = Some((*class).into());
            flow.destination_name = Some((*to).into());
            builder.flow(flows::Format::Eve, flow).unwrap();
        }
        let incident = builder.build().unwrap();
        let timeline = attribute(&incident, Skew::Told(0)).unwrap().timeline;
        let mut tallies = Tallies::default();
        for ((_, _, candidates), row) in flows.iter().zip(incident.flows.all().unwrap()) {
            let answer = Answer {
                candidates: candidates.to_vec(),
                none: 1.0 - candidates.iter().map(|(_, probability)| probability).sum::<f64>(),
                ..Answer::default()
            };
            // Each in a part of its own.
            let mut part = Tallies::default();
            part.take(&incident, &timeline, &row, &answer);
            tallies.add(part);
        }
        Causes::of(tallies)
    }

    fn is(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-9
    }

    #[test]
    fn a_bout_is_as_sure_as_its_surest_flow_and_bouts_add_up() {
        let again: &[(usize, f64)] = &[(0, 0.3), (1, 0.2)];
        let found = causes(&[
            ("mining.pool", "one", again),
            ("mining.pool", "one", again),
            ("mining.pool", "one", again),
            ("mining.pool", "two", &[(0, 0.5)]),
            ("package", "pypi.org", &[(1, 1.0)]),
        ]);
        assert_eq!(found.classes.len(), 1, "what is honest has no culprits");
        assert!(is(found.classes[0].calls[&0], 1.0 - 0.7 * 0.5) && is(found.classes[0].calls[&1], 0.2));
        assert!(is(found.classes[0].runs[&0], 1.0 - 0.5 * 0.5), "either of its calls");
    }

    #[test]
    fn a_scan_is_one_bout() {
        let hosts: Vec<String> = (0..50).map(|host| format!("host-{host}")).collect();
        let may: &[(usize, f64)] = &[(2, 0.9), (1, 0.1)];
        let flows: Vec<_> = hosts.iter().map(|host| ("scan.hosts", host.as_str(), may)).collect();
        let found = causes(&flows);
        let scan = &found.classes[0];
        assert!(is(scan.calls[&2], 0.9) && is(scan.calls[&1], 0.1) && !scan.calls.contains_key(&0));
    }
}
