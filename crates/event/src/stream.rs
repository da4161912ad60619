//! The record of one run: numbers without gaps, and losses that are said.

use std::io::{self, Write};

use crate::fact::TelemetryGap;
use crate::{Event, Observation, RunId, Timestamp, Writer};

/// Makes the events of one run: stamps each observation with the next number, the time and the run.
///
/// Other crates have no other way to make an [`Event`]; with one sequence for each run, numbers have no gaps.
#[derive(Debug)]
pub struct Sequence {
    run: RunId,
    last: u64,
}

impl Sequence {
    /// The sequence of a run, from number 1.
    pub fn new(run: RunId) -> Self {
        Self { run, last: 0 }
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The number of the last event, which is also how many there are; 0 before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The event that an observation is.
    pub fn stamp(&mut self, observation: Observation) -> Event {
        self.stamp_at(Timestamp::now(), observation)
    }

    /// The event that an observation is which was made at this time.
    pub fn stamp_at(&mut self, time: Timestamp, observation: Observation) -> Event {
        let event = self.draft(observation, time);
        self.last = event.seq;
        event
    }

    /// The event that an observation would be, without using its number up.
    fn draft(&self, observation: Observation, time: Timestamp) -> Event {
        observation.stamped(self.last + 1, time, self.run)
    }
}

/// Writes the events of one run as lines.
///
/// An event that can't be written has no number. It is counted, and as soon as the output works again a
/// `telemetry.gap` says how many there were, before anything else is written.
#[derive(Debug)]
pub struct Stream<W> {
    sequence: Sequence,
    writer: Writer<W>,
    lost: u64,
    gaps: u64,
}

impl<W: Write> Stream<W> {
    /// The record of a run, on this output.
    pub fn new(run: RunId, output: W) -> Self {
        Self { sequence: Sequence::new(run), writer: Writer::new(output), lost: 0, gaps: 0 }
    }

    /// Records an observation, and gives the event as it was written.
    ///
    /// # Errors
    /// The output failed, and this observation is lost. The loss is counted and will be said.
    pub fn record(&mut self, observation: Observation) -> io::Result<Event> {
        self.record_at(Timestamp::now(), observation)
    }

    /// Records an observation that was made at this time: for those who see on one thread and write on another.
    ///
    /// # Errors
    /// As for [`record`](Self::record).
    pub fn record_at(&mut self, time: Timestamp, observation: Observation) -> io::Result<Event> {
        let written = self.confess().and_then(|()| self.write(time, observation));
        if written.is_err() {
            self.lost += 1;
        }
        written
    }

    /// Says what was lost, writes what is left of a line, and flushes the output.
    ///
    /// # Errors
    /// The output's own; a loss that couldn't be said is still to be said.
    pub fn flush(&mut self) -> io::Result<()> {
        self.confess()?;
        self.writer.flush()
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.sequence.run()
    }

    /// The number of the last event, which is also how many there are; 0 before the first.
    pub fn last(&self) -> u64 {
        self.sequence.last()
    }

    /// How many gaps this stream itself had to report, or has yet to: not 0 means `unproven`.
    pub fn gaps(&self) -> u64 {
        self.gaps + u64::from(self.lost > 0)
    }

    /// The output. Flush first: a loss that wasn't said is forgotten with this.
    pub fn into_inner(self) -> W {
        self.writer.into_inner()
    }

    fn confess(&mut self) -> io::Result<()> {
        if self.lost == 0 {
            return Ok(());
        }
        let gap = TelemetryGap {
            lost: self.lost,
            source: "record".into(),
            reason: "events could not be written".into(),
        };
        self.write(Timestamp::now(), Observation::new(gap))?;
        self.gaps += 1;
        self.lost = 0;
        Ok(())
    }

    /// Writes an observation; its number is used up only when that worked.
    fn write(&mut self, time: Timestamp, observation: Observation) -> io::Result<Event> {
        let event = self.sequence.draft(observation, time);
        self.writer.write(&event)?;
        self.sequence.last = event.seq;
        Ok(event)
    }
}
