#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use ::flows::{Means, Moment};
use intake::{Clock, Origin, Stamp};
use trace::{Span, SpanKind};

use super::super::Builder;
use super::*;
use crate::attribution::{Skew, attribute};
use crate::hosts::Hosts;

const SECOND: i64 = 1_000_000_000;
/// 2026-03-01T12:00:00Z.
const NOON: i64 = 1_772_366_400 * SECOND;

fn sample(file: &str, at: i64, busy: f64) -> Flow {
    let time = Moment::new(Stamp::exact(NOON + at * SECOND), Means::Logged);
    let mut flow = Flow::new(FlowKind::Gpu, time, Origin::new(Path::new(file).into(), at.unsigned_abs()));
    flow.gpu = Some(Gpu { device: "3".into(), busy_percent: Some(busy), watts: None, memory_bytes: None });
    flow
}

fn process(at: i64, program: &str) -> Flow {
    let mut flow = sample("apps.csv", at, 0.0);
    flow.gpu = flow.gpu.map(|gpu| Gpu { busy_percent: None, ..gpu });
    flow.process = Some(program.into());
    flow
}

fn hosts(table: &str) -> Hosts {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.csv");
    std::fs::write(&file, table).unwrap();
    Hosts::read([&file], &Clock::default()).unwrap().0
}

fn incident(hosts: Hosts, samples: impl IntoIterator<Item = Flow>) -> Incident {
    let mut builder = Builder::new(hosts);
    samples.into_iter().for_each(|flow| builder.flow(Format::GpuSamples, flow).unwrap());
    builder.build().unwrap()
}

/// Idle, then busy from `begin` on, a sample each 15 s.
fn works(file: &'static str, begin: i64) -> impl Iterator<Item = Flow> {
    (0..60).map(move |at| sample(file, 15 * at, if 15 * at < begin { 0.0 } else { 99.0 }))
}

/// The only row.
fn only(incident: &Incident) -> FlowRow {
    let rows = incident.flows.all().unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

/// The GPU, the place and the class of the only row.
fn told(incident: &Incident) -> (&str, Option<&str>, String) {
    let row = only(incident);
    let place = row.place.map(|place| incident.places.text(place));
    (incident.destinations.text(row.destination), place, row.class.as_deref().unwrap_or_default().to_owned())
}

fn used<'a>(gpu: &'a str, place: &'a str) -> (&'a str, Option<&'a str>, String) {
    (gpu, Some(place), USED.to_owned())
}

#[test]
fn a_stretch_of_use_is_a_row_at_the_place_that_its_file_names() {
    let known = "address,run,host\n10.0.0.7,ep-1,worker-7\n10.0.0.8,ep-2,worker-8\n";
    let incident = incident(hosts(known), works("samples/worker-8.csv", 300));
    assert_eq!(told(&incident), used("GPU 3 of worker-8", "10.0.0.8"));
    let row = only(&incident);
    assert_eq!((row.from - NOON, row.until - NOON), (285 * SECOND, 300 * SECOND));
    assert_eq!((row.time, row.resolution, row.end), (row.from, 15_000_000_000, None));
    assert_eq!(incident.flow_clocks.each().collect::<Vec<_>>(), ["gpu-samples"]);
    assert!(incident.ends[row.destination as usize].is_gpu);
}

#[test]
fn a_machine_of_several_addresses_is_a_place_of_its_own() {
    let known = "address,run,host\n10.0.0.7,ep-1,worker-7\n10.0.0.8,ep-2,worker-7\n";
    let mut builder = Builder::new(hosts(known));
    for run in ["ep-1", "ep-2"] {
        let mut span = Span::new(run, SpanKind::Call, Origin::new(Path::new("t").into(), 0));
        span.start = Some(trace::Moment::new(Stamp::exact(NOON), trace::Means::CommandStarted));
        builder.span(trace::Format::Commands, span);
    }
    works("worker-7/gpu.csv", 300).for_each(|flow| builder.flow(Format::GpuSamples, flow).unwrap());
    let incident = builder.build().unwrap();
    assert_eq!(told(&incident), used("GPU 3 of worker-7", "worker-7"));
    let place = only(&incident).place.unwrap();
    assert!(incident.calls.iter().all(|call| call.places.contains(&place)));
}

#[test]
fn steady_use_is_counted_and_is_nobodys() {
    let incident = incident(Hosts::default(), works("a.csv", 0).chain(works("b.csv", 300)));
    assert_eq!(told(&incident), used("GPU 3 in b.csv", ""));
    assert_eq!(incident.left_out.gpus, GpusLeftOut { without_begin: 1, ..GpusLeftOut::default() });
}

#[test]
fn files_may_come_in_any_order_and_lines_may_not() {
    let named = |at, busy| {
        let mut flow = sample(if at < 500 { "gpu.csv.1" } else { "gpu.csv" }, at, busy);
        flow.sensor = Some("node-1".into());
        flow
    };
    let newer = (0..20).map(|at| named(1000 + 15 * at, 98.0));
    let older = (0..20).map(|at| named(15 * at, if at < 10 { 0.0 } else { 98.0 }));
    let late = [named(100, 0.0)];
    let incident = incident(Hosts::default(), newer.chain(older).chain(late));
    assert_eq!(told(&incident), used("GPU 3 of node-1", ""));
    assert_eq!(only(&incident).until - NOON, 150 * SECOND);
    assert_eq!((incident.left_out.gpus.without_begin, incident.left_out.gpus.out_of_order), (1, 1));
}

#[test]
fn a_program_that_comes_to_a_gpu_is_seen_by_the_rows_of_the_others() {
    let mut rows: Vec<Flow> = Vec::new();
    for at in (0..600).step_by(30) {
        rows.push(process(at, "/usr/bin/python3"));
        if (300..450).contains(&at) {
            rows.push(process(at, "/tmp/.x/xmrig-6.21"));
        }
    }
    let incident = incident(Hosts::default(), rows);
    assert_eq!(told(&incident), ("GPU 3 in apps.csv, /tmp/.x/xmrig-6.21", Some(""), MINED.to_owned()));
    let row = only(&incident);
    assert_eq!((row.from - NOON, row.until - NOON), (270 * SECOND, 300 * SECOND));
    assert_eq!(row.end, Some(NOON + 420 * SECOND));
    assert_eq!(incident.left_out.gpus.without_begin, 1, "python was there all the time");
}

#[test]
fn what_mines_is_known_by_the_name_of_its_file() {
    for program in ["xmrig", "/opt/T-Rex.exe", r"C:\mine\lolMiner.exe", "nbminer_cuda"] {
        assert!(mines(program), "{program}");
    }
    for program in ["python3", "/opt/xmrig/train.py", "minerva", "", "trexel"] {
        assert!(!mines(program), "{program}");
    }
}

/// A call each minute; the GPU rests until that of the 20th minute, which works on.
#[test]
fn the_call_that_began_it_is_among_those_that_may_have() {
    let mut builder = Builder::new(Hosts::default());
    for call in 0..40 {
        let mut span = Span::new("ep-1", SpanKind::Call, Origin::new(Path::new("t").into(), 0));
        (span.order, span.command) = (call, Some("./train".into()));
        let start = Stamp::exact(NOON + 60 * call.cast_signed() * SECOND);
        let end = Stamp::exact(start.nanos + 50 * SECOND);
        span.start = Some(trace::Moment::new(start, trace::Means::CommandStarted));
        span.end = Some(trace::Moment::new(end, trace::Means::CommandEnded));
        builder.span(trace::Format::Commands, span);
    }
    let busy = |at: i64| if at < 1205 { 0.0 } else { 99.0 };
    (0..300).for_each(|at| builder.flow(Format::GpuSamples, sample("x", 10 * at, busy(10 * at))).unwrap());
    let incident = builder.build().unwrap();
    let found = attribute(&incident, Skew::Auto).unwrap().all(&incident).unwrap();
    let [(_, answer)] = &found[..] else { panic!("one stretch: {found:?}") };
    assert_eq!(answer.untold, None, "both state their zones");
    let is_it = |(call, probability): &(usize, f64)| *call == 20 && *probability > 0.1;
    assert!(answer.candidates.iter().any(is_it), "{answer:?}");
}
