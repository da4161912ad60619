//! The join against another engine: the same text, over the same files, gives the same pairs.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod duck;
mod incident;

use engine::{ClockRow, FlowRow, Side, SlackRow, SpanRow, Store};
use incident::{Incident, Pairs, SECOND, chance, flow, small, span};

fn incident() -> Incident {
    let spans: Vec<SpanRow> = (0..400_i64)
        .map(|n| {
            let from = chance(n, 20_000);
            let to = from + if n % 50 == 0 { 200_000 } else { chance(n + 1000, 90) };
            span(n as u64, &[chance(n + 2000, 5) as u32, 7], from, to)
        })
        .collect();
    let flows: Vec<FlowRow> = (0..4000_i64)
        .map(|n| {
            let from = chance(n + 5000, if n % 97 == 0 { 300_000 } else { 20_000 });
            let until = from + if n % 20 == 0 { 600 } else { 1 };
            let means = if n % 3 == 0 { "logged" } else { "began" };
            let place = (n % 11 != 0).then(|| chance(n + 9000, 8) as u32);
            FlowRow { means: means.into(), clock: (n % 2) as u32, ..flow(n as u64, place, from, until) }
        })
        .collect();
    let clock = ClockRow { clock: 1, offset_ns: -3 * SECOND, drift_ppb: 900, ..ClockRow::default() };
    let incident =
        Incident::with(&spans, &flows, &[clock], &[SlackRow::new(Side::Flow, "logged", 5 * SECOND, 0)]);
    assert!(incident.store.candidates_sql().contains("span_wide"));
    incident
}

#[test]
fn duckdb_finds_the_same_pairs() {
    let Some(python) = duck::python_with("duckdb", "duckdb_finds_the_same_pairs") else { return };
    let incident = incident();
    let query = incident.store.candidates_sql();
    let answers = duck::answers(&python, incident.store.folder(), &query, &["FROM candidates"]);
    let mut pairs = Pairs::new();
    for row in &answers[0] {
        let pair = (row[0].parse().unwrap(), row[1].parse().unwrap());
        assert!(pairs.insert(pair), "{pair:?} twice");
    }
    assert!(pairs.len() > 1000);
    assert!(pairs == incident.joined() && pairs == incident.swept());
}

#[test]
fn the_text_of_the_join_does_without_what_engines_differ_in() {
    let folder = tempfile::tempdir().unwrap();
    let text = Store::open(folder.path(), small()).unwrap().candidates_sql().to_uppercase();
    for word in ["OVER", "FILTER", "DISTINCT", "UNNEST", "LATERAL", "ASOF", "/", "%"] {
        assert!(!text.contains(word), "{word}");
    }
}
