//! What a run may use up of the network.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::limits::{count, set, size, time_within};
use crate::problem::{Problem, ProblemKind, Problems};
use crate::section;
use crate::units::Bytes;
use crate::yaml::Node;

pub(crate) const KEYS: [&str; 6] =
    ["connections", "new_per_second", "bytes_out", "flow_bytes_out", "idle", "unknown_wait"];

pub(crate) const CONNECTIONS: RangeInclusive<u32> = 1..=65_536;
pub(crate) const NEW_PER_SECOND: RangeInclusive<u32> = 1..=100_000;
pub(crate) const BYTES_OUT: RangeInclusive<Bytes> = Bytes::new(1)..=Bytes::mebi(64 << 20);
pub(crate) const IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
/// Under 10 ms no client has spoken yet; longer than a minute, and a silent client is what holds a dialler.
pub(crate) const UNKNOWN_WAIT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

/// What a run may use up of the network; all its flows together, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLimits {
    connections: u32,
    new_per_second: u32,
    bytes_out: Bytes,
    flow_bytes_out: Bytes,
    idle: Duration,
    unknown_wait: Duration,
}

impl NetworkLimits {
    /// Connections open at once.
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// New connections in a second.
    pub fn new_per_second(&self) -> u32 {
        self.new_per_second
    }

    /// Bytes sent out.
    pub fn bytes_out(&self) -> Bytes {
        self.bytes_out
    }

    /// Bytes sent out in one flow.
    pub fn flow_bytes_out(&self) -> Bytes {
        self.flow_bytes_out
    }

    /// How long a flow may be silent.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// How long both sides of a flow may be silent before it is taken as unknown.
    pub fn unknown_wait(&self) -> Duration {
        self.unknown_wait
    }

    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Self {
        let mut limits = Self::default();
        let entries = section::entries(node, "network.limits", problems);
        for (key, value) in entries {
            match key.text.as_str() {
                "connections" => set(&mut limits.connections, count(value, &key.text, CONNECTIONS, problems)),
                "new_per_second" => {
                    set(&mut limits.new_per_second, count(value, &key.text, NEW_PER_SECOND, problems));
                }
                "bytes_out" => set(&mut limits.bytes_out, size(value, &key.text, BYTES_OUT, problems)),
                "flow_bytes_out" => {
                    set(&mut limits.flow_bytes_out, size(value, &key.text, BYTES_OUT, problems));
                }
                "idle" => set(&mut limits.idle, time_within(value, &key.text, &IDLE, problems)),
                "unknown_wait" => {
                    set(&mut limits.unknown_wait, time_within(value, &key.text, &UNKNOWN_WAIT, problems));
                }
                _ => problems.add(section::unknown_key(key, "`network.limits`", &KEYS)),
            }
        }
        limits.refuse_larger_flow(node, problems);
        limits
    }

    /// A flow that may send more than the run may is a slip of the pen, where both were written.
    fn refuse_larger_flow(&mut self, node: &Node, problems: &mut Problems) {
        let written = |name: &str| {
            let entries = section::entries(node, "network.limits", &mut Problems::default());
            entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value.span.clone())
        };
        let (Some(flow), Some(run)) = (written("flow_bytes_out"), written("bytes_out")) else {
            self.flow_bytes_out = self.flow_bytes_out.min(self.bytes_out);
            return;
        };
        if self.flow_bytes_out > self.bytes_out {
            let message = format!(
                "`flow_bytes_out` of {} is over `bytes_out` of {}",
                self.flow_bytes_out, self.bytes_out
            );
            let problem = Problem::new(ProblemKind::Contradiction, &flow, message);
            let problem = problem.label("one flow").also(&run, "all flows together");
            problems.add(
                problem.with_help("a flow can send no more than the run may: lower it, or raise the other"),
            );
        }
    }
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            new_per_second: 50,
            bytes_out: Bytes::mebi(1024),
            flow_bytes_out: Bytes::mebi(100),
            idle: Duration::from_secs(600),
            unknown_wait: Duration::from_secs(2),
        }
    }
}
