//! Reads a baseline: batch after batch is taken for a small incident, classified, counted and forgotten.

use flows::{Flow, FlowKind, Format};

use super::Baseline;
use crate::classify::{classify, volume, weak};
use crate::hosts::Hosts;
use crate::incident::{Builder, FlowRow, Incident, KeepError};

/// Flows that are looked at together: a scan that lies over the end of a batch may be missed.
const BATCH: usize = 200_000;

/// Takes in a baseline.
#[derive(Debug)]
pub struct Reader {
    builder: Builder,
    waiting: usize,
    baseline: Baseline,
}

impl Reader {
    /// Begins one, with what is known of addresses.
    pub fn new(hosts: Hosts) -> Self {
        Self { builder: Builder::new(hosts), waiting: 0, baseline: Baseline::default() }
    }

    /// Takes in a flow.
    ///
    /// # Errors
    /// None: all of a batch is in memory.
    pub fn flow(&mut self, format: Format, flow: Flow) -> Result<(), KeepError> {
        if flow.kind == FlowKind::Gpu {
            return Ok(());
        }
        self.builder.flow(format, flow)?;
        self.waiting += 1;
        if self.waiting >= BATCH { self.count() } else { Ok(()) }
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Reader::flow`].
    pub fn finish(mut self) -> Result<Baseline, KeepError> {
        self.count()?;
        Ok(self.baseline)
    }

    pub(super) fn count(&mut self) -> Result<(), KeepError> {
        self.waiting = 0;
        let mut incident = self.builder.turn()?;
        classify(&mut incident)?;
        for part in 0..incident.flows.parts() {
            let rows = incident.flows.part(part)?;
            let volumes = volume::find(&incident, &rows, |_| true);
            rows.iter().zip(volumes).for_each(|(row, volume)| self.baseline.add(&incident, row, volume));
        }
        Ok(())
    }
}

impl Baseline {
    fn add(&mut self, incident: &Incident, row: &FlowRow, volume: bool) {
        let Some(destination) = incident.destinations.shared(row.destination) else { return };
        let at = self.traffic.take(row);
        self.take(&destination, weak(incident, row, volume), at);
    }
}
