#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;

use intake::Stamp;
use trace::{Means, Moment, Span, SpanKind};

use super::*;

fn origin() -> Origin {
    Origin::new(Path::new("x").into(), 0)
}

pub(super) fn span(run: &str, order: u64, start: Option<i64>, command: &str) -> Span {
    let mut span = Span::new(run, SpanKind::Call, origin());
    span.order = order;
    span.command = Some(command.into());
    span.start = start.map(|at| Moment::new(Stamp::exact(at * 1_000_000_000), Means::ModelFinished));
    span
}

pub(super) fn flow(time: i64, source: &str) -> ::flows::Flow {
    let time = ::flows::Moment::new(Stamp::exact(time * 1_000_000_000), ::flows::Means::Began);
    let mut flow = ::flows::Flow::new(::flows::FlowKind::Flow, time, origin());
    flow.source = source.parse().ok();
    flow.destination = "203.0.113.7".parse().ok();
    flow.destination_port = Some(3333);
    flow
}

pub(crate) fn hosts(table: &str) -> Hosts {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.csv");
    std::fs::write(&file, table).unwrap();
    Hosts::read([&file], &intake::Clock::default()).unwrap().0
}

#[test]
fn runs_and_flows_meet_at_the_address_of_the_host_map() {
    let mut builder = Builder::new(hosts("address,run\n10.0.0.1,a\n10.0.0.2,b\n10.0.0.2,c\n"));
    for run in ["a", "b", "c", "unknown"] {
        builder.span(trace::Format::Commands, span(run, 0, Some(1), "ls"));
    }
    builder.flow(::flows::Format::Eve, flow(2, "10.0.0.2")).unwrap();
    builder.flow(::flows::Format::Eve, flow(2, "192.0.2.1")).unwrap();
    let incident = builder.build().unwrap();
    let at = |call: usize| {
        incident.calls[call].places.iter().map(|place| incident.places.text(*place)).collect::<Vec<_>>()
    };
    assert_eq!((at(0), at(1), at(2), at(3)), (vec!["10.0.0.1"], vec!["10.0.0.2"], vec!["10.0.0.2"], vec![]));
    let places: Vec<_> = incident.flows.all().unwrap().iter().map(|flow| flow.place).collect();
    assert_eq!(places, [Some(incident.calls[2].places[0]), None]);
    assert_eq!((incident.left_out.spans_without_place, incident.left_out.flows_without_place), (1, 1));
}

#[test]
fn an_end_that_nobody_tells_is_the_next_begin() {
    let mut builder = Builder::new(Hosts::default());
    for (order, start) in [(0, Some(10)), (1, Some(15)), (2, None)] {
        builder.span(trace::Format::Commands, span("a", order, start, "ls"));
    }
    let incident = builder.build().unwrap();
    let ends: Vec<i64> = incident.calls.iter().map(|call| call.end / 1_000_000_000).collect();
    assert_eq!(ends, [15, 615]);
    assert_eq!(incident.left_out.spans_without_time, 1);
}

#[test]
fn who_runs_a_script_names_whom_it_names() {
    let mut builder = Builder::new(Hosts::default());
    builder.span(
        trace::Format::Commands,
        span("a", 0, Some(1), "echo 'connect pool.example.com' > /tmp/run.sh"),
    );
    builder.span(trace::Format::Commands, span("a", 1, Some(2), "ls"));
    builder.span(trace::Format::Commands, span("a", 2, Some(3), "bash /tmp/run.sh"));
    builder.span(trace::Format::Commands, span("b", 0, Some(3), "bash /tmp/run.sh"));
    let incident = builder.build().unwrap();
    let by_file: Vec<_> =
        incident.calls.iter().map(|call| (call.by_file_of, call.names.is_empty())).collect();
    assert_eq!(by_file, [(None, false), (None, true), (Some(0), false), (None, true)]);
}

#[test]
fn a_flow_has_the_name_that_its_source_was_told() {
    let mut builder = Builder::new(Hosts::default());
    let mut lookup = flow(1, "10.0.0.1");
    lookup.kind = ::flows::FlowKind::Lookup;
    lookup.destination_name = Some("pool.example.com".into());
    lookup.answers = vec!["203.0.113.7".parse().unwrap()];
    builder.flow(::flows::Format::Eve, lookup).unwrap();
    for source in ["10.0.0.1", "10.0.0.2"] {
        builder.flow(::flows::Format::Eve, flow(2, source)).unwrap();
    }
    let incident = builder.build().unwrap();
    let flows = incident.flows.all().unwrap();
    let to: Vec<&str> = flows.iter().map(|flow| incident.destinations.text(flow.destination)).collect();
    assert_eq!(to, ["pool.example.com", "pool.example.com", "203.0.113.7:3333"]);
}

/// Reads the same flows, more than one record of some, with room for so many bytes in memory.
fn kept(beyond: Option<usize>) -> Vec<FlowRow> {
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep { beyond: beyond.map(|bytes| (bytes, folder.path().to_owned())) };
    let mut builder = Builder::keeping(hosts("address,run\n10.0.0.1,a\n10.0.0.2,b\n"), keep);
    for number in 0..500_u64 {
        let mut one = flow(number as i64, &format!("10.0.0.{}", number % 3 + 1));
        // The first are told of again, much later.
        one.connection = Some(::flows::Connection::Number(number % 450));
        one.bytes_out = Some(number);
        builder.flow(::flows::Format::Eve, one).unwrap();
    }
    let mut incident = builder.build().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files that nobody else sees");
    crate::classify::classify(&mut incident).unwrap();
    incident.flows.all().unwrap()
}

#[test]
fn what_lies_in_files_is_the_same() {
    let in_memory = kept(None);
    assert!(
        in_memory.len() == 450 && in_memory.iter().any(|row| row.number < 50 && row.bytes.0 >= Some(450)),
        "{}",
        in_memory.len()
    );
    assert!(in_memory.iter().all(|row| row.class.as_deref() == Some("mining.port")));
    assert!(in_memory.iter().all(|row| row.resolution == 1_000_000_000), "whole seconds");
    for bytes in [0, 1000, 30_000] {
        assert_eq!(kept(Some(bytes)), in_memory, "{bytes} bytes");
    }
}

#[test]
fn a_folder_without_room_is_named() {
    let keep = Keep { beyond: Some((0, "/nowhere".into())) };
    let mut builder = Builder::keeping(Hosts::default(), keep);
    let error = builder.flow(::flows::Format::Eve, flow(1, "10.0.0.1")).unwrap_err().to_string();
    assert!(error.contains("/nowhere") && error.contains("--memory"), "{error}");
}

#[test]
fn a_clock_is_as_fine_as_any_record_of_its_connections_shows() {
    let mut builder = Builder::new(Hosts::default());
    for (number, nanos) in (0..20_u64).map(|number| (number, 0)).chain([(7, 5_000_000)]) {
        let mut one = flow(number as i64, "10.0.0.1");
        one.time.stamp = Stamp::exact(one.time.stamp.nanos + nanos);
        one.connection = Some(::flows::Connection::Number(number));
        builder.flow(::flows::Format::Eve, one).unwrap();
    }
    let rows = builder.build().unwrap().flows.all().unwrap();
    assert_eq!((rows.len(), rows[7].time), (20, 7_005_000_000));
    assert!(rows.iter().all(|row| row.resolution < 1_000_000_000));
}

/// What was read of one connection, or of what has its id: the destinations.
fn destinations(flows: Vec<::flows::Flow>) -> Vec<String> {
    let mut builder = Builder::new(Hosts::default());
    for mut flow in flows {
        flow.connection.get_or_insert(::flows::Connection::Number(7));
        builder.flow(::flows::Format::Eve, flow).unwrap();
    }
    let incident = builder.build().unwrap();
    let rows = incident.flows.all().unwrap();
    rows.iter().map(|row| incident.destinations.text(row.destination).to_owned()).collect()
}

#[test]
fn a_name_that_is_told_late_is_no_less_a_name() {
    let alarm = || ::flows::Flow { kind: ::flows::FlowKind::Alarm, ..flow(1, "10.0.0.1") };
    let named = || ::flows::Flow { destination_name: Some("pool.example.com".into()), ..flow(1, "10.0.0.1") };
    assert_eq!(destinations(vec![alarm(), named()]), ["pool.example.com"]);
    assert_eq!(destinations(vec![named(), alarm()]), ["pool.example.com"]);
}

#[test]
fn questions_from_one_port_are_each_heard() {
    let lookup = |name: &str, answer: &str| ::flows::Flow {
        kind: ::flows::FlowKind::Lookup,
        destination_name: Some(name.into()),
        answers: vec![answer.parse().unwrap()],
        ..flow(1, "10.0.0.1")
    };
    let mut called = flow(2, "10.0.0.1");
    called.destination = "203.0.113.9".parse().ok();
    called.connection = Some(::flows::Connection::Number(8));
    let asked = || vec![lookup("a.example", "203.0.113.8"), lookup("b.example", "203.0.113.9")];
    let told = ["a.example", "b.example", "b.example"];
    assert_eq!(destinations(asked().into_iter().chain([called.clone()]).collect()), told);
    let connection_first = [flow(1, "10.0.0.1")].into_iter().chain(asked()).chain([called]);
    assert_eq!(destinations(connection_first.collect()), told, "a log of connections was read before");
}

#[test]
fn an_id_that_others_use_again_is_another_connection() {
    assert_eq!(destinations(vec![flow(1, "10.0.0.1"), flow(9, "10.0.0.2")]).len(), 2);
}

#[test]
fn no_name_is_that_of_what_we_put_together() {
    let named = |name: &str| {
        destinations(vec![::flows::Flow { destination_name: Some(name.into()), ..flow(1, "10.0.0.1") }])
            .remove(0)
    };
    assert_eq!(named("many hosts"), "\"many hosts\"");
    assert_eq!(named("gpu 0 of worker-7"), "\"gpu 0 of worker-7\"");
    assert_eq!(named("203.0.113.1:443"), "\"203.0.113.1:443\"");
    for plain in ["_sip.example.com", "bücher.example", "2001:db8::1"] {
        assert_eq!(named(plain), plain);
    }
}

#[test]
fn what_was_told_last_is_known_whatever_was_told_before() {
    let mut builder = Builder::new(Hosts::default());
    let lookup = |name: &str, answers: Vec<std::net::IpAddr>| ::flows::Flow {
        kind: ::flows::FlowKind::Lookup,
        destination_name: Some(name.into()),
        answers,
        ..flow(1, "10.0.0.1")
    };
    for many in 0..1100_u32 {
        let answers = (0..1000_u32).map(|one| std::net::Ipv4Addr::from(many * 1000 + one).into()).collect();
        builder.flow(::flows::Format::Eve, lookup("many.example", answers)).unwrap();
    }
    builder.flow(::flows::Format::Eve, lookup("b.example", vec!["203.0.113.7".parse().unwrap()])).unwrap();
    builder.flow(::flows::Format::Eve, flow(2, "10.0.0.1")).unwrap();
    let incident = builder.build().unwrap();
    let last = incident.flows.all().unwrap().pop().unwrap();
    assert_eq!(incident.destinations.text(last.destination), "b.example");
}

#[test]
fn a_call_keeps_the_file_inside_an_archive_that_it_was_read_in() {
    let mut builder = Builder::new(Hosts::default());
    let mut call = span("a", 0, Some(1), "ls");
    call.origin.member = Some("samples/1.json".into());
    let origin = call.origin.clone();
    builder.span(trace::Format::Inspect, call);
    let incident = builder.build().unwrap();
    assert_eq!((&incident.calls[0].origin, origin.name().as_str()), (&origin, "x!samples/1.json"));
}

/// A lookup, or a connection with this number.
fn numbered(number: u64, time: i64, name: Option<&str>, kind: ::flows::FlowKind) -> ::flows::Flow {
    let mut flow = flow(time, "10.0.0.1");
    (flow.kind, flow.connection) = (kind, Some(::flows::Connection::Number(number)));
    flow.destination_name = name.map(Into::into);
    if kind == ::flows::FlowKind::Lookup {
        flow.answers = flow.destination.replace([10, 0, 0, 53].into()).into_iter().collect();
        flow.destination_port = Some(53);
    }
    flow
}

#[test]
fn a_flow_has_the_name_that_was_told_before_it_began() {
    use ::flows::FlowKind::{Flow, Lookup};
    let all = vec![
        numbered(1, 10, Some("pool.example"), Lookup),
        numbered(2, 20, None, Flow),
        numbered(3, 30, Some("innocent.example"), Lookup),
        numbered(4, 40, None, Flow),
        // What was long open is logged when it ends, and one log may tell of what was before another's first line.
        numbered(5, 25, None, Flow),
        numbered(6, 5, None, Flow),
    ];
    let (pool, innocent) = ("pool.example", "innocent.example");
    assert_eq!(destinations(all), [pool, pool, innocent, innocent, pool, pool]);
}

#[test]
fn what_a_connection_says_itself_is_better_than_what_was_told_of_its_address() {
    use ::flows::FlowKind::{Flow, Lookup};
    let all = vec![
        numbered(1, 10, Some("other.example"), Lookup),
        numbered(2, 20, None, Flow),
        numbered(2, 20, Some("said.example"), Flow),
        numbered(2, 20, Some("again.example"), Flow),
    ];
    assert_eq!(destinations(all), ["other.example", "said.example"], "the first that is said stays");
}
