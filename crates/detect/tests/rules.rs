//! Every shipped rule has a test beside it: what it must find, and what it must not.
//!
//! `NAME.test.yml` has cases under `positive` and `negative`. A case is an event, or a list of events in their order. An event is what
//! its JSON line has, without what every event has; `exec: COMMAND` is short for the execution of a program, and `after_s` lets
//! time pass before it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use detect::{Detector, Rules};
use event::{Event, Fact, Timestamp};
use serde_json::{Value, json};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    positive: Vec<Value>,
    negative: Vec<Value>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

/// The rules' files, without the tests beside them.
fn rule_files() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| !path.to_string_lossy().ends_with(".test.yml")).collect();
    files.sort_unstable();
    files
}

/// The words of a command line, of which one in double quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (place, part) in line.split('"').enumerate() {
        match place % 2 {
            1 => words.push(part.to_owned()),
            _ => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    words
}

fn events(case: &Value) -> Vec<Event> {
    let steps = case.as_array().cloned().unwrap_or_else(|| vec![case.clone()]);
    let mut second = 1_764_000_000;
    steps.into_iter().zip(1..).map(|(step, seq)| event(step, seq, &mut second)).collect()
}

fn event(mut step: Value, seq: u64, second: &mut i64) -> Event {
    let fields = step.as_object_mut().unwrap();
    *second += fields.remove("after_s").and_then(|after| after.as_i64()).unwrap_or(0);
    if let Some(line) = fields.remove("exec") {
        let argv = words(line.as_str().unwrap());
        let program = &argv[0];
        let exe = if program.starts_with('/') { program.clone() } else { format!("/usr/bin/{program}") };
        *fields = json!({ "kind": "process.exec", "path": exe, "process": { "exe": exe, "argv": argv } })
            .as_object()
            .unwrap()
            .clone();
    }
    if let Some(process) = fields.get_mut("process") {
        process.as_object_mut().unwrap().entry("host_pid").or_insert(json!(7));
    }
    let base = json!({
        "seq": seq,
        "time": Timestamp::from_nanos(*second * 1_000_000_000),
        "run": "0198c5e2-7c4b-7d2a-9f3e-5b1a2c3d4e5f",
        "call": 1,
        "tool_call_id": null,
    });
    fields.extend(base.as_object().unwrap().clone());
    serde_json::from_value(step.clone()).unwrap_or_else(|error| panic!("{error}: {step}"))
}

/// The names of the rules that find something.
fn found(rules: &Arc<Rules>, case: &Value) -> BTreeSet<String> {
    let mut detector = Detector::new(Arc::clone(rules));
    let mut told = Vec::new();
    events(case).iter().for_each(|event| detector.judge(event, &mut told));
    let findings = told.iter().filter_map(|told| match &told.fact {
        Fact::Finding(finding) if finding.source == "sigma" => Some(finding.rule.to_string()),
        _ => None,
    });
    findings.collect()
}

/// The name of the last rule of a file: those before it are what a correlation builds on.
fn name(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("name: ")).collect();
    (*names.last().unwrap_or_else(|| panic!("{} has no name", file.display()))).to_owned()
}

#[test]
fn every_rule_finds_what_its_test_says_and_nothing_else() {
    let rules = Arc::new(Rules::shipped().unwrap());
    let mut wrong = Vec::new();
    for file in rule_files() {
        let test = file.with_extension("test.yml");
        let text = fs::read_to_string(&test).unwrap_or_else(|error| panic!("{}: {error}", test.display()));
        let test: Test =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", test.display()));
        assert!(!test.positive.is_empty() && !test.negative.is_empty(), "{}", file.display());
        let name = name(&file);
        for (cases, expected) in [(&test.positive, true), (&test.negative, false)] {
            for case in cases {
                let found = found(&rules, case);
                if found.contains(&name) != expected {
                    wrong.push(format!("{name}, expected {expected}, found {found:?}: {case}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_says_what_it_is_and_when_it_is_wrong() {
    let mut ids = BTreeMap::new();
    for file in rule_files() {
        let text = fs::read_to_string(&file).unwrap();
        let documents: Vec<_> = text.split("\n---\n").collect();
        for document in &documents {
            for key in ["title: ", "id: ", "name: ", "status: ", "description: ", "level: "] {
                assert!(document.lines().any(|line| line.starts_with(key)), "{}: {key}", file.display());
            }
            let id = document.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
            assert_eq!(ids.insert(id.to_owned(), file.clone()), None, "{id} is there twice");
        }
        for key in ["falsepositives:", "tags:", "remedy: ", "author: ", "date: "] {
            assert!(text.lines().any(|line| line.starts_with(key)), "{}: {key}", file.display());
        }
        assert!(text.contains("- asi.asi"), "{} names no OWASP class", file.display());
        let expected = format!("{}.yml", name(&file).replace('.', "-"));
        assert!(file.ends_with(&expected), "{} is the place of {expected}", file.display());
    }
}

#[test]
fn the_papers_have_every_field_that_sigma_has_a_name_for() {
    let text = fs::read_to_string(folder().join("../docs/sigma.md")).unwrap();
    for alias in detect::sigma::ALIASES {
        assert!(text.contains(&format!("`{}`", alias.name)), "{}", alias.name);
    }
}
