//! The tables of an investigation, as Parquet files, and an analyst's SQL over them.
//!
//! Everything that was read and found goes into a store of the [`engine`] under `--out`: `spans`, `flows`, `attribution`, the clocks, and with
//! them `candidates`, the engine's own join of flows and the calls that were open.

use std::fs;
use std::io::Write;
use std::path::Path;

use engine::{AttributionRow, ClockRow, FlowRow, Kept, Options, Part, Side, SlackRow, SpanRow, Store};
use investigate::attribution::{Answer, Attribution};
use investigate::incident::{self, CallRow, Incident};
use serde::Serialize;
use serde_json::Value;

use crate::cluster::Remote;
use crate::failure::Failure;
use crate::terminal;

/// What the times of a call and of a flow are the times of: their interval is known already.
const KNOWN: &str = "known";
/// Rows that a question on the command line is answered with at most.
const ROWS: usize = 1000;

/// The tables while they are written.
pub(crate) struct Tables {
    store: Store,
    flows: Part<FlowRow>,
    answers: Part<AttributionRow>,
}

/// Rows of a part of the flows.
pub(crate) struct Rows {
    flows: Vec<FlowRow>,
    answers: Vec<AttributionRow>,
}

/// The tables, complete.
pub(crate) struct Complete(Store);

impl Tables {
    /// Begins all tables anew, and writes the calls.
    pub(crate) fn begin(
        out: &Path,
        memory: usize,
        incident: &Incident,
        found: &Attribution,
    ) -> Result<Self, Failure> {
        let folder = out.join("tables");
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|source| Failure::Output { path: folder.clone(), source })?;
        }
        // Half of it: the incident is there too.
        let store = Store::open(&folder, Options { memory_bytes: memory / 2, ..Options::default() })?;
        let mut calls = begin::<SpanRow>(&store, "calls")?;
        for (at, call) in incident.calls.iter().enumerate() {
            calls.push(&span(at, call, incident, found))?;
        }
        calls.finish()?;
        let (flows, answers) = (begin(&store, "flows")?, begin(&store, "answers")?);
        Ok(Self { store, flows, answers })
    }

    /// Adds a part of the flows.
    pub(crate) fn add(&mut self, rows: &Rows) -> Result<(), Failure> {
        for row in &rows.flows {
            self.flows.push(row)?;
        }
        for row in &rows.answers {
            self.answers.push(row)?;
        }
        Ok(())
    }

    /// Completes them, and joins flows and calls.
    pub(crate) fn finish(self, incident: &Incident, found: &Attribution) -> Result<Complete, Failure> {
        self.flows.finish()?;
        self.answers.finish()?;
        self.store.align(&clocks(incident, found), &slack())?;
        Ok(Complete(self.store))
    }
}

impl Rows {
    pub(crate) fn of(incident: &Incident, rows: &[incident::FlowRow], answers: &[Answer]) -> Option<Self> {
        let both = || rows.iter().zip(answers);
        let told = both().filter(|(_, answer)| answer.untold.is_none());
        Some(Self {
            flows: rows.iter().map(|row| flow(row, incident)).collect(),
            answers: told.map(|(row, answer)| attribution(row.number, answer, incident)).collect(),
        })
    }
}

impl Complete {
    /// Answers questions: here, or on a cluster.
    pub(crate) fn ask(&self, questions: &[String], remote: Option<&Remote>) -> Result<(), Failure> {
        let Some(remote) = remote.filter(|_| !questions.is_empty()) else {
            return questions.iter().try_for_each(|question| show(self.0.sql(question, ROWS)?));
        };
        remote.answer(&self.0, questions, ROWS, show)
    }
}

fn show(answer: engine::Answer) -> Result<(), Failure> {
    let (table, mut out) = (answer.table()?, std::io::stdout().lock());
    table.lines().try_for_each(|line| writeln!(out, "{}", terminal::shown(line))).map_err(Failure::Stdout)
}

/// A part of a table that is not there yet.
fn begin<R: Kept>(store: &Store, name: &str) -> Result<Part<R>, Failure> {
    // The folder was emptied, and nobody else writes to it while the store is open.
    store.part::<R>(name)?.ok_or_else(|| Failure::Output {
        path: name.into(),
        source: std::io::ErrorKind::AlreadyExists.into(),
    })
}

fn number(at: usize) -> u64 {
    at as u64 // no machine has more than 2^64 of anything
}

/// A value by its name, as in JSON.
pub(crate) fn word(value: impl Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => Some(word),
        Ok(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}

/// Times of calls are brought to the common time, by which the engine takes all spans.
fn span(at: usize, call: &CallRow, incident: &Incident, found: &Attribution) -> SpanRow {
    let clock = found.timeline.trace(call.clock);
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    SpanRow {
        span: number(at),
        run: incident.run(call).to_owned(),
        task: call.task.as_deref().map(str::to_owned),
        step: call.step,
        training_step: call.training_step,
        model: call.model.as_deref().map(str::to_owned),
        span_order: call.order,
        tool_call_id: call.tool_call_id.as_deref().map(str::to_owned),
        kind: "call".to_owned(),
        tool: text(incident.tools.text(call.tool)),
        command: text(&call.command),
        signature: text(incident.kinds.text(call.kind)),
        mentions: call.names.each().collect(),
        leaves_behind: call.leaves_behind,
        places: call.places.clone(),
        start_ns: clock.map(|clock| clock.to_common(call.start)),
        start_until_ns: clock.map(|clock| clock.to_common(call.start)),
        start_means: Some(KNOWN.to_owned()),
        end_ns: clock.map(|clock| clock.to_common(call.end)),
        end_until_ns: clock.map(|clock| clock.to_common(call.end)),
        end_means: Some(KNOWN.to_owned()),
        host: None,
        sandbox: None,
        exit_code: call.exit_code,
        file: call.origin.name().into(),
        byte_offset: call.origin.offset,
    }
}

fn flow(row: &incident::FlowRow, incident: &Incident) -> FlowRow {
    let name = incident.ends.get(row.destination as usize).and_then(|end| end.name.as_deref());
    FlowRow {
        flow: row.number,
        place: row.place,
        kind: word(row.kind).unwrap_or_default(),
        time_ns: row.from,
        time_until_ns: row.until,
        means: KNOWN.to_owned(),
        end_ns: row.end,
        source: row.source.0.map(|address| address.to_string()),
        source_port: row.source.1.map(u32::from),
        destination: row.called.0.map(|address| address.to_string()),
        destination_port: row.called.1.map(u32::from),
        destination_name: name.map(str::to_owned),
        destination_key: Some(incident.destinations.text(row.destination).to_owned()),
        transport: row.transport.and_then(word),
        application: row.application.as_deref().map(str::to_owned),
        bytes_out: row.bytes.0,
        bytes_in: row.bytes.1,
        action: row.action.and_then(word),
        signature: row.alarm.as_deref().map(str::to_owned),
        sensor: None,
        clock: row.clock,
        class: row.class.as_deref().map(str::to_owned),
        exact_run: row.exact.as_ref().map(|(run, _)| run.to_string()),
        exact_tool_call_id: row.exact.as_ref().and_then(|(_, call)| call.as_deref().map(str::to_owned)),
        file: row.origin.0.to_string_lossy().into(),
        byte_offset: row.origin.1,
    }
}

fn attribution(flow: u64, answer: &Answer, incident: &Incident) -> AttributionRow {
    let best = answer.best().and_then(|(call, _)| Some((call, incident.calls.get(call)?)));
    AttributionRow {
        flow,
        span: best.map(|(at, _)| number(at)),
        run: best.map(|(_, call)| incident.run(call).to_owned()),
        tool_call_id: best.and_then(|(_, call)| call.tool_call_id.as_deref().map(str::to_owned)),
        probability: answer.candidates.first().map(|(_, probability)| *probability),
        none_probability: answer.none,
        candidates: answer.considered,
        evidence: answer.evidence.iter().map(ToString::to_string).collect(),
    }
}

fn clocks(incident: &Incident, found: &Attribution) -> Vec<ClockRow> {
    let ids = (0_u32..).take(incident.flow_clocks.len());
    ids.filter_map(|id| {
        let clock = found.timeline.flows(id)?;
        Some(ClockRow {
            clock: id,
            offset_ns: clock.offset,
            drift_ppb: clock.drift_ppb,
            origin_ns: clock.origin,
            uncertainty_ns: clock.uncertainty,
        })
    })
    .collect()
}

/// As the model's own join has it.
fn slack() -> [SlackRow; 3] {
    [
        SlackRow::new(Side::Start, KNOWN, investigate::model::LEAD, 0),
        SlackRow::new(Side::End, KNOWN, 0, investigate::model::LINGER),
        SlackRow::new(Side::Flow, KNOWN, 0, 0),
    ]
}
