//! The published JSON Schema, and that the lines keep to it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "examples/mod.rs"]
mod examples;

use std::collections::BTreeSet;

use event::Fact;
use serde_json::{Value, json};

#[test]
fn the_schema_is_the_published_one() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&event::schema()).unwrap());
}

/// What the schema says of events of this kind: of every event, and of this kind.
fn described(kind: &str) -> [Value; 2] {
    let schema = event::schema();
    let is_kind = |branch: &&Value| branch["properties"]["kind"]["const"] == kind;
    let branch = schema["oneOf"].as_array().unwrap().iter().find(is_kind);
    let branch = branch.unwrap_or_else(|| panic!("no branch for {kind}"));
    let name = branch["$ref"].as_str().unwrap().trim_start_matches("#/$defs/");
    let mut fact = schema["$defs"][name].clone();
    fact["required"].as_array_mut().into_iter().for_each(|names| names.push("kind".into()));
    fact["properties"]["kind"] = branch["properties"]["kind"].clone();
    fact["description"] = branch["description"].clone();
    [schema, fact]
}

/// All names that stand in this part of the two schemas.
fn names(schemas: &[Value], of: impl Fn(&Value) -> Vec<String>) -> BTreeSet<String> {
    schemas.iter().flat_map(of).collect()
}

#[test]
fn every_kind_is_described() {
    for kind in Fact::KINDS {
        let [_, fact] = described(kind);
        assert!(fact["description"].is_string(), "{kind}");
    }
}

#[test]
fn the_fields_that_every_event_has_are_required() {
    let required = &event::schema()["required"];
    assert_eq!(*required, json!(["seq", "time", "run", "call", "tool_call_id"]));
}

#[test]
fn lines_have_the_fields_that_the_schema_names() {
    for event in examples::events() {
        let schemas = described(event.fact.kind());
        let properties = names(&schemas, |schema| {
            schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        });
        let required = names(&schemas, |schema| {
            let names = schema["required"].as_array().into_iter().flatten();
            names.map(|name| name.as_str().unwrap().to_owned()).collect()
        });
        let line = serde_json::to_value(&event).unwrap();
        let fields: BTreeSet<_> = line.as_object().unwrap().keys().cloned().collect();
        assert!(fields.is_subset(&properties), "{:?}", fields.difference(&properties));
        assert!(required.is_subset(&fields), "{:?}", required.difference(&fields));
    }
}

#[test]
fn what_can_be_absent_is_never_null() {
    let schema = event::schema();
    let process = &schema["$defs"]["Process"]["properties"];
    assert_eq!(process["pid"]["type"], "integer");
    assert_eq!(process["exe"]["$ref"], "#/$defs/Text");
    assert_eq!(schema["properties"]["call"]["anyOf"][1]["type"], "null");
}
