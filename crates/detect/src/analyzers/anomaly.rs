//! What calls normally do, and how far one is from it.
//!
//! For each label set (say, a task family) and each figure of a call, a histogram over the logarithm of the figure is kept: bucket
//! `b` counts calls whose figure `x` has ⌊8·log₂(x + 1)⌋ = `b`, so that a bucket is 9 % wide. All counts are multiplied by
//! 2^(−1/H) with each call, H = 500: a call counts half after 500 more. The median `m` and the median absolute
//! deviation `MAD` are read off the histogram, in buckets, and a call's distance in a figure is the robust z-score
//!
//! ```text
//! z = (b − m) / (1.4826 · MAD + 4)
//! ```
//!
//! where 1.4826 makes the deviation that of a normal distribution (Hampel, 1974), and the 4 (half a doubling) keeps figures that hardly
//! ever vary from making everything else strange. Only what is more than usual counts. The call's distance is the largest `z` of its
//! figures. Below 30 calls nothing is said; from 6 on it is a vote, and told as a low finding: never a reason to stop by itself.

use std::collections::{BTreeMap, BTreeSet};

use event::fact::{AnomalySeen, CallEnded, Decision, Fact, Figure, FlowPhase};
use event::{CallId, Event};
use serde::{Deserialize, Serialize};

use super::{Analyzer, caller, host};
use crate::bounded::Bounded;
use crate::catalogue;
use crate::finding::Suspicion;

const CALLS: usize = 4096;
/// Different destinations and programs of one call that are counted.
const DISTINCT: usize = 1024;
/// Buckets for each doubling, and all of them: figures have 64 bits.
const PER_DOUBLING: f64 = 8.0;
const BUCKETS: usize = 513;
/// Calls that must have been seen before anything is said.
const WARM: u64 = 30;
/// What is told, and how many calls of a label set without decay are remembered as a number.
const TOLD: f64 = 6.0;
/// Label sets that are kept.
const SETS: usize = 4096;
const FORMAT: u32 = 1;

/// The figures of a call, in the order of their histograms.
const FIGURES: [&str; 8] = [
    "wall_us",
    "cpu_us",
    "peak_memory_bytes",
    "written_bytes",
    "executed",
    "programs",
    "destinations",
    "bytes_out",
];

/// One figure's histogram: weights in 2⁻³² of a call, so that what is kept is what was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Histogram(BTreeMap<u16, u64>);

/// The weight of a call, …
const CALL: u64 = 1 << 32;
/// … of which so much is left after the next one: 2³² · 2^(−1/500), so that after 500 one counts half.
const DECAY: u128 = 4_289_017_332;
/// Weights below this are nothing.
const NOTHING: u64 = CALL >> 20;

impl Histogram {
    fn add(&mut self, bucket: u16) {
        self.0.values_mut().for_each(|weight| *weight = ((u128::from(*weight) * DECAY) >> 32) as u64);
        self.0.retain(|_, weight| *weight > NOTHING);
        let weight = self.0.entry(bucket).or_default();
        *weight = weight.saturating_add(CALL);
    }

    /// The bucket up to which half of the weight is, of buckets moved by `f`.
    fn median_of(&self, f: impl Fn(u16) -> u16) -> u16 {
        let mut moved: BTreeMap<u16, u128> = BTreeMap::new();
        for (bucket, weight) in &self.0 {
            *moved.entry(f(*bucket)).or_default() += u128::from(*weight);
        }
        let half = moved.values().sum::<u128>().div_ceil(2);
        let mut sum = 0;
        let at = moved.iter().find(|(_, weight)| {
            sum += **weight;
            sum >= half
        });
        at.map_or(0, |(bucket, _)| *bucket)
    }

    /// How far a bucket is above the usual, and the usual.
    fn distance(&self, bucket: u16) -> (f64, u16) {
        let median = self.median_of(|bucket| bucket);
        let mad = self.median_of(|bucket| bucket.abs_diff(median));
        let above = f64::from(bucket) - f64::from(median);
        (above / (1.4826 * f64::from(mad) + PER_DOUBLING / 2.0), median)
    }
}

fn bucket(value: u64) -> u16 {
    let bucket = ((value as f64) + 1.0).log2() * PER_DOUBLING;
    // At most 8 · 64 = 512.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 512")]
    let bucket = bucket.clamp(0.0, (BUCKETS - 1) as f64) as u16;
    bucket
}

/// The smallest figure of a bucket.
fn value(bucket: u16) -> u64 {
    let value = (f64::from(bucket) / PER_DOUBLING).exp2() - 1.0;
    // Out of range saturates.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates"
    )]
    let value = value.round() as u64;
    value
}

/// What calls of one label set do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Baseline {
    calls: u64,
    figures: BTreeMap<String, Histogram>,
}

/// What calls do, for each label set. Kept between runs as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baselines {
    format: u32,
    sets: BTreeMap<String, Baseline>,
}

impl Default for Baselines {
    fn default() -> Self {
        Self { format: FORMAT, sets: BTreeMap::new() }
    }
}

impl Baselines {
    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let baselines: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if baselines.format != FORMAT {
            return Err(format!("its format is {}, and this release knows {FORMAT}", baselines.format));
        }
        let is_sound = |bucket: &u16| usize::from(*bucket) < BUCKETS;
        let histograms = baselines.sets.values().flat_map(|set| set.figures.values());
        if !histograms.flat_map(|histogram| histogram.0.keys()).all(is_sound) {
            return Err("it has buckets that no figure falls into".to_owned());
        }
        Ok(baselines)
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        // Texts and numbers only: there is nothing to fail at.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Compares a call with those of its label set before it, and adds it.
    fn compare(&mut self, set: &str, figures: &[u64; FIGURES.len()]) -> Option<AnomalySeen> {
        if self.sets.len() >= SETS && !self.sets.contains_key(set) {
            return None;
        }
        let baseline = self.sets.entry(set.to_owned()).or_default();
        let mut seen = AnomalySeen { calls: baseline.calls, ..AnomalySeen::default() };
        for (name, figure) in FIGURES.iter().zip(figures) {
            let histogram = baseline.figures.entry((*name).to_owned()).or_default();
            let (z, usual) = histogram.distance(bucket(*figure));
            if z >= TOLD {
                let z_centi = centi(z);
                seen.figures.push(Figure {
                    name: (*name).into(),
                    value: *figure,
                    usual: value(usual),
                    z_centi,
                });
            }
            histogram.add(bucket(*figure));
        }
        baseline.calls += 1;
        seen.distance_centi = seen.figures.iter().map(|figure| figure.z_centi).max().unwrap_or(0);
        (seen.calls >= WARM && !seen.figures.is_empty()).then_some(seen)
    }
}

fn centi(z: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates"
    )]
    let centi = (z * 100.0).round() as u64;
    centi
}

/// What a call did so far.
#[derive(Debug, Default)]
struct Doing {
    executed: u64,
    programs: BTreeSet<event::Text>,
    destinations: BTreeSet<String>,
    bytes_out: u64,
}

/// Compares the calls of one run.
#[derive(Debug)]
pub(crate) struct Anomaly {
    baselines: Baselines,
    /// The labels of the run, as `key=value`, sorted.
    labels: Vec<event::Text>,
    set: String,
    calls: Bounded<CallId, Doing>,
}

impl Anomaly {
    pub(crate) fn new(baselines: Baselines) -> Self {
        Self { baselines, labels: Vec::new(), set: String::new(), calls: Bounded::new(CALLS) }
    }

    pub(crate) fn baselines(&self) -> &Baselines {
        &self.baselines
    }

    fn end(&mut self, event: &Event, call: CallId, ended: &CallEnded) -> Option<Suspicion> {
        let doing = self.calls.remove(&call).unwrap_or_default();
        let figures = [
            ended.wall_us,
            ended.cpu_us.unwrap_or(0),
            ended.peak_memory_bytes.unwrap_or(0),
            ended.io.map_or(0, |io| io.write_bytes),
            doing.executed,
            doing.programs.len() as u64,
            doing.destinations.len() as u64,
            doing.bytes_out,
        ];
        let mut seen = self.baselines.compare(&self.set, &figures)?;
        seen.labels.clone_from(&self.labels);
        let names: Vec<_> = seen.figures.iter().map(|figure| &*figure.name).collect();
        let message =
            format!("{} is unlike the {} calls before it: {}", caller(event), seen.calls, names.join(", "));
        let confidence = (seen.distance_centi / 50).min(60) as u8; // at most 60
        Some(Suspicion::of(&catalogue::ANOMALY_CALL, "", message).confidence(confidence).analysis(seen))
    }
}

impl Analyzer for Anomaly {
    fn name(&self) -> &'static str {
        "anomaly"
    }

    fn see(&mut self, event: &Event, suspicions: &mut Vec<Suspicion>) {
        if let Fact::RunStarted(started) = &event.fact {
            self.labels =
                started.labels.iter().map(|(name, value)| format!("{name}={value}").into()).collect();
            let labels: Vec<_> =
                started.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            self.set = labels.join("\n");
        }
        let Some(call) = event.call else { return };
        match &event.fact {
            Fact::ProcessExec(exec) => {
                let doing = self.calls.entry(call, Doing::default);
                doing.executed += 1;
                if doing.programs.len() < DISTINCT {
                    doing.programs.insert(exec.path.clone());
                }
            }
            Fact::NetConnect(connect) => {
                let doing = self.calls.entry(call, Doing::default);
                if doing.destinations.len() < DISTINCT {
                    let refused = if connect.decision == Decision::Allowed { "" } else { "!" };
                    doing.destinations.insert(format!(
                        "{refused}{}:{}",
                        host(&connect.wanted),
                        connect.wanted.port
                    ));
                }
            }
            Fact::NetRefused(refused) => {
                let doing = self.calls.entry(call, Doing::default);
                if let Some(destination) = &refused.destination
                    && doing.destinations.len() < DISTINCT
                {
                    let port = destination.port.unwrap_or(0);
                    doing.destinations.insert(format!("!{}:{port}", destination.address));
                }
            }
            Fact::NetFlow(flow) if flow.phase == FlowPhase::Closed => {
                let doing = self.calls.entry(call, Doing::default);
                doing.bytes_out = doing.bytes_out.saturating_add(flow.shape.bytes.client);
            }
            Fact::CallEnded(ended) => suspicions.extend(self.end(event, call, ended)),
            _ => {}
        }
    }

    fn forgotten(&mut self) -> u64 {
        self.calls.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn figures(cpu_us: u64, destinations: u64) -> [u64; FIGURES.len()] {
        [cpu_us * 2, cpu_us, 10 << 20, 4096, 3, 2, destinations, 100]
    }

    fn warm(baselines: &mut Baselines, calls: u64) {
        for call in 0..calls {
            baselines
                .compare("task=sort", &figures(200_000 + (call * 7919) % 300_000, u64::from(call % 3 == 0)));
        }
    }

    #[test]
    fn nothing_is_said_before_enough_was_seen() {
        let mut baselines = Baselines::default();
        warm(&mut baselines, WARM - 1);
        assert_eq!(baselines.compare("task=sort", &figures(1, 1000)), None);
    }

    #[test]
    fn what_stands_out_is_named_with_what_is_usual() {
        let mut baselines = Baselines::default();
        warm(&mut baselines, 200);
        assert_eq!(baselines.compare("task=sort", &figures(500_000, 1)), None);
        let seen = baselines.compare("task=sort", &figures(400_000, 128)).unwrap();
        let [figure] = seen.figures.as_slice() else { panic!("{seen:?}") };
        assert_eq!((&*figure.name, figure.value, figure.usual), ("destinations", 128, 0));
        assert!(seen.distance_centi >= 600 && seen.calls == 201);
        assert_eq!(baselines.compare("task=other", &figures(400_000, 128)), None, "another label set");
    }

    #[test]
    fn what_goes_on_becomes_usual() {
        let mut baselines = Baselines::default();
        warm(&mut baselines, 1000);
        let strange = (0..2000).filter(|_| baselines.compare("task=sort", &figures(300_000, 128)).is_some());
        let strange = strange.count();
        assert!((1..1000).contains(&strange), "{strange}");
    }

    #[test]
    fn baselines_survive_json_and_a_broken_one_is_refused() {
        let mut baselines = Baselines::default();
        warm(&mut baselines, 50);
        assert_eq!(Baselines::from_json(&baselines.to_json()).unwrap(), baselines);
        let broken = baselines.to_json().replacen("\"format\":1", "\"format\":2", 1);
        assert!(Baselines::from_json(&broken).unwrap_err().contains("format is 2"));
        let broken = r#"{"format":1,"sets":{"x":{"calls":1,"figures":{"cpu_us":{"60000":1}}}}}"#;
        assert!(Baselines::from_json(broken).is_err());
    }

    proptest! {
        #[test]
        fn a_bucket_is_nine_percent_wide(value in 0u64..1 << 52) {
            let bucket = bucket(value);
            prop_assert!(super::value(bucket) as f64 <= value as f64 * 1.01 + 1.0);
            prop_assert!(super::value(bucket + 1) as f64 + 1.0 >= value as f64 * 0.99);
        }

        #[test]
        fn no_figures_panic(values in prop::collection::vec(any::<u64>(), 8..=8), calls in 0u64..60) {
            let mut baselines = Baselines::default();
            let values: [u64; 8] = values.try_into().unwrap();
            for _ in 0..calls {
                baselines.compare("x", &values);
            }
            let same = baselines.compare("x", &values);
            prop_assert!(same.is_none(), "the same as always is nothing strange: {same:?}");
        }
    }
}
