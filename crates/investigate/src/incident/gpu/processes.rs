//! Programs on the GPUs of one machine, from rows that name them.
//!
//! Such rows tell who is there, and nothing of who isn't: that a program was absent is known by the other rows of the same
//! moment. So each moment at which there are rows is a sample of all programs of the machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::stretches::{Refused, Sample, Samples, Stretch};

/// A GPU, and a program on it.
pub(super) type Of = (Arc<str>, Arc<str>);

/// The programs of a machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Processes {
    file: Option<Arc<Path>>,
    /// The first moment at which there were rows, the last but one, and the last.
    first: i64,
    before: i64,
    last: i64,
    /// In an order, so that what ends at once is told in the same order in each run.
    known: BTreeMap<Of, Samples>,
}

impl Processes {
    /// How many are followed.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Takes a row, and gives each stretch that was over before it. One that is not known is followed only if it `may_grow`.
    pub(super) fn take(
        &mut self,
        of: Of,
        sample: &Sample,
        may_grow: bool,
        mut over: impl FnMut(&Of, Stretch),
    ) -> Result<(), Refused> {
        let file = &sample.origin.0;
        if self.file.is_none() || (sample.at < self.last && self.file.as_ref() != Some(file)) {
            self.rest(&mut over);
            (self.first, self.before, self.last) = (sample.at, sample.at, sample.at);
        }
        if sample.at < self.last {
            return Err(Refused::OutOfOrder);
        }
        self.file = Some(Arc::clone(file));
        if sample.at > self.last {
            self.miss(sample, &mut over);
            (self.before, self.last) = (self.last, sample.at);
        }
        if !self.known.contains_key(&of) && !may_grow {
            return Err(Refused::TooMany);
        }
        let (first, before) = (self.first, self.before);
        // What comes at the first moment may have been there for long.
        let new = || match first < sample.at {
            true => Samples::idle(Arc::clone(file), first, before),
            false => Samples::new(Arc::clone(file)),
        };
        let samples = self.known.entry(of.clone()).or_insert_with(new);
        if let Some(stretch) = samples.take(sample)? {
            over(&of, stretch);
        }
        Ok(())
    }

    /// Those that had no row at the last moment were idle then; who is gone is forgotten.
    fn miss(&mut self, sample: &Sample, over: &mut impl FnMut(&Of, Stretch)) {
        let absent = Sample { at: self.last, latest: self.last, is_used: Some(false), ..sample.clone() };
        self.known.retain(|of, samples| {
            if samples.last() < absent.at {
                let gone = samples.take(&absent).ok().flatten();
                gone.into_iter().for_each(|stretch| over(of, stretch));
            }
            !samples.is_idle()
        });
    }

    fn rest(&mut self, over: &mut impl FnMut(&Of, Stretch)) {
        for (of, mut samples) in std::mem::take(&mut self.known) {
            samples.finish().into_iter().for_each(|stretch| over(&of, stretch));
        }
    }

    /// What is in use when there are no more rows.
    pub(super) fn finish(mut self, mut over: impl FnMut(&Of, Stretch)) {
        self.rest(&mut over);
    }
}
