//! What it was measured on.

use serde::Serialize;
use std::fmt::{self, Display};
use std::fs;

/// The machine, and how busy it was.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    date: String,
    kernel: String,
    processor: String,
    processors: usize,
    memory_kib: u64,
    privileged: bool,
    load_before: String,
    load_after: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            processor: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_kib: kibibytes("/proc/meminfo", "MemTotal").unwrap_or(0),
            privileged: rustix::process::geteuid().is_root(),
            load_before: load(),
            load_after: String::new(),
        }
    }

    pub(crate) fn look_again(&mut self) {
        self.load_after = load();
    }
}

impl Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, kernel, processor, processors, load_before, load_after, .. } = self;
        let gibibytes = self.memory_kib >> 20;
        let who = if self.privileged { "as root" } else { "as an ordinary user" };
        write!(
            formatter,
            "{date}, Linux {kernel}, {processors} × {processor}, {gibibytes} GiB, {who}; load average before and \
             after {load_before} and {load_after}"
        )
    }
}

fn load() -> String {
    let all = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    all.split(' ').next().unwrap_or_default().to_owned()
}

/// The value behind `name:` in a file of such lines.
fn field<'a>(lines: &'a str, name: &str) -> Option<&'a str> {
    let line = lines.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// A value in KiB from a file of `Name: N kB` lines, as `/proc/meminfo` and `smaps_rollup` are.
pub(crate) fn kibibytes(file: &str, name: &str) -> Option<u64> {
    let lines = fs::read_to_string(file).ok()?;
    field(&lines, name)?.trim_end_matches("kB").trim().parse().ok()
}
