//! Traces of evaluations, trainers and telemetry, each format with its traps: what is read is checked against what was
//! looked at and found right (`insta`). The inputs are made by hand.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod eval_archive;

use std::fmt::Write;
use std::io::Cursor;
use std::path::Path;

use eval_archive::{Kind, archive};
use intake::{Clock, Input};
use jiff::tz::TimeZone;
use trace::Options;

/// What comes of an input: its spans, a line each, and what could not be read.
fn told(input: Input, options: &Options) -> String {
    let mut told = String::new();
    let outcome = trace::read_input(input, options, |span| {
        writeln!(told, "{}", serde_json::to_string(&span).unwrap()).unwrap();
    });
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return format!("{told}{error}\n"),
    };
    writeln!(told, "{}: {} spans", outcome.format, outcome.spans).unwrap();
    for problem in outcome.problems.each() {
        let (what, count) = (problem.what, problem.count);
        writeln!(told, "{what}: {count}, as at {}", problem.samples[0].at).unwrap();
    }
    told
}

fn file(name: &str, options: &Options) -> String {
    told(Input::open(Path::new(&format!("tests/inputs/{name}"))).unwrap(), options)
}

fn bytes(name: &str, bytes: Vec<u8>) -> String {
    told(Input::of(Path::new(name).into(), Cursor::new(bytes)).unwrap(), &Options::default())
}

fn detected(name: &str) -> String {
    file(name, &Options::default())
}

#[test]
fn events() {
    insta::assert_snapshot!(detected("events.jsonl"));
}

#[test]
fn inspect_as_json() {
    insta::assert_snapshot!(detected("inspect.json"));
}

#[test]
fn inspect_as_json_that_breaks_off_gives_what_it_has() {
    let text = std::fs::read("tests/inputs/inspect.json").unwrap();
    let second = memchr::memmem::find(&text, b"group/2").unwrap();
    let told = bytes("log.json", text[..second].to_vec());
    assert!(told.contains("inspect: 9 spans"), "{told}");
    assert!(told.contains("a document that breaks off: 1"), "{told}");
}

#[test]
fn inspect_as_an_archive() {
    insta::assert_snapshot!(bytes("log.eval", archive(Kind::Zstd)));
}

#[test]
fn inspect_archives_are_read_however_they_are_packed() {
    let expected = bytes("log.eval", archive(Kind::Zstd));
    assert_eq!(bytes("log.eval", archive(Kind::Deflate)), expected);
    assert_eq!(bytes("log.eval", archive(Kind::Stored)), expected);
}

#[test]
fn inspect_samples_in_pieces_are_whole() {
    insta::assert_snapshot!(bytes("log.eval", archive(Kind::Pieces)));
}

#[test]
fn inspect_archives_whose_writer_died_give_what_they_have() {
    insta::assert_snapshot!(bytes("log.eval", archive(Kind::Cut)));
}

#[test]
fn inspect_archives_that_are_broken_are_told() {
    let whole = archive(Kind::Deflate);
    for cut in [50, 90, whole.len() / 2] {
        let told = bytes("log.eval", whole[..cut].to_vec());
        assert!(told.contains("its writer died"), "{cut}: {told}");
    }
    let mut spoiled = whole;
    let middle = spoiled.len() / 4;
    spoiled[middle..middle + 32].fill(0xff);
    let told = bytes("log.eval", spoiled);
    assert!(told.contains("can't be unpacked"), "{told}");
}

#[test]
fn otlp_as_json() {
    insta::assert_snapshot!(detected("otlp.jsonl"));
}

#[test]
fn otlp_as_protobuf() {
    insta::assert_snapshot!(detected("otlp.bin"));
}

#[test]
fn rock_access_logs() {
    insta::assert_snapshot!(detected("rock-access.log"));
}

#[test]
fn rock_answers_of_models() {
    insta::assert_snapshot!(detected("LLMTraj.jsonl"));
}

#[test]
fn roll() {
    insta::assert_snapshot!(detected("roll.jsonl"));
}

#[test]
fn roll_with_a_file_an_episode_and_a_zone_told() {
    let clock = Clock { zone: Some(TimeZone::get("Asia/Shanghai").unwrap()), year: None };
    insta::assert_snapshot!(file("roll-episode.json", &Options { clock, ..Options::default() }));
}

#[test]
fn vivaria() {
    insta::assert_snapshot!(detected("vivaria.json"));
}

#[test]
fn vivaria_however_it_is_laid_out() {
    let text = std::fs::read_to_string("tests/inputs/vivaria.json").unwrap();
    let spans = |text: String| {
        let told = bytes("vivaria.json", text.into_bytes());
        assert!(told.contains("vivaria: 5 spans"), "{told}");
    };
    spans(format!("{{\"rows\": {text}, \"fields\": []}}"));
    spans(text.replace("[\n", "").replace("},\n", "}\n").replace("\n]", ""));
    spans(format!("{{\"traceEntries\":\n{text}}}"));
}
