//! An incident: all calls and all flows that were read, in a compact form, each at its place.
//!
//! A [`Builder`] takes what the readers give, one after the other, and keeps of it what an investigation needs: texts once, times as
//! intervals, whose place it is. Nothing is compared here; [`crate::attribution`] does that.

mod answered;
mod calls;
mod flows;
pub(crate) mod gpu;
mod part;
mod parts;
mod places;
mod record;
mod saved;
mod texts;

use std::net::IpAddr;
use std::sync::Arc;

use intake::Origin;
use serde::{Deserialize, Serialize};

use crate::baseline::{Baseline, Beside};
use crate::hosts::Hosts;
use crate::model::Id;

pub use calls::CallRow;
pub use flows::FlowRow;
pub use gpu::GpusLeftOut;
pub use parts::{Flows, Keep, KeepError};
pub use saved::{NotResumed, SaveError, forget, is_saved};
pub use texts::Texts;

/// Destinations that are told apart, at most: who scans networks must not fill the memory of who looks into it.
const DESTINATIONS: usize = 2_000_000;

/// All that was read.
#[derive(Debug, Default)]
pub struct Incident {
    /// The calls, in the order in which they were read.
    pub calls: Vec<CallRow>,
    /// The flows, in parts.
    pub flows: Flows,
    /// Runs by name.
    pub runs: Texts,
    /// Kinds of commands.
    pub kinds: Texts,
    /// Tools.
    pub tools: Texts,
    /// Destinations: a name, or an address and a port.
    pub destinations: Texts,
    /// Clocks of traces.
    pub trace_clocks: Texts,
    /// Clocks of logs.
    pub flow_clocks: Texts,
    /// Places: an address, a network, a host; empty if there is no host map.
    pub places: Texts,
    /// For each destination, its name and its addresses.
    pub ends: Vec<End>,
    /// For each destination, who goes there and how often.
    pub(crate) visits: Vec<Visits>,
    /// For each clock of logs, what it timed.
    pub(crate) timed: Vec<Timed>,
    /// For each run, when it was over for good, as the host map tells, by the flows' clock.
    pub gone: Vec<Option<i64>>,
    /// What was left out, and why.
    pub left_out: LeftOut,
    /// A baseline, if there is one.
    pub(crate) beside: Option<Beside>,
}

/// What a destination is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Its name.
    pub name: Option<Arc<str>>,
    /// One of its addresses.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
    /// It is a GPU, which has neither.
    pub is_gpu: bool,
    /// It stands for many, of which nothing holds that holds of one.
    pub is_many: bool,
}

/// How many flows go to a destination, and from where: the first [`Visits::FEW`] places, of which the flows without a place are one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Visits {
    pub(crate) flows: u32,
    /// The first `known` of these.
    places: [Option<Id>; Visits::FEW],
    known: u8,
    more: bool,
}

/// What a clock of logs timed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Timed {
    pub(crate) flows: u64,
    /// All of it are whole seconds.
    pub(crate) whole: bool,
}

/// What could not be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Spans without any time: they can't be joined by time.
    pub spans_without_time: u64,
    /// Spans of processes and episodes whose calls are there.
    pub parts: u64,
    /// Spans whose run the host map does not know.
    pub spans_without_place: u64,
    /// Flows whose addresses it does not know.
    pub flows_without_place: u64,
    /// Flows to destinations beyond the first two million, which are taken as one.
    pub destinations_together: u64,
    /// Records that tell more of a connection that is there.
    pub records_beside: u64,
    /// What of GPUs can't be told.
    pub gpus: GpusLeftOut,
}

/// Takes in what was read.
#[derive(Debug)]
pub struct Builder {
    hosts: Hosts,
    incident: Incident,
    places: places::Places,
    before: flows::Before,
    gpus: gpu::Gpus,
}

impl Builder {
    /// Begins an incident, with what is known of addresses. All of it is kept in memory.
    pub fn new(hosts: Hosts) -> Self {
        Self::keeping(hosts, Keep::default())
    }

    /// The same, with flows beyond a bound in files.
    pub fn keeping(hosts: Hosts, keep: Keep) -> Self {
        Self::with(hosts, Flows::new(keep))
    }

    fn with(hosts: Hosts, flows: Flows) -> Self {
        let mut incident = Incident { flows, ..Incident::default() };
        let places = places::Places::of(&hosts, &mut incident.places);
        Self { hosts, incident, places, before: flows::Before::default(), gpus: gpu::Gpus::default() }
    }

    /// Takes in a span.
    pub fn span(&mut self, format: trace::Format, span: trace::Span) {
        calls::take(&mut self.incident, &self.places, format, span);
    }

    /// Takes in a flow, or a sample.
    ///
    /// # Errors
    /// If it can't be kept.
    pub fn flow(&mut self, format: ::flows::Format, flow: ::flows::Flow) -> Result<(), KeepError> {
        if flow.kind == ::flows::FlowKind::Gpu {
            return self.gpus.take(&mut self.incident, &self.places, &flow);
        }
        flows::take(&mut self.incident, &self.places, &self.hosts, &mut self.before, format, flow)
    }

    /// Lays a baseline beside it.
    pub fn baseline(&mut self, baseline: Baseline) {
        self.incident.beside = Some(Beside::new(baseline));
    }

    /// The flows that were taken in since the last time, as an incident of their own. Names that were told hold on; connections don't.
    pub(crate) fn turn(&mut self) -> Result<Incident, KeepError> {
        let places = self.incident.places.clone();
        let next = Incident { flows: Flows::new(Keep::default()), places, ..Incident::default() };
        let mut incident = std::mem::replace(&mut self.incident, next);
        self.before.turn();
        flows::coarsen(&mut incident)?;
        Ok(incident)
    }

    /// All of it.
    ///
    /// # Errors
    /// If flows can't be had from where they were kept.
    pub fn build(self) -> Result<Incident, KeepError> {
        let mut incident = self.incident;
        self.gpus.finish(&mut incident, &self.places)?;
        incident.gone = self.places.ends(&incident.runs);
        calls::complete(&mut incident);
        flows::coarsen(&mut incident)?;
        Ok(incident)
    }
}

/// Where a row was read, for who wants to look.
pub(crate) fn at(origin: &Origin) -> (Arc<std::path::Path>, u64) {
    (Arc::clone(&origin.file), origin.offset)
}

impl Incident {
    /// The name of a run.
    pub fn run(&self, call: &CallRow) -> &str {
        self.runs.text(call.run)
    }

    /// A destination, by what it is called. Those that are too many to be told apart are one.
    fn destination(&mut self, name: &str, end: impl FnOnce() -> End) -> Id {
        if !self.tells_apart(name) {
            self.left_out.destinations_together += 1;
            return self.nowhere("other destinations");
        }
        self.end(name, end)
    }

    /// Whether there is room for a destination of its own.
    fn tells_apart(&self, name: &str) -> bool {
        self.destinations.len() < DESTINATIONS || self.destinations.find(name).is_some()
    }

    fn end(&mut self, name: &str, end: impl FnOnce() -> End) -> Id {
        let id = self.destinations.id(name);
        if id as usize == self.ends.len() {
            self.ends.push(end());
        }
        id
    }

    /// A destination that is no single end.
    fn nowhere(&mut self, name: &str) -> Id {
        let id = self.end(name, || End { is_many: true, ..End::default() });
        if self.visits.len() < self.ends.len() {
            self.visits.resize(self.ends.len(), Visits::default());
        }
        id
    }

    /// The destination that stands for all ends of a scan, of which this flow is one.
    pub(crate) fn swept(&mut self, row: &FlowRow) -> Id {
        let id = self.nowhere("many hosts");
        self.moved(row.destination, id, row.place);
        id
    }

    /// A flow goes elsewhere than it was counted.
    fn moved(&mut self, from: Id, to: Id, place: Option<Id>) {
        if let Some(visits) = self.visits.get_mut(from as usize) {
            visits.flows = visits.flows.saturating_sub(1);
        }
        if self.visits.len() <= to as usize {
            self.visits.resize(to as usize + 1, Visits::default());
        }
        if let Some(visits) = self.visits.get_mut(to as usize) {
            visits.add(place);
        }
    }
}

impl Visits {
    /// How many places are few.
    pub(crate) const FEW: usize = 3;

    /// Another flow, from a place.
    fn add(&mut self, place: Option<Id>) {
        self.flows = self.flows.saturating_add(1);
        let known = usize::from(self.known);
        if self.places.iter().take(known).any(|known| *known == place) {
            return;
        }
        match self.places.get_mut(known) {
            Some(free) => (*free, self.known) = (place, self.known + 1),
            None => self.more = true,
        }
    }

    /// Whether few places go there.
    pub(crate) fn are_of_few(&self) -> bool {
        !self.more
    }
}

impl Timed {
    const NOTHING: Self = Self { flows: 0, whole: true };

    /// Another time, in nanoseconds.
    fn see(&mut self, time: i64) {
        const SECOND: i64 = 1_000_000_000;
        self.whole &= time % SECOND == 0;
    }
}

#[cfg(test)]
pub(crate) mod tests;
