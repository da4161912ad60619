//! Small incidents: spans and flows made by hand or by chance, in a store.

#![allow(dead_code, unreachable_pub, reason = "each test uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;

use engine::arrow::array::{ArrayRef, AsArray, RecordBatch};
use engine::arrow::compute::cast;
use engine::arrow::datatypes::{DataType, Float64Type, UInt64Type};
use engine::{Answer, ClockRow, EngineError, FlowRow, Options, SlackRow, SpanRow, Store};

pub const SECOND: i64 = 1_000_000_000;
/// 2026-01-01T00:00:00Z.
pub const NEW_YEAR: i64 = 1_767_225_600 * SECOND;

pub type Pairs = BTreeSet<(u64, u64)>;

/// What a test may use.
pub fn small() -> Options {
    Options { memory_bytes: 64 << 20, threads: 2, temporary: None }
}

/// A span of seconds after new year.
pub fn span(number: u64, places: &[u32], from: i64, to: i64) -> SpanRow {
    let at = |second: i64| Some(NEW_YEAR + second * SECOND);
    SpanRow {
        span: number,
        run: format!("run-{}", number % 7),
        kind: "call".into(),
        places: places.into(),
        start_ns: at(from),
        start_until_ns: at(from),
        end_ns: at(to),
        end_until_ns: at(to),
        ..SpanRow::default()
    }
}

/// A flow of seconds after new year.
pub fn flow(number: u64, place: Option<u32>, from: i64, until: i64) -> FlowRow {
    let at = |second: i64| NEW_YEAR + second * SECOND;
    let (time_ns, time_until_ns) = (at(from), at(until));
    FlowRow { flow: number, place, kind: "flow".into(), time_ns, time_until_ns, ..FlowRow::default() }
}

/// Numbers that look like chance.
pub fn chance(seed: i64, bound: i64) -> i64 {
    (seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f) >> 20).rem_euclid(bound)
}

/// A store of these, aligned.
pub struct Incident {
    pub store: Store,
    _folder: tempfile::TempDir,
}

impl Incident {
    pub fn of(spans: &[SpanRow], flows: &[FlowRow]) -> Self {
        Self::with(spans, flows, &[], &[])
    }

    pub fn with(spans: &[SpanRow], flows: &[FlowRow], clocks: &[ClockRow], slack: &[SlackRow]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store"), small()).unwrap();
        write(&store, "a", spans);
        write(&store, "a", flows);
        store.align(clocks, slack).unwrap();
        Self { store, _folder: folder }
    }

    /// The pairs as the join in SQL gives them.
    pub fn joined(&self) -> Pairs {
        pairs_of(self.store.pairs().unwrap())
    }

    /// The pairs as the sweep over shards gives them.
    pub fn swept(&self) -> Pairs {
        let mut pairs = Pairs::new();
        for shard in self.store.shards().unwrap() {
            let shard = shard.unwrap();
            let mut candidates = shard.candidates();
            while let Some((flow, spans)) = candidates.next() {
                for &span in spans {
                    let pair = (shard.flows()[flow].flow, shard.spans()[span as usize].span);
                    assert!(pairs.insert(pair), "{pair:?} twice");
                }
            }
        }
        pairs
    }

    /// The answer to a query, as a table.
    pub fn table(&self, query: &str) -> String {
        self.store.sql(query, 100).and_then(|answer| answer.table()).unwrap_or_else(|error| error.to_string())
    }
}

/// Writes a part.
pub fn write<R: engine::Kept>(store: &Store, name: &str, rows: &[R]) {
    let mut part = store.part::<R>(name).unwrap().unwrap();
    rows.iter().for_each(|row| part.push(row).unwrap());
    assert_eq!(part.finish().unwrap(), rows.len() as u64);
}

/// Columns `flow` and `span` as pairs. None is there twice.
pub fn pairs_of(batches: impl Iterator<Item = Result<RecordBatch, EngineError>>) -> Pairs {
    let mut pairs = Pairs::new();
    for batch in batches {
        let batch = batch.unwrap();
        let column =
            |name| batch.column_by_name(name).unwrap().as_primitive::<UInt64Type>().values().to_vec();
        for pair in column("flow").into_iter().zip(column("span")) {
            assert!(pairs.insert(pair), "{pair:?} twice");
        }
    }
    pairs
}

/// Rows as texts, in an order of their own: what engines can be compared by. Fractions are to six digits.
pub fn rows(answer: &Answer) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in &answer.batches {
        let columns: Vec<_> = batch.columns().iter().map(texts).collect();
        rows.extend(
            (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()),
        );
    }
    rows.sort();
    rows
}

fn texts(column: &ArrayRef) -> Vec<String> {
    if let Some(column) = column.as_primitive_opt::<Float64Type>() {
        return column
            .iter()
            .map(|value| value.map_or(String::new(), |value| format!("{value:.6}")))
            .collect();
    }
    let column = cast(column, &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect()
}
