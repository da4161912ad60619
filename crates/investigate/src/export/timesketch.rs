//! `timeline.timesketch.jsonl`: calls and flows in one timeline, for Timesketch and whoever reads its lines.
//!
//! Each line has the three fields that Timesketch asks for, `message`, `datetime` (ISO 8601 with its offset)
//! and `timestamp_desc`, and besides `timestamp` in microseconds, `data_type`, and what the line is about in
//! fields of its own, to be searched. No text is longer than what its index takes: a keyword of more than 32,766
//! bytes is not found.

use std::io::{self, Write};

use event::Timestamp;
use flows::Transport;
use intake::Origin;
use serde::Serialize;
use trace::Means;

use super::{Attribution, JsonLines};
use crate::attribution as clocks;
use crate::incident::{CallRow, Incident};
use crate::report::figures::percent;

/// How many bytes a text has at most.
const TEXT: usize = 32_000;
/// How much of a command stands in a message.
const EXCERPT: usize = 400;

/// A call, as it is told.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Its run.
    pub run: &'a str,
    /// Its id.
    pub tool_call_id: Option<&'a str>,
    /// What the run was about.
    pub task: Option<&'a str>,
    /// The tool.
    pub tool: Option<&'a str>,
    /// What was run.
    pub command: Option<&'a str>,
    /// When it began, in the common time, and what that is the time of, if that was kept.
    pub start: Option<(Timestamp, Option<Means>)>,
    /// When it ended.
    pub end: Option<(Timestamp, Option<Means>)>,
    /// That it caused a malicious flow, if it is a culprit.
    pub culprit: Option<f64>,
    /// Where it was read.
    pub origin: Option<Origin>,
}

impl<'a> Call<'a> {
    /// A call of an incident; `culprit` as in [`Call::culprit`].
    pub fn of(
        incident: &'a Incident,
        call: &'a CallRow,
        timeline: &clocks::Timeline,
        culprit: Option<f64>,
    ) -> Self {
        let clock = timeline.trace(call.clock);
        let moment = |known: bool, nanos: i64| {
            let time = Timestamp::from_nanos(clock.filter(|_| known)?.to_common(nanos));
            Some((time, None))
        };
        let text = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        Self {
            run: incident.run(call),
            tool_call_id: call.tool_call_id.as_deref(),
            task: call.task.as_deref(),
            tool: text(incident.tools.text(call.tool)),
            command: text(&call.command),
            start: moment(call.start_known, call.start),
            end: moment(call.end_known, call.end),
            culprit,
            origin: Some(call.origin.clone()),
        }
    }
}

/// Writes a timeline. Timesketch sorts it; the order of the lines is the caller's.
#[derive(Debug)]
pub struct Timeline<W>(JsonLines<W>);

/// What all lines have.
#[derive(Serialize)]
struct Moment {
    message: String,
    datetime: String,
    timestamp: i64,
    timestamp_desc: &'static str,
    data_type: &'static str,
}

#[derive(Serialize)]
struct CallLine<'a> {
    #[serde(flatten)]
    moment: Moment,
    run: &'a str,
    tool_call_id: Option<&'a str>,
    task: Option<&'a str>,
    tool: Option<&'a str>,
    command: Option<&'a str>,
    culprit_probability: Option<f64>,
    origin: Option<String>,
}

#[derive(Serialize)]
struct FlowLine<'a> {
    #[serde(flatten)]
    moment: Moment,
    source_ip: Option<String>,
    source_port: Option<u16>,
    destination_ip: Option<String>,
    destination_port: Option<u16>,
    destination_name: Option<&'a str>,
    protocol: Option<String>,
    class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<&'a str>,
    run: Option<&'a str>,
    tool_call_id: Option<&'a str>,
    probability: Option<f64>,
    none_probability: Option<f64>,
    evidence: String,
}

impl<W: Write> Timeline<W> {
    /// Writes to this output.
    pub fn new(output: W) -> Self {
        Self(JsonLines::new(output))
    }

    /// Writes the beginning and the end of a call, as far as they are known.
    ///
    /// # Errors
    /// The output's.
    pub fn call(&mut self, call: &Call<'_>) -> io::Result<()> {
        let ends = [(call.start, "Ran", "Call Began"), (call.end, "Ended", "Call Ended")];
        for (moment, verb, description) in ends {
            let Some((time, means)) = moment else { continue };
            let description = means.map_or(description, described);
            self.0.write(&CallLine {
                moment: Moment::at(time, said(call, verb), description, "aurelian:call"),
                run: short(call.run),
                tool_call_id: call.tool_call_id.map(short),
                task: call.task.map(short),
                tool: call.tool.map(short),
                command: call.command.map(short),
                culprit_probability: call.culprit,
                origin: call.origin.as_ref().map(ToString::to_string),
            })?;
        }
        Ok(())
    }

    /// Writes a flow with its cause, at its moment in the common time where that is known.
    ///
    /// # Errors
    /// The output's.
    pub fn flow(&mut self, found: &Attribution<'_>) -> io::Result<()> {
        let flow = &found.flow;
        let description = match (flow.corrected, flow.gpu) {
            (Some(_), None) => "Flow, in the common time",
            (None, None) => "Flow, on its sensor's clock",
            (Some(_), Some(_)) => "GPU last seen idle, in the common time",
            (None, Some(_)) => "GPU last seen idle, on its own clock",
        };
        let time = flow.corrected.unwrap_or(flow.time);
        let evidence = found.evidence.join("; ");
        self.0.write(&FlowLine {
            moment: Moment::at(time, caused(found), description, "aurelian:flow"),
            source_ip: flow.source.map(|address| address.to_string()),
            source_port: flow.source_port,
            destination_ip: flow.destination.map(|address| address.to_string()),
            destination_port: flow.destination_port,
            destination_name: flow.destination_name.map(short),
            protocol: flow.protocol.map(protocol),
            class: flow.class.map(short),
            gpu: flow.gpu.map(short),
            run: found.run.map(short),
            tool_call_id: found.tool_call_id.map(short),
            probability: found.probability,
            none_probability: found.none_probability,
            evidence: short(&evidence).to_owned(),
        })
    }

    /// Flushes the output and gives it back.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl Moment {
    fn at(time: Timestamp, message: String, timestamp_desc: &'static str, data_type: &'static str) -> Self {
        let text = time.to_string();
        let datetime = format!("{}+00:00", text.get(..26).unwrap_or_default()); // to the microsecond, as `timestamp`
        Self { message, datetime, timestamp: time.as_nanos().div_euclid(1000), timestamp_desc, data_type }
    }
}

/// A call in a sentence.
fn said(call: &Call<'_>, verb: &str) -> String {
    let what = call.command.or(call.tool).unwrap_or("a call");
    let culprit = call.culprit.map(|share| format!(" [culprit, {}]", plain(Some(share)))).unwrap_or_default();
    format!("{verb}{culprit}: {} (run {})", beginning(what, EXCERPT), short(call.run))
}

/// A flow in a sentence.
fn caused(found: &Attribution<'_>) -> String {
    let class = found.flow.class.unwrap_or("unclassified");
    let to = found.flow.to();
    let from = found.flow.source.map(|source| format!(" from {source}")).unwrap_or_default();
    let cause = match (found.run, found.tool_call_id) {
        (Some(run), Some(call)) => format!(
            "call {} of run {} caused it ({})",
            beginning(call, EXCERPT),
            beginning(run, EXCERPT),
            plain(found.probability)
        ),
        (Some(run), None) => {
            format!("a call of run {} caused it ({})", beginning(run, EXCERPT), plain(found.probability))
        }
        (None, _) if found.untold.is_some() => "what caused it can't be told".to_owned(),
        (None, _) => format!("no call caused it ({})", plain(found.none_probability)),
    };
    match found.flow.gpu {
        Some(gpu) => format!("{} of {}: {cause}", beginning(class, EXCERPT), beginning(gpu, EXCERPT)),
        None => format!("{}{from} to {}: {cause}", beginning(class, EXCERPT), beginning(&to, EXCERPT)),
    }
}

fn described(means: Means) -> &'static str {
    match means {
        Means::CommandStarted => "Command Started",
        Means::CommandEnded => "Command Ended",
        Means::ModelFinished => "Model Finished, before the command",
        Means::ResultSeen => "Result Seen, after the command",
        Means::LineWritten => "Trace Line Written, after the command",
        Means::EpisodeStarted => "Episode Started",
        Means::EpisodeEnded => "Episode Ended",
    }
}

/// A protocol as a text, also where it is a number: an index takes one type a field.
fn protocol(transport: Transport) -> String {
    match transport {
        Transport::Tcp => "tcp".to_owned(),
        Transport::Udp => "udp".to_owned(),
        Transport::Icmp => "icmp".to_owned(),
        Transport::Sctp => "sctp".to_owned(),
        Transport::Other(number) => number.to_string(),
    }
}

/// A probability that can be searched for.
fn plain(probability: Option<f64>) -> String {
    probability
        .map_or_else(|| "not told".to_owned(), |probability| percent(probability).replace('\u{a0}', " "))
}

/// No longer than the index takes.
fn short(text: &str) -> &str {
    beginning(text, TEXT)
}

fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
