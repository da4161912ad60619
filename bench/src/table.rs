//! What was measured, as a Markdown table and as JSON.

use crate::samples::Samples;
use serde::Serialize;
use std::fmt::{self, Display};

/// A unit, and how figures in it are written. Times are kept in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "µs")]
    Microseconds,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "/s")]
    PerSecond,
    #[serde(rename = "MB/s")]
    MegabytesPerSecond,
    #[serde(rename = "kB")]
    Kilobytes,
    #[serde(rename = "")]
    Count,
}

impl Unit {
    fn write(self, figure: f64) -> String {
        match self {
            Self::Milliseconds => format!("{:.2} ms", figure / 1e3),
            Self::Microseconds => format!("{figure:.1} µs"),
            Self::Seconds => format!("{:.2} s", figure / 1e6),
            Self::PerSecond => format!("{figure:.0} /s"),
            Self::MegabytesPerSecond => format!("{figure:.0} MB/s"),
            Self::Kilobytes => format!("{figure:.0} kB"),
            Self::Count => format!("{figure:.0}"),
        }
    }
}

/// What a figure is to reach.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Target {
    says: String,
    reached: bool,
}

impl Target {
    pub(crate) fn new(says: impl Into<String>, reached: bool) -> Self {
        Self { says: says.into(), reached }
    }
}

/// One row. Figures in microseconds where the unit is one of time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    who: String,
    unit: Unit,
    p50: f64,
    p99: Option<f64>,
    samples: usize,
    /// How many times the figure of `against` this is.
    ratio: Option<f64>,
    against: Option<String>,
    target: Option<Target>,
}

impl Row {
    pub(crate) fn new(
        what: impl Into<String>,
        who: impl Into<String>,
        unit: Unit,
        samples: &Samples,
    ) -> Self {
        // A 99th percentile of a few is only their maximum.
        let p99 = (samples.count() >= 50).then(|| samples.p99());
        let (what, who, p50) = (what.into(), who.into(), samples.median());
        let samples = samples.count();
        Self { what, who, unit, p50, p99, samples, ratio: None, against: None, target: None }
    }

    /// A row of one figure.
    pub(crate) fn single(what: impl Into<String>, who: impl Into<String>, unit: Unit, figure: f64) -> Self {
        let mut samples = Samples::default();
        samples.push_number(figure);
        Self::new(what, who, unit, &samples)
    }

    /// With a 99th percentile that was found elsewhere, among `samples`.
    pub(crate) fn with_p99(mut self, p99: f64, samples: usize) -> Self {
        (self.p99, self.samples) = (Some(p99), samples);
        self
    }

    pub(crate) fn against(mut self, whom: impl Into<String>, figure: f64) -> Self {
        (self.ratio, self.against) = (Some(self.p50 / figure), Some(whom.into()));
        self
    }

    pub(crate) fn target(mut self, says: impl Into<String>, reached: bool) -> Self {
        self.target = Some(Target::new(says, reached));
        self
    }
}

impl Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p99 = self.p99.map(|p99| self.unit.write(p99)).unwrap_or_default();
        let ratio = match (self.ratio, &self.against) {
            (Some(ratio), Some(against)) => format!("{ratio:.2} × {against}"),
            _ => String::new(),
        };
        let (says, reached) = match &self.target {
            Some(target) => {
                (target.says.as_str(), if target.reached { "reached" } else { "**not reached**" })
            }
            None => ("", ""),
        };
        let Self { what, who, samples, .. } = self;
        let p50 = self.unit.write(self.p50);
        write!(formatter, "| {what} | {who} | {p50} | {p99} | {samples} | {ratio} | {says} | {reached} |")
    }
}

/// All rows, and what could not be measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Table {
    rows: Vec<Row>,
    missing: Vec<String>,
}

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{row}");
        self.rows.push(row);
    }

    /// Names what could not be measured, and why.
    pub(crate) fn missing(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.missing.contains(&what) {
            eprintln!("not measured: {what}");
            self.missing.push(what);
        }
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| what | who | p50 | p99 | n | ratio | target | |")?;
        writeln!(formatter, "|---|---|---:|---:|---:|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(formatter, "{row}"))?;
        if !self.missing.is_empty() {
            writeln!(formatter, "\nNot measured:")?;
        }
        self.missing.iter().try_for_each(|what| writeln!(formatter, "- {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_reached() {
        let row = Row::single("start", "aurelian", Unit::Milliseconds, 2500.0)
            .against("bubblewrap", 5000.0)
            .target("≤ 3 ms", true);
        assert_eq!(
            row.to_string(),
            "| start | aurelian | 2.50 ms |  | 1 | 0.50 × bubblewrap | ≤ 3 ms | reached |"
        );
    }

    #[test]
    fn what_is_missing_is_named_once() {
        let mut table = Table::default();
        table.missing("runc: not installed");
        table.missing("runc: not installed");
        assert!(table.to_string().ends_with("Not measured:\n- runc: not installed\n"));
    }
}
