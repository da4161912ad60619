//! Traces of agents, each format with its traps: what is read is checked against what was looked at and found right
//! (`insta`). The inputs are made by hand.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::fmt::Write;
use std::path::Path;

use intake::Clock;
use trace::{Format, Options};

/// What comes of an input: its spans, a line each, and what could not be read.
fn read(input: &str, options: &Options) -> String {
    let mut told = String::new();
    let outcome = trace::read(Path::new(&format!("tests/inputs/{input}")), options, |span| {
        writeln!(told, "{}", serde_json::to_string(&span).unwrap()).unwrap();
    })
    .unwrap();
    writeln!(told, "{}: {} spans", outcome.format, outcome.spans).unwrap();
    for problem in outcome.problems.each() {
        let (what, count) = (problem.what, problem.count);
        writeln!(told, "{what}: {count}, as at {}", problem.samples[0].at.offset).unwrap();
    }
    told
}

fn detected(input: &str) -> String {
    read(input, &Options::default())
}

#[test]
fn atif() {
    insta::assert_snapshot!(detected("atif.json"));
}

#[test]
fn swe_agent() {
    insta::assert_snapshot!(detected("octo__widget-7.traj"));
}

#[test]
fn swe_agent_with_nothing_but_a_history() {
    insta::assert_snapshot!(detected("history.traj"));
}

#[test]
fn messages_of_a_conversation() {
    insta::assert_snapshot!(detected("messages.json"));
}

#[test]
fn messages_as_lines() {
    insta::assert_snapshot!(detected("messages.jsonl"));
}

#[test]
fn messages_without_times_a_conversation_a_line() {
    insta::assert_snapshot!(detected("conversations.jsonl"));
}

#[test]
fn claude_code() {
    insta::assert_snapshot!(detected("claude-code.jsonl"));
}

#[test]
fn claude_code_as_a_stream_without_times() {
    insta::assert_snapshot!(detected("claude-code-stream.jsonl"));
}

#[test]
fn commands() {
    insta::assert_snapshot!(detected("commands.jsonl"));
}

#[test]
fn spans() {
    insta::assert_snapshot!(detected("spans.jsonl"));
}

#[test]
fn mini_swe_agent() {
    insta::assert_snapshot!(detected("mini-swe-agent.traj.json"));
}

#[test]
fn mini_swe_agent_with_the_responses_api() {
    insta::assert_snapshot!(detected("mini-swe-agent-responses.traj.json"));
}

#[test]
fn mini_swe_agent_with_commands_as_text_and_cut_off() {
    insta::assert_snapshot!(detected("mini-swe-agent-text.traj.json"));
}

#[test]
fn openhands_episodes_as_lines() {
    insta::assert_snapshot!(detected("openhands.jsonl"));
}

#[test]
fn openhands_events_of_version_1_as_lines() {
    insta::assert_snapshot!(detected("openhands-events.jsonl"));
}

#[test]
fn openhands_events_are_the_same_in_any_form() {
    let spans = |input: &str| {
        let told = detected(input);
        let commands =
            told.lines().filter_map(|line| line.split_once("\"command\"")?.1.split_once("\"origin\""));
        commands.map(|(span, _)| span.to_owned()).collect::<Vec<_>>()
    };
    let expected = &spans("openhands-events.jsonl")[..1];
    for input in ["openhands-pretty.json", "openhands-page.json"] {
        let spans = spans(input);
        assert_eq!((spans.len(), &spans[..1]), (2, expected), "{input}");
    }
}

#[test]
fn openhands_with_a_file_for_each_event() {
    let files = intake::expand(Path::new("tests/inputs/openhands-store")).unwrap();
    let read = |file: &Path| detected(file.strip_prefix("tests/inputs").unwrap().to_str().unwrap());
    insta::assert_snapshot!(files.iter().map(|file| read(file)).collect::<String>());
}

#[test]
fn openhands_where_the_zone_is_told_it_is_not_found_out() {
    let clock = Clock { zone: jiff::tz::TimeZone::get("America/New_York").ok(), year: None };
    let told = read("openhands.jsonl", &Options { clock, ..Options::default() });
    assert!(told.contains(r#""zone":"told""#) && !told.contains("inferred"), "{told}");
    assert!(told.contains("the zone that was told is not the one that its times show: 1, as at"), "{told}");
    let clock = Clock { zone: jiff::tz::TimeZone::get("Asia/Shanghai").ok(), year: None };
    let told = read("openhands.jsonl", &Options { clock, ..Options::default() });
    assert!(!told.contains("not the one"), "{told}");
}

#[test]
fn spans_are_read_back_as_they_were_written() {
    let mut spans = Vec::new();
    for input in ["mini-swe-agent.traj.json", "openhands.jsonl"] {
        let file = format!("tests/inputs/{input}");
        trace::read(Path::new(&file), &Options::default(), |span| spans.push(span)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spans");
    let mut written = Vec::new();
    spans.iter().for_each(|span| trace::write_jsonl(&mut written, span).unwrap());
    written.extend(b"{\"run\": \"cut\n");
    std::fs::write(&file, written).unwrap();
    let mut again = Vec::new();
    let outcome = trace::read(&file, &Options::default(), |span| again.push(span)).unwrap();
    assert_eq!((outcome.format, outcome.problems.count()), (Format::Spans, 1));
    assert_eq!(again, spans);
}

#[test]
fn csv_with_our_own_names() {
    insta::assert_snapshot!(detected("calls.csv"));
}

#[test]
fn csv_by_a_column_map() {
    let columns =
        "run=session,start=t_begin,end=t_finish,command=cmd,sandbox=pod,task=issue".parse().unwrap();
    insta::assert_snapshot!(read("theirs.csv", &Options { columns, ..Options::default() }));
}

#[test]
fn jsonl_by_a_column_map_that_leads_into_objects() {
    let map = "run=meta.session.id,training_step=meta.policy.step,start=began,end=done,tool=call.name,\
               command=call.arguments,address=pod.ip,exit_code=rc";
    let columns = map.parse().unwrap();
    insta::assert_snapshot!(read("theirs.jsonl", &Options { columns, ..Options::default() }));
}
