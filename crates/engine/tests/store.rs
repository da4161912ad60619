//! What a store keeps, and what interrupted work leaves.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod incident;

use engine::{AttributionRow, EngineError, FlowRow, Options, Part, Row, SpanRow, Store};
use incident::{Incident, flow, small, span, write};

fn full_span() -> SpanRow {
    SpanRow {
        task: Some("task".into()),
        step: Some(3),
        training_step: Some(4),
        model: Some("model".into()),
        span_order: 5,
        tool_call_id: Some("c".into()),
        tool: Some("bash".into()),
        command: Some("curl a.example".into()),
        signature: Some("curl".into()),
        mentions: vec!["a.example".into(), "".into()],
        leaves_behind: true,
        start_means: Some("command_started".into()),
        end_means: Some("command_ended".into()),
        host: Some("h".into()),
        sandbox: Some("s".into()),
        exit_code: Some(-1),
        file: "traces/a.jsonl".into(),
        byte_offset: u64::MAX,
        ..span(u64::MAX, &[1, u32::MAX], 0, 1)
    }
}

fn read<R: Row>(store: &Store) -> Vec<R> {
    let answer = store.sql(&format!("SELECT * FROM {}", R::TABLE), usize::MAX).unwrap();
    answer.batches.iter().flat_map(|batch| R::rows(batch).collect::<Vec<_>>()).collect()
}

#[test]
fn rows_come_out_as_they_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), small()).unwrap();
    let spans = [full_span(), SpanRow::default()];
    let flows = [
        FlowRow { sensor: Some("fw".into()), clock: 7, bytes_in: Some(1), ..flow(1, Some(2), 3, 4) },
        FlowRow::default(),
    ];
    let attribution = [
        AttributionRow {
            span: Some(1),
            probability: Some(0.5),
            evidence: vec!["names it".into()],
            ..AttributionRow::default()
        },
        AttributionRow::default(),
    ];
    write(&store, "a", &spans);
    write(&store, "a", &flows);
    write(&store, "a", &attribution);
    assert_eq!(read::<SpanRow>(&store), spans);
    assert_eq!(read::<FlowRow>(&store), flows);
    assert_eq!(read::<AttributionRow>(&store), attribution);
}

#[test]
fn a_part_that_is_there_is_not_written_again_and_one_that_was_not_finished_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), small()).unwrap();
    write(&store, "first", &[span(1, &[], 0, 1)]);
    let mut interrupted = store.part::<SpanRow>("second").unwrap().unwrap();
    interrupted.push(&span(2, &[], 0, 1)).unwrap();
    // As if the program were killed: nothing of it is run.
    std::mem::forget(interrupted);
    drop(store);

    let store = Store::open(folder.path(), small()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("spans")).unwrap().count(), 1);
    assert!(store.part::<SpanRow>("first").unwrap().is_none());
    assert_eq!(store.parts::<SpanRow>().unwrap(), ["first"]);
    assert_eq!(read::<SpanRow>(&store).len(), 1);
    write(&store, "second", &[span(2, &[], 0, 1), span(3, &[], 0, 1)]);
    assert_eq!(store.parts::<SpanRow>().unwrap(), ["first", "second"]);
    assert_eq!(read::<SpanRow>(&store).len(), 3);
    store.remove::<SpanRow>("first").unwrap();
    store.remove::<SpanRow>("first").unwrap();
    assert_eq!(read::<SpanRow>(&store).len(), 2);
}

#[test]
fn a_part_that_is_dropped_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), small()).unwrap();
    drop(store.part::<FlowRow>("a").unwrap());
    assert_eq!(std::fs::read_dir(folder.path().join("flows")).unwrap().count(), 0);
}

#[test]
fn a_table_of_its_own_is_there_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), small()).unwrap();
    // Its name ends as that of what is unfinished does: it must not be taken for it.
    let file = folder.path().join("alone.part");
    let mut part = Part::alone(&file).unwrap();
    part.push(&full_span()).unwrap();
    assert!(!file.exists());
    assert_eq!(part.finish().unwrap(), 1);
    std::fs::rename(&file, folder.path().join("spans/a.parquet")).unwrap();
    assert_eq!(read::<SpanRow>(&store), [full_span()]);
    drop(Part::<SpanRow>::alone(&file).unwrap());
    let taken = folder.path().join("spans");
    assert!(matches!(Part::<SpanRow>::alone(&taken).unwrap().finish(), Err(EngineError::File { .. })));
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().contains("part")), "nothing is left beside");
}

#[test]
fn a_name_that_is_no_file_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), small()).unwrap();
    for name in ["", "..", "a/b", ".hidden", "-x", "a b", "a\0", &"a".repeat(201)] {
        assert!(matches!(store.part::<FlowRow>(name), Err(EngineError::PartName(_))), "{name:?}");
    }
    assert!(store.part::<FlowRow>("eve-2026.json_1").unwrap().is_some());
}

#[test]
fn a_store_has_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Store::open(folder.path(), small()).unwrap();
    let second = Store::open(folder.path(), small()).err();
    assert!(matches!(second, Some(EngineError::InUse(_))), "{second:?}");
}

#[test]
fn times_are_aligned_anew_and_without_them_nothing_is_joined() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), small()).unwrap();
    assert!(matches!(store.shards().err(), Some(EngineError::NotAligned)));
    assert!(matches!(store.pairs().err(), Some(EngineError::NotAligned)));
    let empty = store.align(&[], &[]).unwrap();
    assert_eq!((empty.flows, empty.spans, store.shards().unwrap().count()), (0, 0, 0));
    assert_eq!(store.pairs().unwrap().count(), 0);

    write(&store, "a", &[span(1, &[1, 2], 0, 1)]);
    write(&store, "a", &[flow(1, Some(1), 0, 1), flow(2, None, 0, 1)]);
    let aligned = store.align(&[], &[]).unwrap();
    assert_eq!((aligned.flows, aligned.nobodys, aligned.spans, aligned.wide), (2, 1, 2, 0));
    drop(store);
    let store = Store::open(folder.path(), Options { threads: 1, ..small() }).unwrap();
    assert!(store.is_aligned());
    assert_eq!(store.shards().unwrap().map(|shard| shard.unwrap().flows().len()).sum::<usize>(), 2);
}

#[test]
fn clocks_and_slack_that_cannot_be_are_named() {
    use engine::{ClockRow, Side, SlackRow};
    let incident = Incident::of(&[], &[]);
    let clock = |clock: ClockRow| incident.store.align(&[clock], &[]).unwrap_err().to_string();
    let slack = |slack: &[SlackRow]| incident.store.align(&[], slack).unwrap_err().to_string();
    let messages = [
        clock(ClockRow { clock: 3, drift_ppb: 1_000_000, ..ClockRow::default() }),
        clock(ClockRow { clock: 3, offset_ns: i64::MIN, ..ClockRow::default() }),
        clock(ClockRow { clock: 3, uncertainty_ns: -1, ..ClockRow::default() }),
        slack(&[SlackRow::new(Side::Flow, "logged", -1, 0)]),
        slack(&[SlackRow::new(Side::Flow, "logged", 0, 0), SlackRow::new(Side::Flow, "logged", 1, 0)]),
        slack(&[SlackRow { side: "flows".into(), ..SlackRow::default() }]),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}
