//! When something was in use: stretches, out of samples of one GPU, or of one program on it.
//!
//! A GPU that trains rests now and then for a few samples, while data is loaded or weights are sent. So a stretch is over only when it was
//! idle for [`IDLE`] at least, and a begin is seen only after such a rest: between the last sample that was idle and the first that was
//! not. What is in use when the samples begin, or after a hole in them, has no begin that anybody saw.
//!
//! Samples are taken in their order. One that is older than the last is passed over, unless it is of another file: then the files were
//! named in another order than that of time, and it begins anew.

use std::mem;
use std::path::Path;
use std::sync::Arc;

use flows::Gpu;
use intake::Zone;
use serde::{Deserialize, Serialize};

/// From so many percent on it is in use, and below the other it is idle; between them it is what it was.
const BUSY: f64 = 20.0;
const RESTING: f64 = 10.0;
/// Where only the power is told: so many times the least that was seen, and watts more.
const POWER_BUSY: (f64, f64) = (1.5, 10.0);
const POWER_RESTING: (f64, f64) = (1.25, 5.0);
/// Idle for less than that is a rest, in nanoseconds.
const IDLE: i64 = 60_000_000_000;
/// Between samples farther apart than that a begin is not seen.
const FARTHEST: i64 = 900_000_000_000;

/// One sample.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) at: i64,
    /// The last moment that its time may stand for.
    pub(super) latest: i64,
    pub(super) is_used: Option<bool>,
    /// Who had it, if that is told: a pod, a container.
    pub(super) pod: Option<Arc<str>>,
    pub(super) zone: Zone,
    pub(super) origin: (Arc<Path>, u64),
}

/// A stretch of use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stretch {
    /// Between which moments it began, if that was seen.
    pub(super) begin: Option<(i64, i64)>,
    pub(super) pod: Option<Arc<str>>,
    pub(super) zone: Zone,
    /// Where the first sample of it stands.
    pub(super) origin: (Arc<Path>, u64),
    /// When it was last seen in use.
    pub(super) last: i64,
    /// Whether it was seen to be over.
    pub(super) is_over: bool,
}

/// What the samples of one have told so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Samples {
    file: Arc<Path>,
    last: i64,
    least_watts: f64,
    now: Now,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
enum Now {
    #[default]
    Unknown,
    Idle {
        since: i64,
        last: i64,
    },
    Used {
        stretch: Stretch,
        idle_since: Option<i64>,
    },
}

/// Why a sample is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is older than the one before it.
    OutOfOrder,
    /// It is of one more than are followed.
    TooMany,
}

impl Stretch {
    fn of(sample: &Sample, begin: Option<(i64, i64)>) -> Self {
        Self {
            begin,
            pod: sample.pod.clone(),
            zone: sample.zone,
            origin: sample.origin.clone(),
            last: sample.at,
            is_over: false,
        }
    }

    fn over(self) -> Self {
        Self { is_over: true, ..self }
    }
}

/// The moments between which it began, unless they are too far apart to say that anybody saw it.
fn begin(from: i64, sample: &Sample) -> Option<(i64, i64)> {
    (sample.at.saturating_sub(from) <= FARTHEST).then_some((from, sample.latest.max(from)))
}

impl Samples {
    /// Before the first one.
    pub(super) fn new(file: Arc<Path>) -> Self {
        Self { file, last: i64::MIN, least_watts: f64::INFINITY, now: Now::Unknown }
    }

    /// What was seen to be idle from one moment to another.
    pub(super) fn idle(file: Arc<Path>, since: i64, last: i64) -> Self {
        Self { last, now: Now::Idle { since, last }, ..Self::new(file) }
    }

    /// Whether it is in use, by what a sample tells of it.
    pub(super) fn is_used(&mut self, gpu: &Gpu) -> Option<bool> {
        let told = |value: f64, busy: f64, resting: f64| match value {
            value if value >= busy => Some(true),
            value if value < resting => Some(false),
            _ => None,
        };
        if let Some(busy) = gpu.busy_percent {
            return told(busy, BUSY, RESTING);
        }
        let watts = gpu.watts?;
        self.least_watts = self.least_watts.min(watts);
        let above = |(times, more): (f64, f64)| self.least_watts * times + more;
        told(watts, above(POWER_BUSY), above(POWER_RESTING))
    }

    /// When the last sample was.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// Whether it is idle, as far as is known.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.now, Now::Idle { .. })
    }

    /// Takes a sample, and gives the stretch that ended by it.
    pub(super) fn take(&mut self, sample: &Sample) -> Result<Option<Stretch>, Refused> {
        let mut over = None;
        if sample.at < self.last {
            if sample.origin.0 == self.file {
                return Err(Refused::OutOfOrder);
            }
            over = self.finish();
        }
        self.file = Arc::clone(&sample.origin.0);
        self.last = sample.at;
        Ok(self.step(sample).or(over))
    }

    /// What was in use at the end.
    pub(super) fn finish(&mut self) -> Option<Stretch> {
        match mem::take(&mut self.now) {
            Now::Used { stretch, .. } => Some(stretch),
            Now::Unknown | Now::Idle { .. } => None,
        }
    }

    fn step(&mut self, sample: &Sample) -> Option<Stretch> {
        let is_used = sample.is_used?;
        let at = sample.at;
        let used = |begin| Now::Used { stretch: Stretch::of(sample, begin), idle_since: None };
        let (now, over) = match (mem::take(&mut self.now), is_used) {
            (Now::Unknown, false) => (Now::Idle { since: at, last: at }, None),
            (Now::Unknown, true) => (used(None), None),
            (Now::Idle { since, .. }, false) => (Now::Idle { since, last: at }, None),
            (Now::Idle { since, last }, true) => {
                (used(begin(last, sample).filter(|_| last.saturating_sub(since) >= IDLE)), None)
            }
            (Now::Used { stretch, idle_since }, false) => {
                let since = idle_since.unwrap_or(at);
                if at.saturating_sub(since) >= IDLE {
                    (Now::Idle { since, last: at }, Some(stretch.over()))
                } else {
                    (Now::Used { stretch, idle_since: Some(since) }, None)
                }
            }
            // Another pod took it over without a rest. When one ends, the last samples may name none.
            (Now::Used { stretch, .. }, true) if sample.pod.is_some() && stretch.pod != sample.pod => {
                (used(begin(stretch.last, sample)), Some(stretch.over()))
            }
            (Now::Used { stretch, .. }, true) => {
                (Now::Used { stretch: Stretch { last: at, ..stretch }, idle_since: None }, None)
            }
        };
        self.now = now;
        over
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn sample(at: i64, is_used: Option<bool>) -> Sample {
        let at = at * SECOND;
        Sample { at, latest: at, is_used, pod: None, zone: Zone::Stated, origin: (Path::new("x").into(), 0) }
    }

    /// The stretches of percentages, each at its second: when they began, in seconds, and whether they were over.
    fn stretches(busy: &[(i64, f64)]) -> Vec<(Option<(i64, i64)>, bool)> {
        let mut samples = Samples::new(Path::new("x").into());
        let mut found = Vec::new();
        for (at, busy) in busy {
            let gpu = Gpu { device: "0".into(), busy_percent: Some(*busy), watts: None, memory_bytes: None };
            let is_used = samples.is_used(&gpu);
            found.extend(samples.take(&sample(*at, is_used)).unwrap());
        }
        found.extend(samples.finish());
        let seconds = |(from, until): (i64, i64)| (from / SECOND, until / SECOND);
        found.into_iter().map(|stretch| (stretch.begin.map(seconds), stretch.is_over)).collect()
    }

    /// A sample each 15 s.
    fn each(busy: &[f64]) -> Vec<(Option<(i64, i64)>, bool)> {
        stretches(&(0..).map(|at| 15 * at).zip(busy.iter().copied()).collect::<Vec<_>>())
    }

    #[test]
    fn a_begin_lies_between_two_samples_and_a_rest_is_no_end() {
        let rest = [0.0, 0.0, 1.0, 0.0, 0.0];
        let used = [98.0, 97.0, 0.0, 3.0, 15.0, 99.0];
        assert_eq!(each(&[&rest[..], &used].concat()), [(Some((60, 75)), false)]);
        let twice = [&rest[..], &used, &rest, &used].concat();
        assert_eq!(each(&twice), [(Some((60, 75)), true), (Some((225, 240)), false)]);
    }

    #[test]
    fn who_works_from_the_first_sample_on_has_no_begin() {
        assert_eq!(each(&[95.0; 40]), [(None, false)]);
        assert_eq!(each(&[0.0, 95.0, 95.0]), [(None, false)], "one idle sample may be a rest");
        assert_eq!(each(&[0.0; 40]), []);
        assert_eq!(each(&[]), []);
    }

    #[test]
    fn in_a_hole_of_samples_nobody_saw_it_begin() {
        assert_eq!(stretches(&[(0, 0.0), (60, 0.0), (10_000, 90.0)]), [(None, false)]);
        assert_eq!(stretches(&[(0, 0.0), (60, 0.0), (900, 90.0)]), [(Some((60, 900)), false)]);
    }

    #[test]
    fn power_alone_tells_it_by_the_least_that_was_seen() {
        let mut samples = Samples::new(Path::new("x").into());
        let mut is_used = |watts| {
            samples.is_used(&Gpu {
                device: "0".into(),
                busy_percent: None,
                watts: Some(watts),
                memory_bytes: None,
            })
        };
        let told = [72.0, 75.0, 110.0, 640.0, 74.0].map(&mut is_used);
        assert_eq!(told, [Some(false), Some(false), None, Some(true), Some(false)]);
    }

    #[test]
    fn an_older_sample_is_passed_over_and_an_older_file_begins_anew() {
        let mut samples = Samples::new(Path::new("x").into());
        assert!(samples.take(&sample(100, Some(true))).unwrap().is_none());
        assert_eq!(samples.take(&sample(99, Some(false))).map(|_| ()), Err(Refused::OutOfOrder));
        let mut older = sample(10, Some(false));
        older.origin.0 = Path::new("y").into();
        let over = samples.take(&older).unwrap().unwrap();
        assert!(over.begin.is_none() && !over.is_over && samples.is_idle());
    }

    #[test]
    fn another_pod_begins_where_the_one_before_ended() {
        let mut samples = Samples::new(Path::new("x").into());
        let of = |at, pod: &str| Sample { pod: Some(pod.into()), ..sample(at, Some(true)) };
        assert!(samples.take(&of(0, "train")).unwrap().is_none());
        assert_eq!(samples.take(&of(15, "rollout")).unwrap().unwrap().pod.as_deref(), Some("train"));
        assert!(samples.take(&sample(30, Some(true))).unwrap().is_none(), "a sample that names nobody");
        let found = samples.finish().unwrap();
        assert_eq!((found.begin, found.pod.as_deref()), (Some((0, 15 * SECOND)), Some("rollout")));
    }

    #[test]
    fn times_at_the_ends_of_what_can_be_counted() {
        let mut samples = Samples::new(Path::new("x").into());
        for (at, is_used) in [(i64::MIN, false), (i64::MIN + 1, false), (i64::MAX, true), (i64::MAX, false)] {
            let sample = Sample { at, latest: at, ..sample(0, Some(is_used)) };
            assert_eq!(samples.take(&sample).map(|over| over.is_none()), Ok(true));
        }
    }

    proptest! {
        #[test]
        fn a_begin_lies_between_an_idle_sample_and_the_first_of_its_stretch(
            told in prop::collection::vec((0..400_i64, 0..100_u8), 0..80)
        ) {
            let mut at = 0;
            let told: Vec<(i64, f64)> = told
                .into_iter()
                .map(|(gap, busy)| {
                    at += gap;
                    (at, f64::from(busy))
                })
                .collect();
            let found = stretches(&told);
            for (from, until) in found.iter().filter_map(|(begin, _)| *begin) {
                prop_assert!(from <= until && until - from <= FARTHEST / SECOND);
                prop_assert!(told.iter().any(|(at, busy)| *at == from && *busy < RESTING));
                prop_assert!(told.iter().any(|(at, busy)| *at == until && *busy >= BUSY));
            }
            let open = found.iter().filter(|(_, is_over)| !is_over).count();
            prop_assert!(open <= 1 && found.len() <= told.len());
        }
    }
}
