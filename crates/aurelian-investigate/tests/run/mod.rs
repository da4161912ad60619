//! The program as a user runs it, for tests with files of their own.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs it well, and gives what it says to the terminal.
pub(crate) fn well(folder: &Path, words: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_aurelian-investigate");
    let output = Command::new(program).current_dir(folder).args(words).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{words:?}: {err}");
    err
}

/// What it left.
pub(crate) fn report(folder: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("found/report.json")).unwrap()).unwrap()
}

pub(crate) fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Writes a table, or anything else that has a line for each row.
pub(crate) fn write(folder: &Path, name: &str, header: &str, rows: impl IntoIterator<Item = String>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut text = format!("{header}\n");
    rows.into_iter().for_each(|row| writeln!(text, "{row}").unwrap());
    std::fs::write(path, text).unwrap();
}

/// Seconds after 2026-03-01T12:00:00 as a time of that day.
pub(crate) fn time(seconds: f64) -> String {
    let whole = 43_200 + seconds.floor() as i64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    let millis = (seconds.fract() * 1000.0).round() as i64;
    format!("2026-03-01T{hours:02}:{minutes:02}:{rest:02}.{millis:03}")
}
