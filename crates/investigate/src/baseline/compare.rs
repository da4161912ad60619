//! What a baseline says of an incident, once both are counted.

use super::{Beside, Usual};
use crate::behaviour::binomial::Rates;
use crate::behaviour::{TESTABLE, false_discovery_rates};
use crate::incident::Incident;
use crate::model::Id;
use crate::report::model::{Association, BaselineSummary, ClassRate, HeldBack};

/// How many destinations are listed.
const LISTED: usize = 50;

/// What is told of an incident's baseline, if it has one. The associations are tested together with the rates: their q is
/// reckoned anew.
pub(crate) fn summary(incident: &Incident, associations: &mut [Association]) -> Option<BaselineSummary> {
    let beside = incident.beside.as_ref()?;
    let baseline = &beside.baseline;
    let rates_untold = untold(beside);
    let mut rates = if rates_untold.is_none() { rates(beside) } else { Vec::new() };
    correct(associations, &mut rates);
    let mut held_back_to: Vec<HeldBack> = beside
        .held_back
        .iter()
        .map(|((class, to), flows)| held_back(incident, beside, class, *to, *flows))
        .collect();
    held_back_to.sort_by(|a, b| b.flows.cmp(&a.flows).then_with(|| a.destination.cmp(&b.destination)));
    let held_back_left_out = held_back_to.len().saturating_sub(LISTED) as u64;
    held_back_to.truncate(LISTED);
    Some(BaselineSummary {
        records: baseline.records,
        destinations: baseline.destinations.len() as u64,
        records_to_others: baseline.to_others,
        records_elsewhere: baseline.traffic.elsewhere(),
        place_hours_here: beside.here.place_hours(),
        place_hours: baseline.traffic.place_hours(),
        rates,
        rates_untold,
        held_back: beside.held_back.values().sum(),
        held_back_to,
        held_back_left_out,
    })
}

/// Why rates can't be compared, if they can't.
fn untold(beside: &Beside) -> Option<String> {
    let sides = [("The baseline", &beside.baseline.traffic), ("What was investigated", &beside.here)];
    sides.into_iter().find_map(|(side, traffic)| {
        if traffic.is_full() {
            return Some(format!(
                "{side} has more places, hours or classes than are counted, so rates can't be compared."
            ));
        }
        (traffic.place_hours() == 0).then(|| {
            format!("{side} has no record of an address that the host map knows, so rates can't be compared.")
        })
    })
}

/// The classes of both sides.
fn rates(beside: &Beside) -> Vec<ClassRate> {
    let (here, there) = (&beside.here, &beside.baseline.traffic);
    let mut classes: Vec<_> = here.classes().chain(there.classes()).collect();
    classes.sort_unstable();
    classes.dedup();
    let rate = |class: &std::sync::Arc<str>| {
        let rates = Rates {
            here: (here.bouts(class), here.place_hours()),
            there: (there.bouts(class), there.place_hours()),
        };
        Some(ClassRate {
            class: class.to_string(),
            here: rates.here.0,
            baseline: rates.there.0,
            expected: rates.there.0 as f64 * rates.here.1 as f64 / rates.there.1 as f64,
            ratio: rates.ratio(),
            interval: rates.interval()?,
            p: (rates.least() <= TESTABLE).then(|| rates.p()),
            q: None,
        })
    };
    classes.into_iter().filter_map(rate).collect()
}

/// Benjamini and Hochberg's over all that was tested.
fn correct(associations: &mut [Association], rates: &mut [ClassRate]) {
    let tested = rates.iter().filter_map(|rate| rate.p);
    let p: Vec<f64> = associations.iter().map(|each| each.p).chain(tested).collect();
    let mut q = false_discovery_rates(&p).into_iter();
    associations.iter_mut().zip(&mut q).for_each(|(each, q)| each.q = q);
    rates.iter_mut().filter(|rate| rate.p.is_some()).for_each(|rate| rate.q = q.next());
    let last = |rate: &ClassRate| rate.p.unwrap_or(2.0);
    rates.sort_by(|a, b| last(a).total_cmp(&last(b)).then(b.here.cmp(&a.here)));
}

fn held_back(incident: &Incident, beside: &Beside, class: &'static str, to: Id, flows: u64) -> HeldBack {
    let destination = incident.destinations.text(to).to_owned();
    let baseline = beside.baseline.usual(class, &destination).map_or(0, |usual: &Usual| usual.records);
    HeldBack { class: class.to_owned(), destination, flows, baseline }
}
