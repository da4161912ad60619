//! Spans as a Parquet file of their own, with the columns of the table `spans`.
//!
//! Everything is as the trace has it: times by the clock that wrote them, and no place, since no host map was asked. What the columns
//! have no room for is counted, so that nobody takes the file for all there was.

use std::fmt;
use std::path::Path;

use engine::{EngineError, Part, SpanRow};
use investigate::command::Hints;
use trace::{Moment, Span};

use crate::tables::word;

/// A file that is being written. It is there once it is [finished](SpanTable::finish).
pub(crate) struct SpanTable {
    part: Part<SpanRow>,
    next: u64,
    left_out: LeftOut,
}

/// What spans have and the columns don't.
#[derive(Clone, Copy, Default)]
pub(crate) struct LeftOut {
    /// The beginnings of what calls answered.
    results: u64,
    /// Addresses that traces themselves tell.
    addresses: u64,
    /// Spans whose times are not in a zone that they state themselves.
    zones: u64,
}

impl SpanTable {
    pub(crate) fn create(file: &Path) -> Result<Self, EngineError> {
        Ok(Self { part: Part::alone(file)?, next: 0, left_out: LeftOut::default() })
    }

    pub(crate) fn push(&mut self, span: &Span) -> Result<(), EngineError> {
        self.left_out.count(span);
        let number = self.next;
        self.next += 1;
        self.part.push(&row(number, span))
    }

    /// Ends the file, and tells what is not in it.
    pub(crate) fn finish(self) -> Result<LeftOut, EngineError> {
        self.part.finish()?;
        Ok(self.left_out)
    }
}

fn row(number: u64, span: &Span) -> SpanRow {
    let hints = span.command.as_deref().map(Hints::of).unwrap_or_default();
    let first = |moment: Option<Moment>| moment.map(|moment| moment.stamp.nanos);
    let last = |moment: Option<Moment>| moment.map(|moment| moment.stamp.latest());
    let means = |moment: Option<Moment>| moment.and_then(|moment| word(moment.means));
    SpanRow {
        span: number,
        run: span.run.clone(),
        task: span.task.clone(),
        step: span.step,
        training_step: span.training_step,
        model: span.model.clone(),
        span_order: span.order,
        tool_call_id: span.tool_call_id.clone(),
        kind: word(span.kind).unwrap_or_default(),
        tool: span.tool.clone(),
        command: span.command.clone(),
        signature: Some(hints.kind).filter(|kind| !kind.is_empty()),
        mentions: hints.names.each().collect(),
        leaves_behind: hints.leaves_behind,
        places: Vec::new(),
        start_ns: first(span.start),
        start_until_ns: last(span.start),
        start_means: means(span.start),
        end_ns: first(span.end),
        end_until_ns: last(span.end),
        end_means: means(span.end),
        host: span.host.clone(),
        sandbox: span.sandbox.clone(),
        exit_code: span.exit_code,
        file: span.origin.name().into(),
        byte_offset: span.origin.offset,
    }
}

impl LeftOut {
    fn count(&mut self, span: &Span) {
        let is_stated = |moment: &Moment| moment.stamp.zone == intake::Zone::Stated;
        self.results += u64::from(span.result.is_some());
        self.addresses += u64::from(span.address.is_some());
        self.zones += u64::from(!span.start.iter().chain(&span.end).all(is_stated));
    }

    pub(crate) fn is_empty(self) -> bool {
        self.results + self.addresses + self.zones == 0
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.results, "what {} calls answered"),
            (self.addresses, "the addresses of {} spans"),
            (self.zones, "how the zone of the times of {} spans is known"),
        ];
        let told = parts.iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = told.map(|(count, what)| what.replace("{}", &count.to_string())).collect();
        f.write_str(&told.join(", "))
    }
}
