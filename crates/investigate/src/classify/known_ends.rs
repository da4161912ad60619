//! Ends of which one flow has shown what they are: what other flows to them are too, whose records tell less. An attempt that was
//! refused has no protocol, and a lookup no connection.
//!
//! Anybody can make one flow to where everybody goes look like mining: by a name that he tells the far side, by an answer of his own resolver, or
//! by words that set off an alarm. So it holds only if it was shown from more places than from which flows to the same end are only
//! something else. A short session by SSH is no other thing than a long one; but where most are short, they are fetches.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use flows::{Action, FlowKind};

use super::{TUNNEL, is_ssh, names_malice, speaks_unknown};
use crate::incident::{FlowRow, Incident};
use crate::model::Id;

/// Each by its destination and port.
#[derive(Default)]
pub(super) struct KnownEnds {
    ends: HashMap<(Id, Option<u16>), KnownEnd>,
    /// What lookups of a name were for, once all doubts were heard.
    looked_up: HashMap<Id, Arc<str>>,
}

struct KnownEnd {
    /// Of several the first by name, so that it is the same in whatever order logs are read.
    class: Arc<str>,
    shown: Seen,
    brief: Seen,
    otherwise: Seen,
}

/// Flows of one kind to an end.
#[derive(Default)]
struct Seen {
    /// Of each place the first [`Seen::EACH`]: none makes up for many.
    flows: u64,
    /// Where they came from, the first [`Seen::PLACES`], and how many of them.
    places: HashMap<(Option<Id>, Option<IpAddr>), u8>,
}

impl KnownEnds {
    /// Takes note of what a flow shows of its end. Pools and the far sides of tunnels are that for everybody; where one sent much,
    /// others may fetch.
    pub(super) fn learn(&mut self, incident: &Incident, row: &FlowRow) {
        let Some(class) = row.class.as_ref().filter(|class| !class.starts_with("scan")) else { return };
        let is_many = incident.ends.get(row.destination as usize).is_none_or(|end| end.is_many);
        if !is_many && names_malice(class) && !class.starts_with("exfil") && row.kind != FlowKind::Lookup {
            let end =
                self.ends.entry((row.destination, row.called.1)).or_insert_with(|| KnownEnd::new(class));
            if *class < end.class {
                end.class = Arc::clone(class);
            }
            end.shown.note(row);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Takes note of a flow to a known end that spoke, and showed nothing of the kind.
    pub(super) fn doubt(&mut self, row: &FlowRow) {
        let is_open =
            row.class.is_none() && row.kind == FlowKind::Flow && row.action != Some(Action::Blocked);
        let end = self.ends.get_mut(&(row.destination, row.called.1)).filter(|_| is_open);
        let Some(end) = end else { return };
        if *end.class == *TUNNEL && is_ssh(row) {
            // Without an end nobody knows how long it took.
            if row.end.is_some() {
                end.brief.note(row);
            }
        } else if !speaks_unknown(row) {
            end.otherwise.note(row);
        }
    }

    /// All doubts were heard.
    pub(super) fn settle(&mut self) {
        self.ends.retain(|_, end| end.is_shown());
        for ((destination, _), end) in &self.ends {
            let class = self.looked_up.entry(*destination).or_insert_with(|| Arc::clone(&end.class));
            if end.class < *class {
                *class = Arc::clone(&end.class);
            }
        }
    }

    /// What a flow is by its end.
    pub(super) fn class(&self, row: &FlowRow) -> Option<Arc<str>> {
        if row.kind == FlowKind::Lookup {
            return self.looked_up.get(&row.destination).cloned();
        }
        self.ends.get(&(row.destination, row.called.1)).map(|end| Arc::clone(&end.class))
    }
}

impl KnownEnd {
    /// So many times as many short sessions as long ones, and places that have only those, still belong to a tunnel. Whoever holds a
    /// connection for as long as a server waits for a password has a long one, so a place speaks for few others.
    const BRIEF_FLOWS: u64 = 2;
    const BRIEF_PLACES: usize = 4;

    fn new(class: &Arc<str>) -> Self {
        let (shown, brief, otherwise) = Default::default();
        Self { class: Arc::clone(class), shown, brief, otherwise }
    }

    fn is_shown(&self) -> bool {
        let Self { shown, brief, otherwise, .. } = self;
        let only = |seen: &Seen| seen.places.keys().filter(|place| !shown.places.contains_key(place)).count();
        shown.places.len() > only(otherwise)
            && shown.flows.saturating_mul(Self::BRIEF_FLOWS) >= brief.flows
            && shown.places.len() * Self::BRIEF_PLACES >= only(brief)
    }
}

impl Seen {
    const PLACES: usize = 10_000;
    const EACH: u8 = 4;

    fn note(&mut self, row: &FlowRow) {
        let place = (row.place, row.source.0);
        if self.places.len() >= Self::PLACES && !self.places.contains_key(&place) {
            return;
        }
        let count = self.places.entry(place).or_default();
        if *count < Self::EACH {
            *count += 1;
            self.flows += 1;
        }
    }
}
