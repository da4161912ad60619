//! What an investigation found, as it is shown: plain data, filled by the pipeline, drawn by
//! [`html`](super::html()) and written as `report.json`.
//!
//! Numbers of flows that a cause was *estimated* for are expected counts, the sums of probabilities, and
//! therefore fractions. All moments are in UTC, on the one clock to which all others were brought. What is
//! not known is `None` or empty, and then nothing is shown of it.

use event::Timestamp;
use event::fact::Severity;
use intake::{Origin, Problems, Sample};
use serde::{Deserialize, Serialize};

mod baseline;
mod behaviour;
mod clock;
mod episode;

pub use baseline::{BaselineSummary, ClassRate, HeldBack};
pub use behaviour::{Association, Calibration, Factor, HeatMap, Hours, Onset, ReliabilityBin, StepRate};
pub use clock::ClockDiagnosis;
pub use episode::{Activity, ClassActivity, EpisodeTimeline, TimelineCall, TimelineFlow};

/// One investigation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Its name, for its first line.
    pub title: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// What was read.
    pub inputs: Vec<InputSummary>,
    /// One for each clock of a trace and clock of a sensor.
    pub clocks: Vec<ClockDiagnosis>,
    /// The whole in numbers.
    pub totals: Totals,
    /// The kinds of traffic, the worst first.
    pub classes: Vec<ClassSummary>,
    /// The calls that caused malicious traffic, the surest and worst first. It may be the first few of
    /// [`Totals::culprits`].
    pub culprits: Vec<Culprit>,
    /// The episodes of those, and what else is worth a look. It may be the first few of
    /// [`Totals::culprit_runs`].
    pub episodes: Vec<EpisodeTimeline>,
    /// The malicious flows over the whole time.
    pub activity: Option<Activity>,
    /// Destinations by tools.
    pub heat: HeatMap,
    /// What goes together with what, the clearest first.
    pub behaviour: Vec<Association>,
    /// Pairs of a class and a value that could have shown nothing, whatever was seen, and so were not tested.
    pub behaviour_untestable: u64,
    /// What a baseline says, if there was one.
    pub baseline: Option<BaselineSummary>,
    /// When in the training it began.
    pub onset: Vec<Onset>,
    /// The time of day.
    pub hours: Vec<Hours>,
    /// How good the probabilities are, where the truth is known.
    pub calibration: Option<Calibration>,
    /// What could not be told, and why: a sentence each.
    pub untold: Vec<String>,
}

/// The whole in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Episodes that were read.
    pub runs: u64,
    /// Calls that were read.
    pub calls: u64,
    /// Flows and alarms that were read.
    pub flows: u64,
    /// How many of them are of a malicious class.
    pub malicious_flows: u64,
    /// How many of the malicious ones calls caused; expected.
    pub caused: f64,
    /// How many of the malicious ones were joined by id, not by time.
    pub by_id: u64,
    /// Calls that most probably caused a malicious flow.
    pub culprits: u64,
    /// Episodes with such a call.
    pub culprit_runs: u64,
    /// The first moment of the records.
    pub from: Option<Timestamp>,
    /// The last one.
    pub until: Option<Timestamp>,
}

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSummary {
    /// What it was read as.
    pub role: Role,
    /// Its name.
    pub file: String,
    /// Its format, if it was told.
    pub format: Option<String>,
    /// How many records it gave.
    pub records: u64,
    /// What could not be read.
    pub problems: Vec<ProblemSummary>,
}

/// What a file was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Traces of agents.
    Traces,
    /// Records of a network.
    Flows,
    /// Whose address was whose.
    Hosts,
    /// Traces or records of honest times.
    Baseline,
}

/// One kind of what could not be read in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProblemSummary {
    /// What is wrong.
    pub what: String,
    /// How often.
    pub count: u64,
    /// The first few.
    pub samples: Vec<Sample>,
}

/// One kind of traffic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassSummary {
    /// Its name, such as `mining.stratum`.
    pub class: String,
    /// The same in a few words.
    pub title: String,
    /// Whether it is what is being looked for.
    pub malicious: bool,
    /// How bad it is.
    pub severity: Severity,
    /// MITRE ATT&CK techniques, such as `T1496`.
    pub attack: Vec<String>,
    /// Flows of it.
    pub flows: u64,
    /// How many of them calls caused; expected.
    pub caused: f64,
    /// In how many episodes it was caused.
    pub runs: u64,
    /// To how many destinations.
    pub destinations: u64,
    /// The first one.
    pub first: Option<Timestamp>,
    /// The last one.
    pub last: Option<Timestamp>,
}

/// A call that caused malicious traffic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Culprit {
    /// Its episode.
    pub run: String,
    /// What the episode was about.
    pub task: Option<String>,
    /// The step of the training.
    pub training_step: Option<u64>,
    /// The model or checkpoint.
    pub model: Option<String>,
    /// The model's or harness's id of the call.
    pub tool_call_id: Option<String>,
    /// The tool.
    pub tool: Option<String>,
    /// What was run.
    pub command: Option<String>,
    /// When it began.
    pub start: Option<Timestamp>,
    /// Flows that it caused, of any class; expected.
    pub flows: f64,
    /// Malicious ones of them; expected.
    pub malicious_flows: f64,
    /// How probable it is that it caused malicious flows, from 0 to 1: as probable as the surest of them.
    pub probability: f64,
    /// Whether that was seen by id, not estimated from times.
    pub by_id: bool,
    /// The malicious classes, the most frequent first.
    pub classes: Vec<Share>,
    /// Where the malicious flows went, the most frequent first.
    pub destinations: Vec<Share>,
    /// Destinations that there are besides.
    pub destinations_left_out: u64,
    /// Why it is taken for the cause: a sentence each.
    pub evidence: Vec<String>,
    /// Where its span was read.
    pub origin: Option<Origin>,
}

/// A part of the flows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Of what: a class, a destination.
    pub of: String,
    /// How many; expected.
    pub flows: f64,
}

impl ProblemSummary {
    /// All of a file's, the most frequent first.
    pub fn all(problems: &Problems) -> Vec<Self> {
        let mut all: Vec<_> = problems
            .each()
            .map(|kind| Self {
                what: kind.what.to_owned(),
                count: kind.count,
                samples: kind.samples.to_vec(),
            })
            .collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.what.cmp(&b.what)));
        all
    }
}
