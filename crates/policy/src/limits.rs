//! What a run may use up.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use crate::problem::{Problem, ProblemKind, Problems};
use crate::section;
use crate::units::{Bytes, Cpus, UnitError, duration_text, parse_duration};
use crate::yaml::Node;

pub(crate) const KEYS: [&str; 7] = ["memory", "pids", "cpus", "time", "scratch", "open_files", "output"];

/// Least and most of each limit. Under the least, not even the sandbox's own init starts; above the most, the
/// kernel has no such number, or nobody has such a machine.
pub(crate) const MEMORY: RangeInclusive<Bytes> = Bytes::mebi(16)..=Bytes::mebi(64 << 20);
pub(crate) const PIDS: RangeInclusive<u32> = 8..=4_194_304;
pub(crate) const CPUS: RangeInclusive<Cpus> = Cpus::from_milli(10)..=Cpus::from_milli(8_192_000);
pub(crate) const TIME: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(365 * 86_400);
pub(crate) const SCRATCH: RangeInclusive<Bytes> = Bytes::mebi(1)..=Bytes::mebi(64 << 20);
pub(crate) const OPEN_FILES: RangeInclusive<u64> = 64..=1_048_576;
pub(crate) const OUTPUT: RangeInclusive<Bytes> = Bytes::new(4096)..=Bytes::mebi(1 << 20);

/// What a run may use up; all calls together, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    memory: Bytes,
    pids: u32,
    cpus: Cpus,
    time: Option<Duration>,
    scratch: Bytes,
    open_files: u64,
    output: Bytes,
}

impl Limits {
    /// Memory of all processes together, with the page cache they dirty.
    pub fn memory(&self) -> Bytes {
        self.memory
    }

    /// Processes and threads alive at once.
    pub fn pids(&self) -> u32 {
        self.pids
    }

    /// Share of the machine's processors.
    pub fn cpus(&self) -> Cpus {
        self.cpus
    }

    /// Wall-clock time of the run, in whole milliseconds; `None` is no limit.
    pub fn time(&self) -> Option<Duration> {
        self.time
    }

    /// Size of the scratch layer that takes all writes outside the workspace.
    pub fn scratch(&self) -> Bytes {
        self.scratch
    }

    /// File descriptors open at once in one process.
    pub fn open_files(&self) -> u64 {
        self.open_files
    }

    /// Bytes of standard output and standard error kept of one call.
    pub fn output(&self) -> Bytes {
        self.output
    }

    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Self {
        let mut limits = Self::default();
        for (key, value) in section::entries(node, "limits", problems) {
            match key.text.as_str() {
                "memory" => set(&mut limits.memory, size(value, "memory", MEMORY, problems)),
                "pids" => set(&mut limits.pids, count(value, "pids", PIDS, problems)),
                "cpus" => set(&mut limits.cpus, cpus(value, problems)),
                "time" => set(&mut limits.time, time(value, problems)),
                "scratch" => set(&mut limits.scratch, size(value, "scratch", SCRATCH, problems)),
                "open_files" => set(&mut limits.open_files, count(value, "open_files", OPEN_FILES, problems)),
                "output" => set(&mut limits.output, size(value, "output", OUTPUT, problems)),
                _ => problems.add(section::unknown_key(key, "`limits`", &KEYS)),
            }
        }
        limits
    }

    /// Replaces the time limit; `span` is where the new one was written.
    pub(crate) fn set_time(&mut self, time: Duration, span: &Range<usize>, problems: &mut Problems) {
        // Rounded up, so that a digest and `to_yaml` tell the limit that is enforced.
        let whole =
            Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        match within_time(whole, span) {
            Ok(time) => self.time = Some(time),
            Err(problem) => problems.add(problem),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Bytes::mebi(4096),
            pids: 512,
            cpus: Cpus::from_milli(2000),
            time: Some(Duration::from_secs(30 * 60)),
            scratch: Bytes::mebi(2048),
            open_files: 4096,
            output: Bytes::mebi(64),
        }
    }
}

pub(crate) fn set<T>(limit: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *limit = value;
    }
}

pub(crate) fn size(
    node: &Node,
    name: &str,
    range: RangeInclusive<Bytes>,
    problems: &mut Problems,
) -> Option<Bytes> {
    let scalar = section::text(node, name, problems)?;
    let bare = scalar.text.bytes().all(|byte| byte.is_ascii_digit());
    let value = scalar.text.parse().map_err(|error| wrong_unit(node, &error));
    let value = value.and_then(|value| {
        within(value, name, &range, &node.span, Bytes::to_string).map_err(|problem| match bare {
            true => problem.with_help("a number without a unit counts bytes"),
            false => problem,
        })
    });
    value.map_err(|problem| problems.add(problem)).ok()
}

fn cpus(node: &Node, problems: &mut Problems) -> Option<Cpus> {
    let scalar = section::text(node, "cpus", problems)?;
    let value = scalar.text.parse().map_err(|error| wrong_unit(node, &error));
    let value = value.and_then(|value| within(value, "cpus", &CPUS, &node.span, Cpus::to_string));
    value.map_err(|problem| problems.add(problem)).ok()
}

pub(crate) fn count<T>(
    node: &Node,
    name: &str,
    range: RangeInclusive<T>,
    problems: &mut Problems,
) -> Option<T>
where
    T: std::str::FromStr + PartialOrd + Display,
{
    let value = section::whole(node, name, problems)?;
    within(value, name, &range, &node.span, T::to_string).map_err(|problem| problems.add(problem)).ok()
}

fn time(node: &Node, problems: &mut Problems) -> Option<Option<Duration>> {
    let scalar = section::text(node, "time", problems)?;
    if scalar.text == "none" {
        return Some(None);
    }
    let value = parse_duration(&scalar.text).map_err(|error| wrong_unit(node, &error));
    let value = value.and_then(|value| {
        within_time(value, &node.span).map_err(|problem| problem.with_help("write `none` for no limit"))
    });
    value.map(Some).map_err(|problem| problems.add(problem)).ok()
}

/// A length of time that can't be without limit.
pub(crate) fn time_within(
    node: &Node,
    name: &str,
    range: &RangeInclusive<Duration>,
    problems: &mut Problems,
) -> Option<Duration> {
    let scalar = section::text(node, name, problems)?;
    let value = parse_duration(&scalar.text).map_err(|error| wrong_unit(node, &error));
    let value = value.and_then(|value| within(value, name, range, &node.span, |time| duration_text(*time)));
    value.map_err(|problem| problems.add(problem)).ok()
}

fn within_time(value: Duration, span: &Range<usize>) -> Result<Duration, Problem> {
    within(value, "time", &TIME, span, |time| duration_text(*time))
}

fn within<T: PartialOrd>(
    value: T,
    name: &str,
    range: &RangeInclusive<T>,
    span: &Range<usize>,
    write: impl Fn(&T) -> String,
) -> Result<T, Problem> {
    let text = write(&value);
    let message = if value < *range.start() {
        format!("`{name}` of {text} is under the minimum of {}", write(range.start()))
    } else if value > *range.end() {
        format!("`{name}` of {text} is over the maximum of {}", write(range.end()))
    } else {
        return Ok(value);
    };
    let expected = format!("expected {} to {}", write(range.start()), write(range.end()));
    Err(Problem::new(ProblemKind::OutOfRange, span, message).label(expected))
}

fn wrong_unit(node: &Node, error: &UnitError) -> Problem {
    Problem::new(ProblemKind::WrongValue, &node.span, error.what()).with_help(error.help())
}
