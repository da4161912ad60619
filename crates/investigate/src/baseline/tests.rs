#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;

use flows::{Alarm, Flow, FlowKind, Format, Means, Moment};
use intake::{Clock, Origin, Stamp};

use super::*;
use crate::classify::classify;
use crate::hosts::Hosts;
use crate::incident::{Builder, FlowRow, Incident};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
/// 2026-03-01T00:00:00Z.
const DAY: i64 = 1_772_323_200 * SECOND;

fn flow(host: u8, at: i64, to: &str, port: u16) -> Flow {
    let time = Moment::new(Stamp::exact(DAY + at), Means::Began);
    let mut flow = Flow::new(FlowKind::Flow, time, Origin::new(Path::new("x").into(), 0));
    flow.source = format!("10.0.0.{host}").parse().ok();
    flow.destination = to.parse().ok();
    flow.destination_port = Some(port);
    flow.bytes_in = Some(5000);
    flow
}

/// An upload.
fn upload(host: u8, at: i64, name: &str) -> Flow {
    let mut flow = flow(host, at, "203.0.113.9", 443);
    flow.destination_name = Some(name.into());
    flow.bytes_out = Some(50 << 20);
    flow
}

fn baseline(hosts: &Hosts, flows: impl IntoIterator<Item = Flow>) -> Baseline {
    let mut reader = Reader::new(hosts.clone());
    flows.into_iter().for_each(|flow| reader.flow(Format::Eve, flow).unwrap());
    reader.finish().unwrap()
}

/// So many hosts that each upload to the backup in so many hours.
fn backups(hosts: u8, hours: i64) -> Baseline {
    let each =
        (0..hosts).flat_map(|host| (0..hours).map(move |hour| upload(host, hour * HOUR, "backup.example")));
    baseline(&Hosts::default(), each)
}

fn beside(baseline: Baseline, flows: impl IntoIterator<Item = Flow>) -> Incident {
    let mut builder = Builder::new(Hosts::default());
    builder.baseline(baseline);
    flows.into_iter().for_each(|flow| builder.flow(Format::Eve, flow).unwrap());
    let mut incident = builder.build().unwrap();
    classify(&mut incident).unwrap();
    incident
}

fn classes(incident: &Incident) -> Vec<Option<String>> {
    let class = |row: &FlowRow| row.class.as_deref().map(str::to_owned);
    incident.flows.all().unwrap().iter().map(class).collect()
}

#[test]
fn what_many_places_do_at_many_hours_is_held_back_and_counted() {
    let uploads = || [upload(1, 100 * HOUR, "backup.example"), upload(1, 100 * HOUR, "drop.example")];
    let incident = beside(backups(5, 4), uploads());
    assert_eq!(classes(&incident), [None, Some("exfil.volume".to_owned())]);
    let report = compare::summary(&incident, &mut []).unwrap();
    assert_eq!(report.held_back, 1);
    let held = &report.held_back_to[0];
    assert_eq!((held.class.as_str(), held.destination.as_str()), ("exfil.volume", "backup.example"));
    assert_eq!((held.flows, held.baseline), (1, 20));
    for few in [backups(3, 40), backups(5, 2)] {
        let given = classes(&beside(few, uploads()));
        assert!(given.iter().all(Option::is_some), "a few may be culprits: {given:?}");
    }
}

#[test]
fn a_destination_that_is_merely_known_is_no_excuse() {
    let small = (0..9).flat_map(|host| {
        (0..9).map(move |hour| Flow { bytes_out: Some(900), ..upload(host, hour * HOUR, "backup.example") })
    });
    let incident = beside(baseline(&Hosts::default(), small), [upload(1, 100 * HOUR, "backup.example")]);
    assert_eq!(classes(&incident), [Some("exfil.volume".to_owned())]);
}

#[test]
fn what_others_say_stands_whatever_the_baseline_has() {
    let alarm = Alarm { signature: "data exfiltration".into(), category: None, severity: None };
    let alarmed = Flow { alarm: Some(alarm), ..upload(1, 0, "backup.example") };
    let told = Flow { class: Some("exfil.volume".into()), ..upload(1, 0, "backup.example") };
    let incident = beside(backups(5, 4), [alarmed, told]);
    assert!(classes(&incident).iter().all(|class| class.as_deref() == Some("exfil.volume")));
    assert!(incident.beside.unwrap().held_back.is_empty());
}

#[test]
fn pools_by_name_are_never_usual() {
    let pool = |host, at| {
        let mut flow = flow(host, at, "203.0.113.5", 443);
        flow.destination_name = Some("xmr-eu1.nanopool.org".into());
        flow
    };
    let unclean = (0..9).flat_map(|host| (0..9).map(move |hour| pool(host, hour * HOUR)));
    let incident = beside(baseline(&Hosts::default(), unclean), [pool(1, 100 * HOUR)]);
    assert_eq!(classes(&incident), [Some("mining.pool".to_owned())]);
}

#[test]
fn destinations_are_counted_and_beyond_the_bound_nothing_is_said() {
    let mut known = backups(2, 3);
    assert_eq!((known.calls("backup.example"), known.calls("pool.example")), (Some(6), Some(0)));
    known.to_others = 1;
    assert_eq!((known.calls("backup.example"), known.calls("pool.example")), (Some(6), None));
}

#[test]
fn names_that_were_told_hold_on_from_batch_to_batch() {
    let mut lookup = flow(1, 0, "10.0.0.53", 53);
    (lookup.kind, lookup.destination_name) = (FlowKind::Lookup, Some("files.example".into()));
    lookup.answers = vec!["203.0.113.7".parse().unwrap()];
    let mut reader = Reader::new(Hosts::default());
    reader.flow(Format::Eve, lookup).unwrap();
    reader.count().unwrap();
    reader.flow(Format::Eve, flow(1, SECOND, "203.0.113.7", 443)).unwrap();
    assert_eq!(reader.finish().unwrap().calls("files.example"), Some(2));
}

#[test]
fn hours_one_after_the_other_are_one_bout() {
    let ports = |host, hours: [i64; 5]| hours.map(|hour| flow(host, hour * HOUR + 7, "203.0.113.1", 3333));
    let quiet = (0..4).flat_map(|host| (0..10).map(move |hour| flow(host, hour * HOUR, "198.51.100.1", 443)));
    let here = quiet.chain(ports(1, [1, 2, 3, 7, 7])).chain(ports(2, [0, 2, 4, 6, 9]));
    let incident = beside(Baseline::default(), here);
    let traffic = &incident.beside.as_ref().unwrap().here;
    assert_eq!(
        (traffic.place_hours(), traffic.bouts("mining.port"), traffic.bouts("scan.hosts")),
        (40, 7, 0)
    );
}

/// So many hosts for ten hours each, of which the first few ask for a port of pools once.
fn hosts_for_ten_hours(hosts: u8, asking: u8) -> impl Iterator<Item = Flow> {
    let quiet =
        (0..hosts).flat_map(|host| (0..10).map(move |hour| flow(host, hour * HOUR, "198.51.100.1", 443)));
    quiet.chain((0..asking).map(|host| flow(host, 5 * HOUR, "203.0.113.1", 3333)))
}

#[test]
fn rates_are_compared_by_place_and_hour() {
    let incident =
        beside(baseline(&Hosts::default(), hosts_for_ten_hours(40, 2)), hosts_for_ten_hours(20, 12));
    let report = compare::summary(&incident, &mut []).unwrap();
    assert_eq!((report.place_hours_here, report.place_hours, &report.rates_untold), (200, 400, &None));
    let [rate] = &report.rates[..] else { panic!("one class: {:?}", report.rates) };
    assert_eq!((rate.class.as_str(), rate.here, rate.baseline), ("mining.port", 12, 2));
    assert!((rate.expected - 1.0).abs() < 1e-9 && (rate.ratio.unwrap() - 12.0).abs() < 1e-9, "{rate:?}");
    assert!(rate.p.unwrap() < 1e-3 && rate.q == rate.p, "{rate:?}");
    let few = beside(baseline(&Hosts::default(), hosts_for_ten_hours(40, 1)), hosts_for_ten_hours(20, 1));
    assert_eq!(compare::summary(&few, &mut []).unwrap().rates[0].p, None, "two can show nothing");
}

#[test]
fn machines_that_the_host_map_does_not_know_count_for_destinations_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.csv");
    std::fs::write(&file, "address,run\n192.0.2.1,a\n").unwrap();
    let hosts = Hosts::read([&file], &Clock::default()).unwrap().0;
    let baseline = baseline(&hosts, hosts_for_ten_hours(4, 0));
    assert_eq!(baseline.calls("198.51.100.1:443"), Some(40));
    let report = compare::summary(&beside(baseline, hosts_for_ten_hours(4, 1)), &mut []).unwrap();
    assert_eq!((report.records_elsewhere, report.place_hours, report.rates.len()), (40, 0, 0));
    assert!(report.rates_untold.is_some());
}

#[test]
fn without_a_baseline_nothing_is_claimed() {
    let mut builder = Builder::new(Hosts::default());
    builder.flow(Format::Eve, flow(1, 0, "203.0.113.1", 3333)).unwrap();
    let mut incident = builder.build().unwrap();
    classify(&mut incident).unwrap();
    assert_eq!(compare::summary(&incident, &mut []), None);
}
