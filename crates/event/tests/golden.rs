//! The lines that other programs read: one of each kind, word for word.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "examples/mod.rs"]
mod examples;

use std::collections::BTreeSet;

use event::{Event, Fact, Writer};

fn lines() -> String {
    let mut writer = Writer::new(Vec::new());
    for event in examples::events() {
        writer.write(&event).unwrap();
    }
    String::from_utf8(writer.into_inner()).unwrap()
}

#[test]
fn one_line_of_each_kind() {
    insta::assert_snapshot!(lines());
}

#[test]
fn no_kind_is_missing() {
    let events = examples::events();
    let shown: BTreeSet<_> = events.iter().map(|event| event.fact.kind()).collect();
    assert_eq!(shown, Fact::KINDS.iter().copied().collect());
    for (event, line) in events.iter().zip(lines().lines()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["kind"], event.fact.kind());
    }
}

#[test]
fn lines_read_back_as_the_events_they_were() {
    let read: Vec<Event> = lines().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, examples::events());
}

#[test]
fn call_and_tool_call_id_are_always_present() {
    for line in lines().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line.get("call").is_some() && line.get("tool_call_id").is_some(), "{line}");
    }
}
