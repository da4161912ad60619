//! A baseline: the logs of a time, or of machines, where nothing was wrong.
//!
//! What is ordinary can't be told from the records of a bad day alone. From a baseline follow two things:
//!
//! - **destinations**: one that a culprit called and the baseline never has is evidence for a person. And a *weak* class (a port, an SSH
//!   session, a volume: `mining.port`, `tunnel.ssh`, `exfil.volume`, found by no alarm) is not given where the baseline has the same class to
//!   the same destination as a matter of course: from more than three places, in at least three hours.
//!   A destination that the baseline merely has is no excuse: much is uploaded to where little was before. And a baseline that was not clean has its
//!   culprits in it; so strong classes (a pool's name, stratum, an alarm, a scan) stand whatever it has, few places never
//!   make anything usual, and all that was held back is counted and shown;
//! - **rates** (`traffic`, `compare`): how often each class comes, by place and hour, here against there.
//!
//! Of its rows nothing is kept but counts: for each of the first [`Baseline::DESTINATIONS`] destinations, the rest together, and for the hours
//! of each place. They are read as the flows are, in batches that are classified alike, so that names from lookups, the rest of a
//! connection's records, and scans count for both sides in the same way. Samples of GPUs are left out: which of them are used says nothing of
//! traffic.

pub(crate) mod compare;
mod read;
mod traffic;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::model::Id;

pub use read::Reader;
pub(crate) use traffic::{Place, PlaceHour, Traffic};

/// What a baseline has.
#[derive(Debug, Default)]
pub struct Baseline {
    destinations: HashMap<Arc<str>, u64>,
    /// Records to destinations beyond the first so many.
    to_others: u64,
    records: u64,
    weak: HashMap<(&'static str, Arc<str>), Usual>,
    traffic: Traffic,
}

/// A baseline beside an incident.
#[derive(Debug, Default)]
pub struct Beside {
    /// What it has.
    pub(crate) baseline: Baseline,
    /// The incident's own traffic.
    pub(crate) here: Traffic,
    /// Flows that would have a weak class, and don't because the baseline has that as a matter of course: how many to each
    /// destination.
    pub(crate) held_back: BTreeMap<(&'static str, Id), u64>,
}

/// A weak class to one destination, in the baseline.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    pub(crate) records: u64,
    places: HashSet<Place>,
    hours: HashSet<i32>,
}

impl Usual {
    /// From more places than that.
    const FEW: usize = 3;
    /// In at least so many hours.
    const HOURS: usize = 3;

    fn take(&mut self, at: Option<PlaceHour>) {
        self.records += 1;
        let Some(PlaceHour { place, hour }) = at else { return };
        // More would change nothing.
        if self.places.len() <= Self::FEW {
            self.places.insert(place);
        }
        if self.hours.len() < Self::HOURS {
            self.hours.insert(hour);
        }
    }

    fn is_one(&self) -> bool {
        self.places.len() > Self::FEW && self.hours.len() >= Self::HOURS
    }
}

impl Baseline {
    /// Destinations that are counted one by one.
    pub const DESTINATIONS: usize = 1_000_000;

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How often it has a destination; nothing, if that can't be told because there were too many.
    pub(crate) fn calls(&self, destination: &str) -> Option<u64> {
        let counted = self.destinations.get(destination).copied();
        counted.or_else(|| (self.to_others == 0).then_some(0))
    }

    /// What it has of a weak class to a destination, if that is a matter of course.
    pub(crate) fn usual(&self, class: &'static str, destination: &str) -> Option<&Usual> {
        // The key is borrowed in part only, so it is made; weak classes are few.
        self.weak.get(&(class, destination.into())).filter(|usual| usual.is_one())
    }

    /// Takes note of a record; of its weak class, if it has one.
    fn take(&mut self, destination: &Arc<str>, weak: Option<&'static str>, at: Option<PlaceHour>) {
        self.records += 1;
        if let Some(records) = self.destinations.get_mut(destination) {
            *records += 1;
        } else if self.destinations.len() < Self::DESTINATIONS {
            self.destinations.insert(Arc::clone(destination), 1);
        } else {
            self.to_others += 1;
            return;
        }
        if let Some(class) = weak {
            self.weak.entry((class, Arc::clone(destination))).or_default().take(at);
        }
    }
}

impl Beside {
    /// A baseline beside an incident of which nothing was counted yet.
    pub(crate) fn new(baseline: Baseline) -> Self {
        Self { baseline, ..Self::default() }
    }

    /// Whether a weak class is not to be given, because the baseline has it as a matter of course; it is counted then.
    pub(crate) fn holds_back(&mut self, class: &'static str, destination: (Id, &str)) -> bool {
        let is_usual = self.baseline.usual(class, destination.1).is_some();
        if is_usual {
            *self.held_back.entry((class, destination.0)).or_default() += 1;
        }
        is_usual
    }
}

#[cfg(test)]
mod tests;
