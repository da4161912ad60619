//! `attribution.jsonl`: which call caused a flow. Other programs rely on its names; what is not known is null and
//! never left out.

use std::net::IpAddr;

use event::Timestamp;
use flows::Transport;
use serde::Serialize;

use crate::attribution::{Answer, Timeline, Untold};
use crate::incident::{CallRow, FlowRow, Incident};

/// One flow and its most probable cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attribution<'a> {
    /// The flow.
    pub flow: FlowLine<'a>,
    /// The run of the call that most probably caused it; null if most probably none did.
    pub run: Option<&'a str>,
    /// That call, by the caller's own id; null if none did, or if its trace gives it no id.
    pub tool_call_id: Option<&'a str>,
    /// That the best candidate caused it, from 0 to 1, also where none is the likelier answer; null if there is no
    /// candidate.
    pub probability: Option<f64>,
    /// That no call did; null if that can't be told.
    pub none_probability: Option<f64>,
    /// Who may have, the likeliest first: at most as many as an answer keeps.
    pub candidates: Vec<Candidate<'a>>,
    /// What speaks for the first of them: a sentence each.
    pub evidence: Vec<String>,
    /// Why there is no answer, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold: Option<Untold>,
}

/// What identifies a flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowLine<'a> {
    /// When it began or was logged, **by the clock of what recorded it**: as it stands in the log, put as UTC.
    pub time: Timestamp,
    /// The same moment in the common time of all clocks; null if it can't be told, or wasn't asked for.
    pub corrected: Option<Timestamp>,
    /// Who began it.
    pub source: Option<IpAddr>,
    /// Its port.
    pub source_port: Option<u16>,
    /// Who was called.
    pub destination: Option<IpAddr>,
    /// Its port.
    pub destination_port: Option<u16>,
    /// The name that was called, if it was recorded.
    pub destination_name: Option<&'a str>,
    /// `tcp`, `udp`, `icmp`, `sctp`, or the number of another.
    pub protocol: Option<Transport>,
    /// What it was taken for.
    pub class: Option<&'a str>,
    /// It is no flow but a GPU that came into use: which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<&'a str>,
}

/// A call that may have caused a flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate<'a> {
    /// Its run.
    pub run: &'a str,
    /// Its id.
    pub tool_call_id: Option<&'a str>,
    /// How likely, from 0 to 1.
    pub probability: f64,
}

impl<'a> Attribution<'a> {
    /// The answer for a flow of an incident.
    pub fn of(incident: &'a Incident, flow: &'a FlowRow, answer: &Answer) -> Self {
        let call = |at: usize| incident.calls.get(at);
        let best = answer.best().and_then(|(at, _)| call(at));
        let candidate =
            |(at, probability): &(usize, f64)| Some(Candidate::of(incident, call(*at)?, *probability));
        Self {
            flow: FlowLine::of(incident, flow),
            run: best.map(|call| incident.run(call)),
            tool_call_id: best.and_then(|call| call.tool_call_id.as_deref()),
            probability: answer.candidates.first().map(|(_, probability)| rounded(*probability)),
            none_probability: answer.untold.is_none().then(|| rounded(answer.none)),
            candidates: answer.candidates.iter().filter_map(candidate).collect(),
            evidence: answer.evidence.iter().map(ToString::to_string).collect(),
            untold: answer.untold,
        }
    }

    /// The same, with the flow's moment in the common time.
    #[must_use]
    pub fn corrected(mut self, flow: &FlowRow, timeline: &Timeline) -> Self {
        let clock = timeline.flows(flow.clock);
        self.flow.corrected = clock.map(|clock| Timestamp::from_nanos(clock.to_common(flow.time)));
        self
    }
}

impl<'a> Candidate<'a> {
    fn of(incident: &'a Incident, call: &'a CallRow, probability: f64) -> Self {
        let tool_call_id = call.tool_call_id.as_deref();
        Self { run: incident.run(call), tool_call_id, probability: rounded(probability) }
    }
}

impl<'a> FlowLine<'a> {
    fn of(incident: &'a Incident, flow: &'a FlowRow) -> Self {
        let end = incident.ends.get(flow.destination as usize);
        Self {
            time: Timestamp::from_nanos(flow.time),
            corrected: None,
            source: flow.source.0,
            source_port: flow.source.1,
            destination: flow.called.0,
            destination_port: flow.called.1,
            destination_name: end.and_then(|end| end.name.as_deref()),
            protocol: flow.transport,
            class: flow.class.as_deref(),
            gpu: end.is_some_and(|end| end.is_gpu).then(|| incident.destinations.text(flow.destination)),
        }
    }

    /// Where it went, as people write it: by its name if there is one.
    pub fn to(&self) -> String {
        let host = match (self.destination_name, self.destination) {
            (Some(name), _) => name.to_owned(),
            (None, Some(IpAddr::V6(address))) if self.destination_port.is_some() => format!("[{address}]"),
            (None, Some(address)) => address.to_string(),
            (None, None) => "nobody knows where".to_owned(),
        };
        self.destination_port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }
}

/// Six digits: what comes after them is noise, and takes a tenth of the file.
fn rounded(probability: f64) -> f64 {
    (probability * 1e6).round() / 1e6
}
