#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;

use intake::{Origin, Stamp};

use super::*;
use crate::attribution::{Skew, attribute};
use crate::hosts::Hosts;
use crate::incident::Builder;

const NOON: i64 = 1_772_366_400;

fn stamp(seconds: i64) -> Stamp {
    Stamp { nanos: (NOON + seconds) * 1_000_000_000, resolution: 1, zone: intake::Zone::Stated }
}

fn span(run: &str, id: &str, command: &str, from: i64, until: i64, step: u64) -> trace::Span {
    let mut span = trace::Span::new(run, trace::SpanKind::Call, Origin::new(Path::new("t").into(), 0));
    span.tool_call_id = Some(id.into());
    span.tool = Some("bash".into());
    span.command = Some(command.into());
    span.training_step = Some(step);
    span.start = Some(trace::Moment::new(stamp(from), trace::Means::CommandStarted));
    span.end = Some(trace::Moment::new(stamp(until), trace::Means::CommandEnded));
    span
}

fn flow(at: i64, to: &str, port: u16, class: Option<&str>) -> flows::Flow {
    let time = flows::Moment::new(stamp(at), flows::Means::Began);
    let mut flow = flows::Flow::new(flows::FlowKind::Flow, time, Origin::new(Path::new("f").into(), 0));
    flow.source = "10.0.0.1".parse().ok();
    flow.destination = to.parse().ok();
    flow.destination_port = Some(port);
    flow.class = class.map(Into::into);
    flow
}

/// Two episodes; in the second, a call names the pool that it connects with, and Aurelian saw it.
fn report() -> Report {
    let mut builder = Builder::new(Hosts::default());
    for second in 0..40 {
        let id = format!("a{second}");
        builder.span(trace::Format::Commands, span("ep-1", &id, "ls -la", second * 10, second * 10 + 1, 1));
    }
    builder.span(trace::Format::Commands, span("ep-2", "b1", "./worker -o 203.0.113.5:3333", 1000, 1300, 2));
    for second in 0..30 {
        builder.flow(flows::Format::Eve, flow(second * 13, "198.51.100.1", 443, None)).unwrap();
        let mut mined = flow(1001 + second * 7, "203.0.113.5", 3333, Some("mining.stratum"));
        (mined.run, mined.tool_call_id) = (Some("ep-2".into()), Some("b1".into()));
        builder.flow(flows::Format::Eve, mined).unwrap();
    }
    let incident = builder.build().unwrap();
    let found = attribute(&incident, Skew::Told(0)).unwrap();
    let told = Told { title: "x".into(), made_at: Timestamp::from_nanos(0), inputs: vec![] };
    super::report(told, &incident, &found).unwrap()
}

#[test]
fn the_call_that_did_it_is_first_and_alone() {
    let report = report();
    let first: Vec<_> = report
        .culprits
        .iter()
        .map(|culprit| (culprit.run.as_str(), culprit.tool_call_id.as_deref()))
        .collect();
    assert_eq!(first, [("ep-2", Some("b1"))]);
    let culprit = &report.culprits[0];
    assert!(culprit.by_id && culprit.probability >= 1.0 && culprit.malicious_flows > 29.0, "{culprit:?}");
    assert_eq!(culprit.classes[0].of, "mining.stratum");
    assert!(culprit.destinations[0].of.starts_with("203.0.113.5"), "{:?}", culprit.destinations);
}

/// By number alone the uploads would come after all scans.
#[test]
fn culprits_of_each_class_take_turns() {
    let mut builder = Builder::new(Hosts::default());
    let mut did = |run: &str, at: i64, flows: i64, class: &str| {
        builder.span(trace::Format::Commands, span(run, "c", "./x", at, at + 90, 1));
        for nth in 0..flows {
            let mut one = flow(at + nth, "203.0.113.5", 443, Some(class));
            (one.run, one.tool_call_id) = (Some(run.into()), Some("c".into()));
            builder.flow(flows::Format::Eve, one).unwrap();
        }
    };
    for (nth, run) in ["s1", "s2", "s3", "s4"].into_iter().enumerate() {
        did(run, 1000 * nth as i64, 40 - nth as i64, "scan.hosts");
    }
    did("u1", 5000, 1, "exfil.volume");
    did("u2", 6000, 2, "exfil.volume");
    let incident = builder.build().unwrap();
    let found = attribute(&incident, Skew::Told(0)).unwrap();
    let told = Told { title: "x".into(), made_at: Timestamp::from_nanos(0), inputs: vec![] };
    let report = super::report(told, &incident, &found).unwrap();
    let runs: Vec<_> = report.culprits.iter().map(|culprit| culprit.run.as_str()).collect();
    assert_eq!(runs, ["s1", "u2", "s2", "u1", "s3", "s4"]);
}

#[test]
fn all_parts_tell_the_same() {
    let report = report();
    let totals = &report.totals;
    assert_eq!((totals.runs, totals.calls, totals.flows, totals.malicious_flows), (2, 41, 60, 30));
    assert_eq!((totals.by_id, totals.culprits, totals.culprit_runs), (30, 1, 1));
    assert_eq!(report.classes[0].class, "mining.stratum");
    assert_eq!(report.classes[0].flows, 30);
    let activity = report.activity.as_ref().unwrap();
    assert_eq!(activity.classes.iter().flat_map(|class| &class.flows).sum::<u64>(), 30);
    assert_eq!(report.hours.iter().flat_map(|hours| hours.flows).sum::<u64>(), 30);
    let episode = &report.episodes[0];
    assert_eq!((report.episodes.len(), episode.run.as_str(), episode.calls.len()), (1, "ep-2", 1));
    assert_eq!(episode.flows.iter().filter(|flow| flow.call == Some(0)).count(), 30);
    assert!(report.heat.destinations[0].starts_with("203.0.113.5"), "{:?}", report.heat);
    assert_eq!(report.onset[0].steps.len(), 2);
    assert!(super::super::html(&report).contains("1 call in 1 of 2 episodes"));
}

#[test]
fn a_class_is_known_by_name_or_family() {
    assert!(Kind::of("mining.anything").malicious && Kind::of("exfil.volume").malicious);
    assert!(
        !Kind::of("unclassified").malicious && !Kind::of("miningful").malicious && !Kind::of("").malicious
    );
}
