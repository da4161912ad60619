//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use intake::ColumnMap;

/// Firewall logs and trajectories in, the culprits out
#[derive(Debug, Parser)]
#[command(
    name = "aurelian",
    bin_name = "aurelian",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell which tool calls of which episodes caused which traffic, from traces and logs of any system
    #[command(after_long_help = EXIT_CODES)]
    Investigate(Box<InvestigateOptions>),
    /// Show and convert traces of agents
    #[command(subcommand)]
    Trace(TraceAction),
}

const EXIT_CODES: &str = "\
Exit code: 0 when the work was done, whatever was found; 125 when something is wrong with the options or the files. Lines that \
can't be read are counted and shown in the report.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct InvestigateOptions {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    /// Traces: files, folders or patterns, in any format that is known
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// Flows, alarms and samples of GPUs: files, folders or patterns, in any format that is known
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub(crate) flows: Vec<PathBuf>,
    /// Which address was whose and when: a table with the columns address, run, and from and to where known; pods; leases
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) hosts: Vec<PathBuf>,
    /// Flows of a time, or of machines, where nothing was wrong: what is ordinary is told by them
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) baseline: Vec<PathBuf>,
    /// The zone of times that state none: traces=Asia/Shanghai, flows=UTC, hosts=…
    #[arg(long, value_name = "SIDE=ZONE", value_parser = zone)]
    pub(crate) zone: Vec<(Side, jiff::tz::TimeZone)>,
    /// The year of times that have none, as syslog's
    #[arg(long, value_name = "YEAR")]
    pub(crate) year: Option<i16>,
    /// What the flows' clocks are ahead of the traces': found in the data, or told, as 3.5s, -2m, 8h
    #[arg(long, value_name = "auto|DURATION", default_value = "auto", value_parser = skew, allow_hyphen_values = true)]
    pub(crate) skew: investigate::attribution::Skew,
    /// The format of the traces, if their content does not tell
    #[arg(long, value_name = "FORMAT")]
    pub(crate) trace_format: Option<trace::Format>,
    /// The format of the flows, if their content does not tell
    #[arg(long, value_name = "FORMAT")]
    pub(crate) flow_format: Option<flows::Format>,
    /// Which column of a trace's table is what: start=t_begin,command=cmd
    #[arg(long, value_name = "OURS=THEIRS,…", default_value = "")]
    pub(crate) trace_columns: ColumnMap,
    /// Which column of a log's table is what: time=ts,source=src
    #[arg(long, value_name = "OURS=THEIRS,…", default_value = "")]
    pub(crate) flow_columns: ColumnMap,
    /// Answer a question over the tables spans, flows, candidates and attribution (docs/investigate-tables.md)
    #[arg(long, value_name = "QUESTION")]
    pub(crate) sql: Vec<String>,
    /// Let a Ballista cluster answer, by the address of its scheduler
    #[arg(long, value_name = "df://HOST:PORT", requires = "sql")]
    pub(crate) cluster: Option<String>,
    /// Copy the tables there for the cluster (s3://BUCKET/PREFIX, by AWS_… in the environment); without it, its machines must see --out at the same path
    #[arg(long, value_name = "URL", requires = "cluster")]
    pub(crate) cluster_tables: Option<String>,
    /// About how much memory flows, tables and SQL may take; flows beyond a quarter of it lie in files in --out meanwhile
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = size)]
    pub(crate) memory: usize,
    /// What is written: html, json, jsonl, timesketch, ocsf, parquet
    #[arg(
        long,
        value_name = "FORMAT,…",
        value_delimiter = ',',
        default_value = "html,json,jsonl,timesketch,ocsf"
    )]
    pub(crate) format: Vec<OutputFormat>,
    /// The folder for the results, where no agent can write; it is made
    /// If this is stopped, the same command with the same folder goes on after the files that were read before
    #[arg(long, value_name = "DIR", default_value = "investigation")]
    pub(crate) out: PathBuf,
    /// Save what was read after a file, if so long has gone since the last time
    #[arg(long, value_name = "SECONDS", default_value = "300", hide = true)]
    pub(crate) save_every: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make an incident whose answers are known
    Simulate(SimulateOptions),
    /// Measure an investigation of such an incident against the truth
    Evaluate(EvaluateOptions),
}

#[derive(Debug, Args)]
pub(crate) struct SimulateOptions {
    /// The folder for it; it is made
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// All chance is drawn from this
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Machines, each with an address
    #[arg(long, value_name = "NUMBER")]
    pub(crate) workers: Option<u32>,
    /// Sandboxes that a machine has at once
    #[arg(long, value_name = "NUMBER")]
    pub(crate) sandboxes: Option<u32>,
    /// Machines that share an outside address
    #[arg(long, value_name = "NUMBER")]
    pub(crate) nat: Option<u32>,
    /// Episodes in all
    #[arg(long, value_name = "NUMBER")]
    pub(crate) episodes: Option<u32>,
    /// Tool calls in all
    #[arg(long, value_name = "NUMBER")]
    pub(crate) calls: Option<u64>,
    /// About how many flows
    #[arg(long, value_name = "NUMBER")]
    pub(crate) flows: Option<u64>,
    /// The share of episodes that do what nobody asked for
    #[arg(long, value_name = "SHARE")]
    pub(crate) malice: Option<f64>,
    /// The share of calls that do honestly what looks like malice
    #[arg(long, value_name = "SHARE")]
    pub(crate) lookalikes: Option<f64>,
    /// Trajectories whose commands and timings are repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) commands: Option<PathBuf>,
    /// How far the traces' clock is ahead, in seconds
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub(crate) offset: Option<f64>,
    /// How much faster it runs, in millionths
    #[arg(long, value_name = "PPM", allow_hyphen_values = true)]
    pub(crate) drift: Option<f64>,
    /// The share of episodes whose trace has local times without a zone
    #[arg(long, value_name = "SHARE")]
    pub(crate) local: Option<f64>,
    /// The share of flows that no log has
    #[arg(long, value_name = "SHARE")]
    pub(crate) lost: Option<f64>,
    /// Flow records have whole seconds only
    #[arg(long)]
    pub(crate) whole_seconds: bool,
    /// Who logs the flows
    #[arg(long, value_name = "LOG", num_args = 1..)]
    pub(crate) log: Vec<Log>,
}

/// Who logs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Log {
    /// Suricata's EVE JSON
    Eve,
    /// Zeek's conn.log
    Zeek,
    /// A firewall by syslog
    Firewall,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateOptions {
    /// The folder of the simulated incident
    #[arg(value_name = "INCIDENT")]
    pub(crate) incident: PathBuf,
    /// The investigation's attribution.jsonl
    #[arg(value_name = "ATTRIBUTION")]
    pub(crate) attribution: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TraceAction {
    /// Tell what a trace holds: its calls in their order
    Show(ShowOptions),
    /// Bring traces of any format to one
    Convert(ConvertOptions),
}

#[derive(Debug, Args)]
pub(crate) struct TraceOptions {
    /// Traces: files, folders or patterns, in any format that is known
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Their format, if their content does not tell
    #[arg(long, visible_alias = "trace-format", value_name = "FORMAT")]
    pub(crate) format: Option<trace::Format>,
    /// Which column of a table is what: start=t_begin,command=cmd
    #[arg(long, visible_alias = "trace-columns", value_name = "OURS=THEIRS,…", default_value = "")]
    pub(crate) columns: ColumnMap,
    /// The zone of times that state none
    #[arg(long, value_name = "ZONE", value_parser = named_zone)]
    pub(crate) zone: Option<jiff::tz::TimeZone>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    #[command(flatten)]
    pub(crate) traces: TraceOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertOptions {
    #[command(flatten)]
    pub(crate) traces: TraceOptions,
    /// What to bring them to
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub(crate) to: To,
    /// The file to write, which is there once it is complete; without it lines go to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// What traces are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// Lines of spans
    Jsonl,
    /// OpenTelemetry spans as JSON, with the conventions for generative AI
    Otlp,
    /// A Parquet file with the columns of the table `spans` (docs/investigate-tables.md); needs --out
    Parquet,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// report.html, for people
    Html,
    /// report.json, the same for programs
    Json,
    /// attribution.jsonl, a line for each flow
    Jsonl,
    /// timeline.timesketch.jsonl
    Timesketch,
    /// findings.ocsf.jsonl
    Ocsf,
    /// tables/, Parquet files
    Parquet,
}

/// A side of an investigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Traces,
    Flows,
    Hosts,
}

fn named_zone(text: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(text)
        .map_err(|_| format!("no time zone {text:?}; write one as Asia/Shanghai or UTC"))
}

fn zone(text: &str) -> Result<(Side, jiff::tz::TimeZone), String> {
    let (side, zone) = text.split_once('=').ok_or("write SIDE=ZONE, for instance traces=Asia/Shanghai")?;
    let side = match side {
        "traces" => Side::Traces,
        "flows" => Side::Flows,
        "hosts" => Side::Hosts,
        _ => return Err(format!("no side {side:?}; there are traces, flows and hosts")),
    };
    Ok((side, named_zone(zone)?))
}

fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(|char: char| char.is_ascii_alphabetic()).len());
    let shift = match unit {
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(format!("{text:?} is no size; write one as 512MiB or 4GiB")),
    };
    let number: usize =
        number.parse().map_err(|_| format!("{number:?} is no number; write a size as 512MiB or 4GiB"))?;
    number
        .checked_shl(shift)
        .filter(|size| size >> shift == number)
        .ok_or_else(|| format!("{text} is too much"))
}

fn skew(text: &str) -> Result<investigate::attribution::Skew, String> {
    use investigate::attribution::Skew;
    if text == "auto" {
        return Ok(Skew::Auto);
    }
    let (number, unit) = text.split_at(text.trim_end_matches(|char: char| char.is_ascii_alphabetic()).len());
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("no unit {unit:?}; there are ms, s, m and h")),
    };
    let value: f64 =
        number.parse().map_err(|_| format!("{number:?} is no number; write auto, or for instance 3.5s"))?;
    let nanos = value * seconds * 1e9;
    // Far below 2^63: 10⁶ hours are 3.6·10¹⁸.
    if nanos.is_finite() && nanos.abs() < 3.6e18 {
        Ok(Skew::Told(nanos as i64))
    } else {
        Err(format!("{text} is too much"))
    }
}
