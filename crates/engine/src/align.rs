//! Times of two sides, brought together: what the join and the model work on.
//!
//! Clocks are estimated from what was read, so that this comes after reading, and anew for each estimate. It writes the tables of
//! [`crate::rows`] that are sorted by place and time; sorting goes through files where memory does not suffice. They lie in a folder
//! of their own until all are complete, and then take the place of those before them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::prelude::SessionContext;

use crate::bucket::{self, Levels};
use crate::catalog::{self, FIRST, LAST};
use crate::error::EngineError;
use crate::key::Key;
use crate::part::{Part, write_all};
use crate::rows::{BucketRow, ClockRow, FlowTimeRow, Side, SlackRow, SpanTimeRow, WideRow};
use crate::store::{Store, clear, make};
use crate::table::{Row, row};

/// Where the tables are.
pub(crate) const FOLDER: &str = "aligned";
const BESIDE: &str = "aligned.part";
/// 31 years: more than any clock, uncertainty or slack that means something.
const FARTHEST: u64 = 1_000_000_000_000_000_000;
/// 500 ppm: no clock that keeps time is that bad.
const STEEPEST: u64 = 500_000;

/// What came of bringing times together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aligned {
    /// Flows that have a time.
    pub flows: u64,
    /// Of those, flows without a place.
    pub nobodys: u64,
    /// Spans that have a time and places, once for each place.
    pub spans: u64,
    /// Of those, spans so long that they are joined by their place alone.
    pub wide: u64,
}

row! {
    /// What the query for flows gives, in its order.
    pub(crate) FlowInterval in "" {
        flow: u64,
        place: Option<u32>,
        at_ns: i64,
        earliest_ns: i64,
        latest_ns: i64,
        kind: u64,
        destination: Option<u64>,
        class: Option<u64>,
        exact: Option<u64>,
    }
}

row! {
    /// What the query for spans gives, in its order.
    pub(crate) SpanInterval in "" {
        span: u64,
        place: u32,
        start_ns: i64,
        end_ns: Option<i64>,
        earliest_ns: i64,
        latest_ns: i64,
        run: u64,
        signature: Option<u64>,
        leaves_behind: bool,
        mentions: Vec<String>,
    }
}

/// Flows with their times, without the span that is known to have caused each.
const FLOWS: &str = "
    SELECT
        f.flow, f.place, f.at_ns, f.earliest_ns, f.latest_ns,
        key(f.kind) AS kind, key(f.destination_key) AS destination, key(f.class) AS class, {exact} AS exact
    FROM flow_intervals f {join}
    WHERE f.at_ns IS NOT NULL
    ORDER BY f.place NULLS LAST, f.earliest_ns, f.flow";
/// Of a call and its parts, which carry the same id, it is the call.
const EXACT: &str = "
    LEFT JOIN (
        SELECT run, tool_call_id, coalesce(min(CASE WHEN kind = 'call' THEN span END), min(span)) AS span
        FROM spans WHERE tool_call_id IS NOT NULL GROUP BY run, tool_call_id
    ) x ON x.run = f.exact_run AND x.tool_call_id = f.exact_tool_call_id";
const ANY_EXACT: &str = "SELECT 1 FROM flows WHERE exact_tool_call_id IS NOT NULL LIMIT 1";
const SPANS: &str = "
    SELECT
        span, place, began_ns, ended_ns, earliest_ns, latest_ns,
        key(run) AS run, key(signature) AS signature, leaves_behind, mentions
    FROM (
        SELECT
            span, began_ns, ended_ns, earliest_ns, latest_ns, run, signature, leaves_behind, mentions,
            unnest(places) AS place
        FROM span_intervals WHERE began_ns IS NOT NULL
    )
    ORDER BY place, earliest_ns, span";

impl Store {
    /// Brings the times of both sides together. `clocks` are those that wrote the flows, where they are known to be wrong; `slack`
    /// says how far what happened may lie from a time, for each meaning that needs it. It takes the place of what was there.
    ///
    /// # Errors
    /// If a row can't be used, or a file can't be read or written.
    pub fn align(&self, clocks: &[ClockRow], slack: &[SlackRow]) -> Result<Aligned, EngineError> {
        check_clocks(clocks)?;
        check_slack(slack)?;
        let beside = self.folder.join(BESIDE);
        clear(&beside)?;
        make_tables(&beside)?;
        write_all(&file::<ClockRow>(&beside), clocks)?;
        write_all(&file::<SlackRow>(&beside), slack)?;
        let context =
            self.session.context_with_views(&self.folder, &beside).map_err(self.failed("aligning times"))?;
        let (mut aligned, mut levels) = (Aligned::default(), Levels::default());
        self.align_flows(&context, &beside, &mut aligned, &mut levels)?;
        self.align_spans(&context, &beside, &mut aligned, &levels)?;
        let target = self.folder.join(FOLDER);
        clear(&target)?;
        fs::rename(&beside, &target).map_err(EngineError::file("write", &target))?;
        Ok(aligned)
    }

    fn align_flows(
        &self,
        context: &SessionContext,
        folder: &Path,
        aligned: &mut Aligned,
        levels: &mut Levels,
    ) -> Result<(), EngineError> {
        let what = "aligning flows";
        let exact =
            self.run(context, ANY_EXACT, what)?.any(|batch| batch.is_ok_and(|batch| batch.num_rows() > 0));
        let (exact, join) = if exact { ("x.span", EXACT) } else { ("arrow_cast(NULL, 'UInt64')", "") };
        let query = FLOWS.replace("{exact}", exact).replace("{join}", join);
        let mut times = Part::create(file::<FlowTimeRow>(folder))?;
        self.each_row(context, &query, what, |flow: FlowInterval| {
            aligned.flows += 1;
            aligned.nobodys += u64::from(flow.place.is_none());
            times.push(&flow_time(flow, levels))
        })?;
        times.finish().map(drop)
    }

    fn align_spans(
        &self,
        context: &SessionContext,
        folder: &Path,
        aligned: &mut Aligned,
        levels: &Levels,
    ) -> Result<(), EngineError> {
        let mut times = Part::create(file::<SpanTimeRow>(folder))?;
        let mut buckets = Part::create(file::<BucketRow>(folder))?;
        let mut wide = Part::create(file::<WideRow>(folder))?;
        self.each_row(context, SPANS, "aligning spans", |span: SpanInterval| {
            aligned.spans += 1;
            let SpanInterval { span: number, place, earliest_ns, latest_ns, .. } = span;
            times.push(&span_time(span))?;
            let Some(touched) = bucket::of_span(levels, earliest_ns, latest_ns) else {
                aligned.wide += 1;
                return wide.push(&WideRow { place, span: number, earliest_ns, latest_ns });
            };
            touched.into_iter().try_for_each(|bucket| {
                buckets.push(&BucketRow { place, bucket, span: number, earliest_ns, latest_ns })
            })
        })?;
        times.finish()?;
        buckets.finish()?;
        wide.finish().map(drop)
    }

    /// Whether times were brought together.
    pub fn is_aligned(&self) -> bool {
        file::<WideRow>(&self.folder.join(FOLDER)).exists()
    }
}

fn flow_time(flow: FlowInterval, levels: &mut Levels) -> FlowTimeRow {
    let FlowInterval { flow, place, at_ns, earliest_ns, latest_ns, kind, destination, class, exact } = flow;
    let bucket = bucket::of_flow(levels, earliest_ns, latest_ns);
    FlowTimeRow { flow, place, bucket, at_ns, earliest_ns, latest_ns, kind, destination, class, exact }
}

fn span_time(span: SpanInterval) -> SpanTimeRow {
    SpanTimeRow {
        span: span.span,
        place: span.place,
        start_ns: span.start_ns,
        end_ns: span.end_ns,
        earliest_ns: span.earliest_ns,
        latest_ns: span.latest_ns,
        run: span.run,
        signature: span.signature,
        leaves_behind: span.leaves_behind,
        mentions: span.mentions.iter().map(|name| Key::of(name).number()).collect(),
    }
}

/// Where the only part of a table of times is.
pub(crate) fn file<R: Row>(folder: &Path) -> PathBuf {
    folder.join(R::TABLE).join("0.parquet")
}

/// Folders for all tables, so that they are empty and not missing.
pub(crate) fn make_tables(folder: &Path) -> Result<(), EngineError> {
    catalog::ALIGNED.iter().try_for_each(|table| make(&folder.join(table)))
}

fn check_clocks(clocks: &[ClockRow]) -> Result<(), EngineError> {
    let mut seen = BTreeSet::new();
    for clock in clocks {
        let why = if !seen.insert(clock.clock) {
            "there are two of this clock"
        } else if clock.offset_ns.unsigned_abs() > FARTHEST {
            "its offset is more than 31 years"
        } else if clock.drift_ppb.unsigned_abs() > STEEPEST {
            "its drift is more than 500 parts in a million"
        } else if !(FIRST..=LAST).contains(&clock.origin_ns) {
            "its origin is no time between 1824 and 2116"
        } else if !(0..=FARTHEST as i64).contains(&clock.uncertainty_ns) {
            "its uncertainty is negative or more than 31 years"
        } else {
            continue;
        };
        return Err(EngineError::Alignment {
            table: ClockRow::TABLE,
            row: format!("clock {}", clock.clock),
            why,
        });
    }
    Ok(())
}

fn check_slack(slack: &[SlackRow]) -> Result<(), EngineError> {
    let mut seen = BTreeSet::new();
    for row in slack {
        let bounds = 0..=FARTHEST as i64;
        let why = if Side::named(&row.side).is_none() {
            "its side is none of start, end and flow"
        } else if !seen.insert((&row.side, &row.means)) {
            "there are two of this meaning"
        } else if !bounds.contains(&row.before_ns) || !bounds.contains(&row.after_ns) {
            "it is negative or more than 31 years"
        } else {
            continue;
        };
        let row = format!("{} {:?}", row.side, row.means);
        return Err(EngineError::Alignment { table: SlackRow::TABLE, row, why });
    }
    Ok(())
}
