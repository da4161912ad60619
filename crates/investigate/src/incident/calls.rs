//! Calls, from spans.

use std::path::Path;
use std::sync::Arc;

use intake::Origin;
use serde::{Deserialize, Serialize};
use trace::{Format, Means, Span, SpanKind};

use super::Incident;
use super::places::Places;
use crate::command::{Hints, Names};
use crate::model::Id;

/// How much of a command is kept.
const COMMAND: usize = 4096;
/// How long a call may take whose end nobody tells, in nanoseconds.
const UNKNOWN: i64 = 600_000_000_000;
/// A call of which only the end is told began at most so long before.
const BEFORE: i64 = 60_000_000_000;

/// A call. Times are as its trace has them, in nanoseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallRow {
    /// Whose it is.
    pub run: Id,
    /// What the episode was about.
    pub task: Option<Arc<str>>,
    /// The step of the training.
    pub training_step: Option<u64>,
    /// The model.
    pub model: Option<Arc<str>>,
    /// The turn of the episode.
    pub step: Option<u64>,
    /// Its place in the run.
    pub order: u64,
    /// Its id.
    pub tool_call_id: Option<Arc<str>>,
    /// Its tool.
    pub tool: Id,
    /// The beginning of its command.
    pub command: Arc<str>,
    /// The kind of command.
    pub kind: Id,
    /// Whom it names, itself or by a file that it uses.
    pub names: Names,
    /// The call of this run that wrote the file by which it names them.
    pub by_file_of: Option<u64>,
    /// It may leave something behind.
    pub leaves_behind: bool,
    /// The clock of its times.
    pub clock: Id,
    /// The first moment at which it may have begun.
    pub start: i64,
    /// The last moment at which it may have been open.
    pub end: i64,
    /// Whether the trace tells when it began, or only when it ended.
    pub start_known: bool,
    /// Whether the trace tells when it ended.
    pub end_known: bool,
    /// Where it was.
    pub places: Vec<Id>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Where it was read.
    #[serde(skip, default = "nowhere")]
    pub origin: Origin,
    /// Files that it wrote and used, until the incident is complete.
    files: Files,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Files {
    writes: Vec<String>,
    uses: Vec<String>,
}

/// Where a call was read is saved for all of a file together.
fn nowhere() -> Origin {
    Origin::new(Path::new("").into(), 0)
}

pub(super) fn take(incident: &mut Incident, places: &Places, format: Format, span: Span) {
    if span.kind != SpanKind::Call {
        incident.left_out.parts += 1;
        return;
    }
    let stamp = |moment: Option<trace::Moment>| moment.map(|moment| moment.stamp);
    let (start, end) = (stamp(span.start), stamp(span.end));
    let Some(any) = start.or(end) else {
        incident.left_out.spans_without_time += 1;
        return;
    };
    let at_places = places.of_span(&span, &incident.places);
    if at_places.is_empty() {
        incident.left_out.spans_without_place += 1;
    }
    // One clock for each harness and host, and for times with and without a zone.
    let zone = match any.zone {
        intake::Zone::Stated => "",
        intake::Zone::Told => ", zone told",
        intake::Zone::Inferred => ", zone inferred",
        intake::Zone::Unknown => ", zone unknown",
    };
    let host = span.host.as_deref().map_or(String::new(), |host| format!(" on {host}"));
    let clock = incident.trace_clocks.id(&format!("{format}{host}{zone}"));
    // A line is written when what it tells is over.
    let is_late = span.start.is_some_and(|moment| moment.means == Means::LineWritten) && end.is_none();
    let start_known = start.is_some() && !is_late;
    let start_at = start.map_or_else(|| any.nanos.saturating_sub(BEFORE), |start| start.nanos);
    let command = span.command.unwrap_or_default();
    let hints = Hints::of(&command);
    incident.calls.push(CallRow {
        run: incident.runs.id(&span.run),
        task: span.task.map(Into::into),
        training_step: span.training_step,
        model: span.model.map(Into::into),
        step: span.step,
        order: span.order,
        tool_call_id: span.tool_call_id.map(Into::into),
        tool: incident.tools.id(span.tool.as_deref().unwrap_or("")),
        command: command.get(..command.floor_char_boundary(COMMAND)).unwrap_or_default().into(),
        kind: incident.kinds.id(&hints.kind),
        names: hints.names,
        by_file_of: None,
        leaves_behind: hints.leaves_behind,
        clock,
        start: if is_late { start_at.saturating_sub(BEFORE) } else { start_at },
        end: end.map_or(i64::MAX, |end| end.latest()),
        start_known,
        end_known: end.is_some(),
        places: at_places,
        exit_code: span.exit_code,
        origin: span.origin.clone(),
        files: Files { writes: hints.writes, uses: hints.uses },
    });
}

/// What needs a run's other calls: ends that nobody told, and files that one call wrote and another uses.
pub(super) fn complete(incident: &mut Incident) {
    let mut order: Vec<usize> = (0..incident.calls.len()).collect();
    order.sort_by_key(|at| {
        let call = &incident.calls[*at];
        (call.run, call.start, call.order)
    });
    for run in order
        .chunk_by(|a, b| incident.calls[*a].run == incident.calls[*b].run)
        .map(<[usize]>::to_vec)
        .collect::<Vec<_>>()
    {
        end(incident, &run);
        follow_files(incident, &run);
    }
}

/// A call whose end nobody tells is over when the next one begins, or after [`UNKNOWN`].
fn end(incident: &mut Incident, run: &[usize]) {
    for (place, at) in run.iter().enumerate() {
        let next = run.get(place + 1).map(|next| incident.calls[*next].start);
        let call = &mut incident.calls[*at];
        if !call.end_known {
            let latest = if call.start_known {
                call.start.saturating_add(UNKNOWN)
            } else {
                call.start.saturating_add(2 * BEFORE)
            };
            call.end = next.filter(|next| *next > call.start).map_or(latest, |next| next.min(latest));
        }
        call.end = call.end.max(call.start);
    }
}

/// A call that uses a file names whom the call that wrote it named.
fn follow_files(incident: &mut Incident, run: &[usize]) {
    /// Files of one run that are remembered.
    const FILES: usize = 1000;
    let mut written: std::collections::HashMap<String, (u64, Names)> = std::collections::HashMap::new();
    for at in run {
        let call = &mut incident.calls[*at];
        let files = std::mem::take(&mut call.files);
        for (order, names) in
            files.uses.iter().filter(|used| !files.writes.contains(used)).filter_map(|used| written.get(used))
        {
            call.names.merge(names);
            call.by_file_of.get_or_insert(*order);
        }
        if call.names.is_empty() {
            continue;
        }
        for file in files.writes {
            if written.len() < FILES {
                written.insert(file, (call.order, call.names.clone()));
            }
        }
    }
}
