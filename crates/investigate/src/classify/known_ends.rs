//! Ends of which one flow has shown what they are: what other flows to them are too, whose records tell less. An attempt that was
//! refused has no protocol, and a lookup no connection.
//!
//! Anybody can make one flow to where everybody goes look like mining: by a name that he tells the far side, by an answer of his own resolver, or
//! by words that set off an alarm. So it holds only if it was shown from more places than from which flows to the same end are only
//! something else. A short session by SSH is no other thing than a long one; but where most are short, they are fetches.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use flows::{Action, FlowKind};

use super::{TUNNEL, is_ssh, names_malice, speaks_unknown};
use crate::incident::{FlowRow, Incident};
use crate::model::Id;

#[derive(Default)]
pub(super) struct KnownEnds(HashMap<Id, KnownEnd>);

struct KnownEnd {
    port: Option<u16>,
    class: Arc<str>,
    shown: Seen,
    brief: Seen,
    otherwise: Seen,
}

/// Flows of one kind to an end.
#[derive(Default)]
struct Seen {
    flows: u64,
    /// Where they came from, the first [`Seen::PLACES`].
    places: HashSet<(Option<Id>, Option<IpAddr>)>,
}

impl KnownEnds {
    /// Takes note of what a flow shows of its end. Pools and the far sides of tunnels are that for everybody; where one sent much,
    /// others may fetch.
    pub(super) fn learn(&mut self, incident: &Incident, row: &FlowRow) {
        let Some(class) = row.class.as_ref().filter(|class| !class.starts_with("scan")) else { return };
        let is_many = incident.ends.get(row.destination as usize).is_none_or(|end| end.is_many);
        if !is_many && names_malice(class) && !class.starts_with("exfil") && row.kind != FlowKind::Lookup {
            let end = self.0.entry(row.destination).or_insert_with(|| KnownEnd::new(row, class));
            end.shown.note(row);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note of a flow to a known end that spoke, and showed nothing of the kind.
    pub(super) fn doubt(&mut self, row: &FlowRow) {
        let is_open =
            row.class.is_none() && row.kind == FlowKind::Flow && row.action != Some(Action::Blocked);
        let end = self.0.get_mut(&row.destination).filter(|end| is_open && end.port == row.called.1);
        let Some(end) = end else { return };
        if *end.class == *TUNNEL && is_ssh(row) {
            // Without an end nobody knows how long it took.
            row.end.is_some().then(|| end.brief.note(row));
        } else if !speaks_unknown(row) {
            end.otherwise.note(row);
        }
    }

    /// All doubts were heard.
    pub(super) fn settle(&mut self) {
        self.0.retain(|_, end| end.is_shown());
    }

    /// What a flow is by its end.
    pub(super) fn class(&self, row: &FlowRow) -> Option<Arc<str>> {
        let end = self.0.get(&row.destination)?;
        (row.kind == FlowKind::Lookup || row.called.1 == end.port).then(|| Arc::clone(&end.class))
    }
}

impl KnownEnd {
    /// So many times as many short sessions as long ones, and places that have only those, still belong to a tunnel.
    const BRIEF_FLOWS: u64 = 2;
    const BRIEF_PLACES: usize = 10;

    fn new(row: &FlowRow, class: &Arc<str>) -> Self {
        let (shown, brief, otherwise) = Default::default();
        Self { port: row.called.1, class: Arc::clone(class), shown, brief, otherwise }
    }

    fn is_shown(&self) -> bool {
        let Self { shown, brief, otherwise, .. } = self;
        let only = |seen: &Seen| seen.places.difference(&shown.places).count();
        shown.places.len() > only(otherwise)
            && shown.flows.saturating_mul(Self::BRIEF_FLOWS) >= brief.flows
            && shown.places.len() * Self::BRIEF_PLACES >= only(brief)
    }
}

impl Seen {
    const PLACES: usize = 10_000;

    fn note(&mut self, row: &FlowRow) {
        self.flows += 1;
        if self.places.len() < Self::PLACES {
            self.places.insert((row.place, row.source.0));
        }
    }
}
