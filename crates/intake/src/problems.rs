//! What could not be read: counted in full, sampled in part.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Origin;

/// How many of one kind are kept to be shown.
const SAMPLES: usize = 5;
/// How much of what stood there is kept.
const EXCERPT: usize = 200;
/// How many kinds there are at most; what comes after is counted under [`OTHER`].
const KINDS: usize = 1000;
const OTHER: &str = "other problems";

/// What could not be read, by what is wrong with it. Bounded, whatever was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(BTreeMap<Cow<'static, str>, (u64, Vec<Sample>)>);

/// One of a kind, to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Where it stands.
    pub at: Origin,
    /// The beginning of it.
    pub text: String,
}

/// One kind of problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem<'a> {
    /// What is wrong, as a person would say it.
    pub what: &'a str,
    /// How often.
    pub count: u64,
    /// The first few.
    pub samples: &'a [Sample],
}

impl Problems {
    /// Takes note of one. `text` is what stands there; its beginning is kept.
    pub fn note(&mut self, what: impl Into<Cow<'static, str>>, at: Origin, text: &[u8]) {
        let mut what = what.into();
        if self.0.len() >= KINDS && !self.0.contains_key(&what) {
            what = Cow::Borrowed(OTHER);
        }
        let (count, samples) = self.0.entry(what).or_default();
        *count += 1;
        if samples.len() < SAMPLES {
            let beginning = text.get(..EXCERPT).unwrap_or(text);
            samples.push(Sample { at, text: String::from_utf8_lossy(beginning).into_owned() });
        }
    }

    /// Takes over another's.
    pub fn merge(&mut self, other: Self) {
        for (what, (count, samples)) in other.0 {
            let mine = self.0.entry(what).or_default();
            mine.0 += count;
            let room = SAMPLES.saturating_sub(mine.1.len());
            mine.1.extend(samples.into_iter().take(room));
        }
    }

    /// All kinds.
    pub fn each(&self) -> impl Iterator<Item = Problem<'_>> {
        self.0.iter().map(|(what, (count, samples))| Problem { what, count: *count, samples })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_counts_and_a_few_are_kept() {
        let mut problems = Problems::default();
        for offset in 0..100 {
            problems.note("no JSON", Origin::new(Path::new("a").into(), offset), &[b'x'; 1000]);
        }
        let mut more = Problems::default();
        more.note("no JSON", Origin::new(Path::new("b").into(), 7), b"{");
        more.note("no time", Origin::new(Path::new("b").into(), 9), b"{}");
        problems.merge(more);
        let told: Vec<_> = problems.each().map(|kind| (kind.what, kind.count, kind.samples.len())).collect();
        assert_eq!(told, [("no JSON", 101, 5), ("no time", 1, 1)]);
        assert_eq!(problems.each().next().map(|kind| kind.samples[0].text.len()), Some(200));
        assert_eq!(problems.count(), 102);
    }

    #[test]
    fn kinds_are_bounded() {
        let mut problems = Problems::default();
        for kind in 0..5000 {
            problems.note(format!("kind {kind}"), Origin::new(Path::new("a").into(), 0), b"");
        }
        assert!(problems.each().count() <= KINDS + 1);
        assert_eq!(problems.count(), 5000);
    }
}
