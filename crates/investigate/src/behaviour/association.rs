//! What goes together with what.

use super::causes::Causes;
use super::chances::false_discovery_rates;
use super::fourfold::Fourfold;
use super::units::Units;
use crate::attribution::Timeline;
use crate::incident::Incident;
use crate::report::model::{Association, Factor};

/// A table is tested if the clearest one with its sums would have this p.
pub(crate) const TESTABLE: f64 = 0.01;

/// What came of the pairs of a class and a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Associations {
    /// All that were tested, the clearest first.
    pub tested: Vec<Association>,
    /// How many could have shown nothing, whatever was seen, and so were not tested.
    pub untestable: u64,
}

/// All pairs of all factors.
pub(super) fn find(incident: &Incident, timeline: &Timeline, causes: &Causes) -> Associations {
    let mut found = Associations::default();
    for factor in [Factor::Tool, Factor::CommandKind] {
        test(&Units::calls(incident, timeline, factor), causes, &mut found);
    }
    for factor in [Factor::Task, Factor::TrainingStep, Factor::Model] {
        test(&Units::runs(incident, timeline, factor), causes, &mut found);
    }
    rank(&mut found.tested);
    found
}

/// Tells of each how good it is among all, and puts the clearest first.
fn rank(all: &mut [Association]) {
    let p: Vec<f64> = all.iter().map(|each| each.p).collect();
    for (each, q) in all.iter_mut().zip(false_discovery_rates(&p)) {
        each.q = q;
    }
    all.sort_by(|a, b| {
        let by_chance = a.q.total_cmp(&b.q).then(a.p.total_cmp(&b.p));
        by_chance.then(b.odds_ratio.total_cmp(&a.odds_ratio)).then_with(|| a.value.cmp(&b.value))
    });
}

fn test(units: &Units, causes: &Causes, found: &mut Associations) {
    let counts = units.counts();
    let everybody: u64 = counts.iter().sum();
    for class in &causes.classes {
        let did = units.did(class);
        let everything: f64 = did.iter().sum();
        for ((value, with), a) in units.values.each().zip(&counts).zip(did) {
            let with = *with as f64;
            let without = everybody as f64 - with;
            let table = Fourfold { a, b: with - a, c: everything - a, d: without - (everything - a) };
            let (margins, seen) = table.margins();
            if margins.least() > TESTABLE {
                found.untestable += 1;
                continue;
            }
            let (odds_ratio, interval) = table.odds_ratio();
            found.tested.push(Association {
                class: class.class.to_string(),
                factor: units.factor,
                value: value.to_owned(),
                observed: a,
                expected: everything * with / everybody as f64,
                odds_ratio,
                interval,
                p: margins.fisher(seen),
                q: 1.0,
            });
        }
    }
}
