//! Incidents with known answers: traces and flows as an investigator finds them, and the truth beside them.
//!
//! An investigation can't be trusted because it looks right; of a real incident nobody knows all answers. So one is made:
//! [`run`] lets workers live episodes of tool calls, one after the other, and lets calls and machines cause traffic. Most of
//! it is benign: packages that calls fetch, and heartbeats, logs and lookups that no call caused. A few episodes mine, open
//! tunnels, scan or send data out, and only some of them say so in their commands. Then it writes down what the two sides
//! would have: the harness its calls, by a clock that is off and drifts, in part in a local time without a zone; the network
//! its flows, of which some are lost, behind an address that several workers share if that is wanted.
//!
//! The same [`Options`] give the same files, byte for byte, on the same machine. What is made is written as it happens, so
//! that millions of flows need little memory.
//!
//! In the folder that is given: `traces/`, `flows/` and `hosts.csv` for the investigator, `truth.jsonl` and `truth.json` for
//! [`crate::truth`].
//!
//! Left out: packets. Flows are what a sensor would say of them, and no two sensors disagree.

mod background;
mod commands;
mod disguise;
mod episode;
mod eve;
mod files;
mod firewall;
mod malice;
mod names;
mod output;
mod packages;
mod random;
mod time;
mod traces;
mod traffic;
mod training;
mod witness;
mod world;
mod zeek;

use std::path::{Path, PathBuf};

use thiserror::Error;

use commands::Corpus;
use files::Files;
use random::Random;
use witness::Count;
use world::World;

/// What is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// From this, all chance is drawn.
    pub seed: u64,
    /// Machines, each with an address.
    pub workers: u32,
    /// Sandboxes that a worker has at once; they share its address.
    pub sandboxes: u32,
    /// Workers that share one outside address; up to 1 is none.
    pub nat: u32,
    /// Runs, over all workers.
    pub episodes: u32,
    /// Tool calls, over all runs; at least one each.
    pub calls: u64,
    /// About how many flows there are to be: machines follow their habits more or less often for it. `None`: as it comes.
    pub flows: Option<u64>,
    /// The share of episodes that do what nobody asked for.
    pub malice: f64,
    /// The share of calls that fetch packages and the like.
    pub fetching: f64,
    /// The share of calls that do honestly what looks like malice: they send results out, and fetch code by SSH from a host that is not
    /// known for it.
    pub lookalikes: f64,
    /// Trajectories whose commands and timings are repeated: a file, a folder or a pattern, in any format that [`trace`] reads.
    pub commands: Option<PathBuf>,
    /// Whether the host map says from when to when a run had its address, by the flows' clock. That it knows both sides gives
    /// the traces' clock away to who looks for it; without times, all runs of a worker are candidates.
    pub host_times: bool,
    /// How far the traces' clock is ahead of the flows', in seconds. `None`: anything up to three hours, either way.
    pub offset_seconds: Option<f64>,
    /// How much faster it runs, in millionths. `None`: anything up to 50, either way.
    pub drift_ppm: Option<f64>,
    /// The share of episodes whose trace has local times without a zone.
    pub local: f64,
    /// The zone of those, in minutes east of UTC. `None`: any that is in use.
    pub zone_minutes: Option<i32>,
    /// The zone of the firewall's log, in minutes east of UTC.
    pub log_zone_minutes: i32,
    /// A line is logged up to this many seconds after what it tells.
    pub jitter_seconds: f64,
    /// Whether flow records have whole seconds only. The firewall's log always has.
    pub whole_seconds: bool,
    /// The share of flows that no log has.
    pub lost: f64,
    /// Who logs. The firewall tells of refused and suspicious connections only, unless it is alone.
    pub logs: Vec<Log>,
}

/// Who logs flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Log {
    /// Suricata, as EVE JSON: `flows/eve.json`.
    Eve,
    /// Zeek, as tab-separated `flows/conn.log`.
    Zeek,
    /// A firewall by syslog: `flows/firewall.log`.
    Firewall,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Runs.
    pub episodes: u64,
    /// Tool calls.
    pub calls: u64,
    /// Flows that a log has.
    pub flows: u64,
    /// Flows that none has.
    pub lost: u64,
    /// Flows that a log has and that are malicious.
    pub malicious: u64,
}

/// Why nothing was made, or not all.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// what was asked for can't be
    #[error("can't simulate: {0}")]
    Impossible(&'static str),
    /// the given trajectories can't be read
    #[error("commands to repeat: {0}")]
    Commands(trace::ReadError),
    /// the given trajectories can't be found
    #[error("commands to repeat: {0}")]
    Paths(#[from] intake::PathsError),
    /// nothing in them to repeat
    #[error("commands to repeat: {}: no call with a command and both its times; give trajectories that have them", path.display())]
    NoCommands {
        /// What was named.
        path: PathBuf,
    },
    /// a file can't be written
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl Default for Options {
    /// A small one: eight workers, sixty episodes, a few thousand flows.
    fn default() -> Self {
        Self {
            seed: 1,
            workers: 8,
            sandboxes: 1,
            nat: 1,
            episodes: 60,
            calls: 1200,
            flows: None,
            malice: 0.15,
            fetching: 0.08,
            lookalikes: 0.0,
            commands: None,
            host_times: true,
            offset_seconds: None,
            drift_ppm: None,
            local: 0.3,
            zone_minutes: None,
            log_zone_minutes: 0,
            jitter_seconds: 2.0,
            whole_seconds: false,
            lost: 0.05,
            logs: vec![Log::Eve, Log::Firewall],
        }
    }
}

/// Makes an incident in `folder`, which is created if it isn't there; files of an earlier one are overwritten.
///
/// # Errors
/// If the options contradict themselves, the commands to repeat can't be read, or a file can't be written.
pub fn run(folder: &Path, options: &Options) -> Result<Made, SimulateError> {
    options.check()?;
    let corpus = Corpus::open(options.commands.as_deref())?;
    let haste = match options.flows {
        Some(wanted) => haste(options, &corpus, wanted)?,
        None => 1.0,
    };
    let mut files = Files::create(folder, options)?;
    let training = World::new(options, &corpus, haste, Random::stream(options.seed, 0)).run(&mut files)?;
    files.finish(&training)
}

/// How much more often machines must follow their habits for as many flows as are wanted: found by trying a small part.
fn haste(options: &Options, corpus: &Corpus, wanted: u64) -> Result<f64, SimulateError> {
    const ENOUGH: u32 = 400;
    let part = f64::from(options.episodes.min(ENOUGH)) / f64::from(options.episodes);
    let scaled = |whole: f64| (whole * part).ceil().max(1.0);
    let small = Options {
        workers: scaled(f64::from(options.workers)) as u32,
        episodes: scaled(f64::from(options.episodes)) as u32,
        calls: scaled(options.calls as f64) as u64,
        ..options.clone()
    };
    let mut count = Count::default();
    World::new(&small, corpus, 1.0, Random::stream(options.seed, 1)).run(&mut count)?;
    let wanted = wanted as f64 * part / (1.0 - options.lost).max(0.01);
    let lasted = (count.now - time::EPOCH) as f64 / 1e9;
    let usual = background::rate() * f64::from(small.workers) * lasted.max(1.0);
    Ok(((wanted - count.caused as f64) / usual).max(0.01))
}

impl Options {
    fn check(&self) -> Result<(), SimulateError> {
        const YEAR: f64 = 366.0 * 86_400.0;
        let share = |share: f64| (0.0..=1.0).contains(&share);
        let at_most = |value: Option<f64>, most: f64| value.is_none_or(|value| value.abs() <= most);
        let lanes = u64::from(self.workers) * u64::from(self.sandboxes);
        let zones = [self.zone_minutes.unwrap_or(0), self.log_zone_minutes];
        let problem = if lanes == 0 || self.episodes == 0 {
            "there must be a worker, a sandbox and an episode at least"
        } else if self.calls < u64::from(self.episodes) {
            "there must be a call for each episode at least"
        } else if lanes > 60_000 {
            "there are more than 60,000 sandboxes at once"
        } else if self.calls / lanes > 1_000_000 {
            "there are more than a million calls one after the other in a sandbox"
        } else if ![self.malice, self.fetching, self.lookalikes, self.local, self.lost].into_iter().all(share)
        {
            "a share is not between 0 and 1"
        } else if !(0.0..=3600.0).contains(&self.jitter_seconds) {
            "the jitter is not between 0 s and an hour"
        } else if !at_most(self.offset_seconds, YEAR) || !at_most(self.drift_ppm, 10_000.0) {
            "a clock is off by more than a year, or drifts by more than a hundredth"
        } else if zones.iter().any(|zone| zone.abs() > 24 * 60) {
            "a zone is more than a day from UTC"
        } else if self.logs.is_empty() {
            "nobody logs flows"
        } else {
            return Ok(());
        };
        Err(SimulateError::Impossible(problem))
    }
}
