//! The lines for other programs, word for word.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "sample/mod.rs"]
mod sample;

use std::path::Path;

use intake::Origin;
use investigate::attribution::Untold;
use investigate::export::timesketch::{Call, Timeline};
use investigate::export::{Attribution, Candidate, FlowLine, JsonLines, ocsf};
use sample::at;
use trace::Means;

fn flow(class: Option<&str>) -> FlowLine<'_> {
    FlowLine {
        time: at(28_861_550),
        corrected: Some(at(61_200)),
        source: "10.0.0.13".parse().ok(),
        source_port: Some(41_200),
        destination: "198.51.100.7".parse().ok(),
        destination_port: Some(3333),
        destination_name: Some("pool.example.net"),
        protocol: Some(flows::Transport::Tcp),
        class,
        gpu: None,
    }
}

fn evidence() -> Vec<String> {
    vec!["the command names pool.example.net".into(), "it began 1.2 s after the call".into()]
}

fn caused() -> Attribution<'static> {
    Attribution {
        flow: flow(Some("mining.stratum")),
        run: Some("ep-0412"),
        tool_call_id: Some("call_7f3a"),
        probability: Some(0.987_654),
        none_probability: Some(0.01),
        candidates: vec![candidate(Some("call_7f3a"), 0.987_654), candidate(None, 0.002)],
        evidence: evidence(),
        untold: None,
    }
}

fn candidate(tool_call_id: Option<&str>, probability: f64) -> Candidate<'_> {
    Candidate { run: "ep-0412", tool_call_id, probability }
}

/// A flow of which next to nothing is known.
fn orphan() -> Attribution<'static> {
    let flow = FlowLine {
        time: at(0),
        corrected: None,
        source: None,
        source_port: None,
        destination: "2001:db8::1".parse().ok(),
        destination_port: Some(123),
        destination_name: None,
        protocol: Some(flows::Transport::Other(47)),
        class: None,
        gpu: None,
    };
    Attribution {
        flow,
        run: None,
        tool_call_id: None,
        probability: None,
        none_probability: Some(1.0),
        candidates: vec![],
        evidence: vec![],
        untold: None,
    }
}

/// A GPU that came into use.
fn used() -> Attribution<'static> {
    let flow = FlowLine {
        source: None,
        source_port: None,
        destination: None,
        destination_port: None,
        destination_name: None,
        protocol: None,
        gpu: Some("GPU 3 of worker-7"),
        ..flow(Some("gpu.use"))
    };
    Attribution { flow, evidence: vec![], ..caused() }
}

#[test]
fn attribution_has_one_line_a_flow() {
    let mut lines = JsonLines::new(Vec::new());
    lines.write(&caused()).unwrap();
    lines.write(&orphan()).unwrap();
    lines.write(&used()).unwrap();
    let untold = Some(Untold::NoClock);
    lines.write(&Attribution { none_probability: None, untold, ..orphan() }).unwrap();
    insta::assert_snapshot!(String::from_utf8(lines.finish().unwrap()).unwrap());
}

#[test]
fn timesketch_has_calls_and_flows() {
    let origin = Origin::new(Path::new("traces/a.jsonl").into(), 88_120);
    let mut timeline = Timeline::new(Vec::new());
    let call = Call {
        run: "ep-0412",
        tool_call_id: Some("call_7f3a"),
        task: Some("django__django-11099"),
        tool: Some("bash"),
        command: Some("nohup ./worker -o pool.example.net:3333 &\u{202e}"),
        start: Some((at(60_000), Some(Means::ModelFinished))),
        end: Some((at(62_100), None)),
        culprit: Some(0.998),
        origin: Some(origin),
    };
    timeline.call(&call).unwrap();
    timeline.flow(&caused()).unwrap();
    timeline.flow(&orphan()).unwrap();
    timeline.flow(&used()).unwrap();
    insta::assert_snapshot!(String::from_utf8(timeline.finish().unwrap()).unwrap());
}

#[test]
fn timesketch_finds_every_text() {
    let long = "é\u{2028}".repeat(50_000);
    let mut timeline = Timeline::new(Vec::new());
    let call = Call {
        run: &long,
        tool_call_id: Some(&long),
        task: None,
        tool: None,
        command: Some(&long),
        start: Some((at(0), Some(Means::CommandStarted))),
        end: None,
        culprit: None,
        origin: None,
    };
    timeline.call(&call).unwrap();
    let lines = String::from_utf8(timeline.finish().unwrap()).unwrap();
    assert_eq!(lines.lines().count(), 1);
    assert!(lines.is_ascii());
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    let longest = line.as_object().unwrap().values().filter_map(|value| value.as_str()).map(str::len).max();
    assert!(longest.is_some_and(|bytes| bytes <= 32_766), "{longest:?}");
}

#[test]
fn ocsf_has_a_finding_for_each_culprit() {
    let report = sample::report();
    let mut lines = JsonLines::new(Vec::new());
    for culprit in &report.culprits {
        lines.write(&ocsf::Finding::of(culprit, &report)).unwrap();
    }
    let lines = String::from_utf8(lines.finish().unwrap()).unwrap();
    let pretty = |line: &str| {
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(line).unwrap()).unwrap()
    };
    insta::assert_snapshot!(lines.lines().map(pretty).collect::<Vec<_>>().join("\n"));
}
