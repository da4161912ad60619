//! How often each class of traffic comes: bouts, by place and hour.
//!
//! Flows can't be compared: a scan has hundreds, a miner as many as it likes, and all have one cause. So what is counted is at which place in
//! which hour there was a class, and hours one after the other at one place are one **bout**. What it is held against is
//! the hours at which a place was seen at all, by any record.
//!
//! A place is what the host map knows, and the address there; without a host map each address that begins flows. Records of other
//! addresses don't count, on either side.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::incident::FlowRow;
use crate::model::Id;

/// Places that are told apart, and hours of places that are kept, of all classes together, at most.
const PLACES: usize = 1_000_000;
const HOURS: usize = 4_000_000;
/// Classes, at most: a log may name its own.
const CLASSES: usize = 1000;
/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;

/// The number of a place.
pub(crate) type Place = u32;

/// An hour at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PlaceHour {
    pub(crate) place: Place,
    /// Since 1970, by the record's own clock.
    pub(crate) hour: i32,
}

/// The traffic of one side.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    places: HashMap<(Id, Option<IpAddr>), Place>,
    hours: HashSet<PlaceHour>,
    classes: BTreeMap<Arc<str>, HashSet<PlaceHour>>,
    /// Hours of all classes.
    kept: usize,
    is_full: bool,
    /// Records of addresses that are no place.
    elsewhere: u64,
}

impl Traffic {
    /// Takes note of a record, of its class if it has one, and gives where and when it was.
    pub(crate) fn take(&mut self, row: &FlowRow) -> Option<PlaceHour> {
        let Some(place) = row.place else {
            self.elsewhere += 1;
            return None;
        };
        let next = Place::try_from(self.places.len()).ok()?;
        let place = match self.places.get(&(place, row.source.0)) {
            Some(known) => *known,
            None if self.places.len() < PLACES => *self.places.entry((place, row.source.0)).or_insert(next),
            None => {
                self.is_full = true;
                return None;
            }
        };
        let at = PlaceHour { place, hour: i32::try_from(row.time.div_euclid(HOUR)).ok()? };
        if !self.hours.contains(&at) {
            self.add(at, None);
        }
        if let Some(class) = &row.class {
            self.add(at, Some(class));
        }
        Some(at)
    }

    fn add(&mut self, at: PlaceHour, class: Option<&Arc<str>>) {
        let hours = match class {
            None => &mut self.hours,
            Some(class) if self.classes.contains_key(class) || self.classes.len() < CLASSES => {
                self.classes.entry(Arc::clone(class)).or_default()
            }
            Some(_) => {
                self.is_full = true;
                return;
            }
        };
        if self.kept < HOURS {
            self.kept += usize::from(hours.insert(at));
        } else {
            self.is_full |= !hours.contains(&at);
        }
    }

    /// Whether there was more than is counted.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Records of addresses that are no place.
    pub(crate) fn elsewhere(&self) -> u64 {
        self.elsewhere
    }

    /// Hours at places.
    pub(crate) fn place_hours(&self) -> u64 {
        self.hours.len() as u64
    }

    /// The classes there are.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.classes.keys()
    }

    /// The bouts of a class.
    pub(crate) fn bouts(&self, class: &str) -> u64 {
        let Some(hours) = self.classes.get(class) else { return 0 };
        let goes_on = |at: &PlaceHour| hours.contains(&PlaceHour { hour: at.hour.saturating_sub(1), ..*at });
        hours.iter().filter(|at| !goes_on(at)).count() as u64
    }
}
