//! When: over the whole time, by the hour, in the course of the training.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use event::Timestamp;

use super::super::model::{Activity, ClassActivity, ClassSummary, Hours, Onset, StepRate};
use super::{Case, class};
use crate::attribution::Answer;
use crate::incident::FlowRow;
use crate::model::Id;

const MINUTE: i64 = 60_000_000_000;
const HOUR: i64 = 60 * MINUTE;
/// Bins that people count in.
const BINS: [i64; 10] = [
    MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
    7 * 24 * HOUR,
];
/// How many of them at most.
const MOST: i64 = 320;
/// How many times likelier a beginning must be than none, as a logarithm, for each step that it might have
/// been at besides.
const CLEAR: f64 = 6.0;

fn malicious(classes: &[ClassSummary]) -> impl Iterator<Item = &str> {
    classes.iter().filter(|class| class.malicious).map(|class| class.class.as_str())
}

/// When malicious flows were.
#[derive(Debug, Default)]
pub(super) struct Course(BTreeMap<Arc<str>, ClassCourse>);

#[derive(Debug, Default)]
struct ClassCourse {
    /// By minute.
    minutes: BTreeMap<i64, u64>,
    hours: [u64; 24],
    /// For each run the surest of its flows: an episode is affected once, however much it did.
    affected: HashMap<Id, f64>,
}

impl Course {
    pub(super) fn take(&mut self, case: Case<'_>, flow: &FlowRow, answer: &Answer) {
        let course = self.0.entry(class(flow)).or_default();
        if let Some(time) = case.time(flow) {
            *course.minutes.entry(time.div_euclid(MINUTE)).or_default() += 1;
            course.hours[usize::try_from(time.div_euclid(HOUR).rem_euclid(24)).unwrap_or(0)] += 1;
        }
        for (call, probability) in &answer.candidates {
            let Some(run) = case.incident.calls.get(*call).map(|call| call.run) else { continue };
            course.affect(run, *probability);
        }
    }

    pub(super) fn add(&mut self, later: Self) {
        for (class, later) in later.0 {
            let course = self.0.entry(class).or_default();
            for (minute, flows) in later.minutes {
                *course.minutes.entry(minute).or_default() += flows;
            }
            course.hours.iter_mut().zip(later.hours).for_each(|(sum, flows)| *sum += flows);
            later.affected.into_iter().for_each(|(run, surest)| course.affect(run, surest));
        }
    }

    /// Malicious flows over the whole time.
    pub(super) fn activity(&self, classes: &[ClassSummary], whole: Option<(i64, i64)>) -> Option<Activity> {
        let (from, until) = whole?;
        let length = until.saturating_sub(from);
        let longer = || (length / MOST / MINUTE + 1) * MINUTE;
        let bin = BINS.into_iter().find(|bin| length / bin < MOST).unwrap_or_else(longer);
        let from = from.div_euclid(bin) * bin;
        let bins = usize::try_from((until - from) / bin).ok()? + 1;
        let class = |class: &str| {
            let mut flows = vec![0; bins];
            for (minute, count) in self.0.get(class).into_iter().flat_map(|course| &course.minutes) {
                let at = usize::try_from((minute.saturating_mul(MINUTE) - from).max(0) / bin).ok();
                at.and_then(|at| flows.get_mut(at)).into_iter().for_each(|sum| *sum += count);
            }
            ClassActivity { class: class.to_owned(), flows }
        };
        let classes: Vec<_> = malicious(classes).map(class).collect();
        (!classes.is_empty()).then_some(Activity { from: Timestamp::from_nanos(from), bin_ns: bin, classes })
    }

    /// Malicious flows by the hour.
    pub(super) fn hours(&self, classes: &[ClassSummary]) -> Vec<Hours> {
        let hours = |class: &str| {
            let flows = self.0.get(class)?.hours;
            flows.iter().any(|flows| *flows > 0).then(|| Hours { class: class.to_owned(), flows, p: None })
        };
        malicious(classes).filter_map(hours).collect()
    }

    /// How many episodes of each step caused a class, and from which step on.
    pub(super) fn onset(&self, case: Case<'_>, classes: &[ClassSummary]) -> Vec<Onset> {
        let mut steps: BTreeMap<Id, u64> = BTreeMap::new();
        for call in &case.incident.calls {
            if let Some(step) = call.training_step {
                steps.entry(call.run).or_insert(step);
            }
        }
        let mut episodes: BTreeMap<u64, u64> = BTreeMap::new();
        steps.values().for_each(|step| *episodes.entry(*step).or_default() += 1);
        let rate = |class: &str| {
            // In the order of the runs: sums of fractions depend on it.
            let affected: BTreeMap<Id, f64> = self
                .0
                .get(class)
                .into_iter()
                .flat_map(|course| &course.affected)
                .map(|(run, p)| (*run, *p))
                .collect();
            let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
            for (run, surest) in &affected {
                steps.get(run).into_iter().for_each(|step| *sums.entry(*step).or_default() += surest);
            }
            let rate = |(step, episodes): (&u64, &u64)| StepRate {
                training_step: *step,
                episodes: *episodes,
                affected: sums.get(step).copied().unwrap_or(0.0),
            };
            let steps: Vec<_> = episodes.iter().map(rate).collect();
            Onset { class: class.to_owned(), began: began(&steps), steps }
        };
        malicious(classes).map(rate).collect()
    }
}

impl ClassCourse {
    fn affect(&mut self, run: Id, probability: f64) {
        let surest = self.affected.entry(run).or_default();
        *surest = surest.max(probability);
    }
}

/// The step from which on it is more frequent, if two rates explain what was seen much better than one: the
/// likelihood ratio of a change of a binomial rate, over all steps at which it could be.
fn began(steps: &[StepRate]) -> Option<u64> {
    let sum = |steps: &[StepRate]| {
        let sum = |(hits, all), step: &StepRate| (hits + step.affected, all + step.episodes as f64);
        steps.iter().fold((0.0, 0.0), sum)
    };
    let one = likelihood(sum(steps));
    let gain = |(at, step): (usize, &StepRate)| {
        let (before, after) = (sum(&steps[..at]), sum(&steps[at..]));
        let is_more = after.0 * before.1 > before.0 * after.1;
        is_more.then(|| (likelihood(before) + likelihood(after) - one, step.training_step))
    };
    let best = steps.iter().enumerate().skip(1).filter_map(gain).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > CLEAR + (steps.len() as f64).ln()).then_some(best.1)
}

/// The logarithm of how likely so many of all are, at the rate that makes it likeliest.
fn likelihood((hits, all): (f64, f64)) -> f64 {
    let rate = if all > 0.0 { hits / all } else { 0.0 };
    let term = |count: f64, rate: f64| if count > 0.0 { count * rate.ln() } else { 0.0 };
    term(hits, rate) + term(all - hits, 1.0 - rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(affected: impl Fn(u64) -> f64) -> Vec<StepRate> {
        let step =
            |training_step| StepRate { training_step, episodes: 20, affected: affected(training_step) };
        (0..50).map(step).collect()
    }

    #[test]
    fn a_beginning_is_told_where_there_is_one() {
        assert_eq!(began(&steps(|step| if step >= 30 { 3.0 } else { 0.0 })), Some(30));
        assert_eq!(began(&steps(|_| 3.0)), None, "always so");
        assert_eq!(began(&steps(|step| if step < 30 { 3.0 } else { 0.0 })), None, "an end is no beginning");
        assert_eq!(began(&steps(|step| if step == 45 { 1.0 } else { 0.0 })), None, "once is too little");
        assert_eq!(began(&[]), None);
    }
}
