//! Another engine's word: DuckDB, by its package for Python, over the same files.

#![allow(dead_code, unreachable_pub, reason = "each test uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Answers queries over the tables of a store. Each row is a list of texts, as [`crate::incident::rows`] makes them.
const SCRIPT: &str = r#"
import datetime, glob, json, sys, duckdb

def text(value):
    if value is None: return ""
    if isinstance(value, bool): return str(value).lower()
    if isinstance(value, float): return f"{value:.6f}"
    if isinstance(value, datetime.datetime): return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)

asked = json.load(sys.stdin)
engine = duckdb.connect()
engine.execute("SET enable_progress_bar = false")
engine.execute("SET integer_division = true")
engine.execute("CREATE MACRO arrow_cast(value, type) AS make_timestamp_ns(value)")
folder = asked["folder"]
for files in glob.glob(f"{folder}/*") + glob.glob(f"{folder}/aligned/*"):
    if glob.glob(f"{files}/*.parquet"):
        engine.execute(f"CREATE VIEW {files.rsplit('/', 1)[1]} AS SELECT * FROM '{files}/*.parquet'")
for name, view in asked["views"]:
    engine.execute(f"CREATE VIEW {name} AS {view}")
answers = [engine.execute(query).fetchall() for query in asked["queries"]]
json.dump([[[text(value) for value in row] for row in rows] for rows in answers], sys.stdout)
"#;

/// A Python that has `package`; or else it is told that the test `name` is skipped.
pub fn python_with(package: &str, name: &str) -> Option<String> {
    let python = std::env::var("AURELIAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let can = Command::new(&python).args(["-c", &format!("import {package}")]).output();
    if can.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skip(name, &format!("needs the python package {package}"));
    None
}

/// What DuckDB answers over the tables in `folder`, where it has the views of the store too.
pub fn answers(python: &str, folder: &Path, candidates: &str, queries: &[&str]) -> Vec<Vec<Vec<String>>> {
    let asked = json!({ "folder": folder, "views": views(candidates), "queries": queries });
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The views by the store's own text, but for the first and the last moment, which it writes there.
fn views(candidates: &str) -> Vec<Value> {
    let bounded = |text: &str| {
        let (first, last) = (i64::MIN / 2, i64::MAX / 2);
        text.replace("{first}", &first.to_string()).replace("{last}", &last.to_string())
    };
    vec![
        json!(["flow_intervals", bounded(include_str!("../../src/sql/flow_intervals.sql"))]),
        json!(["span_intervals", bounded(include_str!("../../src/sql/span_intervals.sql"))]),
        json!(["flows_at", include_str!("../../src/sql/flows_at.sql")]),
        json!(["spans_at", include_str!("../../src/sql/spans_at.sql")]),
        json!(["candidates", candidates]),
    ]
}

/// Reports a skipped test past the capture of output, and to the file that counts them.
fn skip(name: &str, reason: &str) {
    let line = format!("skipped: {name}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("AURELIAN_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap();
    }
}
