use std::path::Path;

use flows::{Action, Alarm, Flow, FlowKind, Format, Means, Moment};
use intake::{Origin, Stamp};

use super::*;
use crate::hosts::Hosts;
use crate::incident::Builder;
use crate::incident::tests::hosts;

fn flow(seconds: i64, to: &str, port: u16) -> Flow {
    let time = Moment::new(Stamp::exact(seconds * 1_000_000_000), Means::Began);
    let mut flow = Flow::new(FlowKind::Flow, time, Origin::new(Path::new("x").into(), 0));
    flow.source = "10.0.0.1".parse().ok();
    flow.destination = to.parse().ok();
    flow.destination_port = Some(port);
    flow.bytes_in = Some(100);
    flow
}

fn classes(flows: Vec<Flow>) -> Vec<Option<String>> {
    let mut builder = Builder::new(Hosts::default());
    flows.into_iter().try_for_each(|flow| builder.flow(Format::Eve, flow)).unwrap();
    let mut incident = builder.build().unwrap();
    classify(&mut incident).unwrap();
    incident.flows.all().unwrap().iter().map(|flow| flow.class.as_deref().map(str::to_owned)).collect()
}

fn class(flow: Flow) -> Option<String> {
    classes(vec![flow]).remove(0)
}

#[test]
fn pools_by_name_protocol_and_port() {
    let named = |name: &str| Flow { destination_name: Some(name.into()), ..flow(1, "203.0.113.1", 443) };
    let speaks = |word: &str, port| Flow { application: Some(word.into()), ..flow(1, "203.0.113.1", port) };
    assert_eq!(class(named("xmr-eu1.nanopool.org")).as_deref(), Some("mining.pool"));
    assert_eq!(class(named("pypi.org")), None);
    assert_eq!(class(speaks("stratum", 443)).as_deref(), Some("mining.stratum"));
    assert_eq!(class(flow(1, "203.0.113.1", 3333)).as_deref(), Some("mining.port"));
    assert_eq!(class(speaks("http", 3333)), None);
    assert_eq!(class(flow(1, "10.0.0.9", 3333)), None, "a port inside is somebody's own service");
}

#[test]
fn ssh_that_is_no_fetch() {
    let ssh = |port, seconds: i64, name: Option<&str>| Flow {
        application: Some("ssh".into()),
        end: Some(Stamp::exact((1 + seconds) * 1_000_000_000)),
        destination_name: name.map(Into::into),
        ..flow(1, "203.0.113.1", port)
    };
    assert_eq!(class(ssh(22, 3600, None)).as_deref(), Some("tunnel.ssh"));
    assert_eq!(class(ssh(443, 5, None)).as_deref(), Some("tunnel.ssh"));
    assert_eq!(class(ssh(22, 20, None)), None);
    assert_eq!(class(ssh(22, 3600, Some("github.com"))), None);
}

#[test]
fn a_resolver_of_ones_own_makes_no_code_host() {
    let by = |resolver: &str| {
        let lookup = Flow {
            kind: FlowKind::Lookup,
            destination_name: Some("github.com".into()),
            answers: vec!["203.0.113.1".parse().unwrap()],
            ..flow(1, resolver, 53)
        };
        let end = Some(Stamp::exact(3_600_000_000_000));
        let ssh = Flow { application: Some("ssh".into()), end, ..flow(2, "203.0.113.1", 22) };
        classes(vec![lookup, ssh]).remove(1)
    };
    assert_eq!(by("203.0.113.1").as_deref(), Some("tunnel.ssh"));
    assert_eq!((by("10.0.0.53"), by("8.8.8.8")), (None, None));
}

#[test]
fn what_one_flow_shows_of_an_end_holds_for_all_that_go_there() {
    let to_relay =
        |port| Flow { destination_name: Some("relay.example".into()), ..flow(1, "203.0.113.1", port) };
    let tunnel = Flow { application: Some("ssh".into()), ..to_relay(2222) };
    let refused = Flow { action: Some(Action::Blocked), ..to_relay(2222) };
    let lookup = Flow { kind: FlowKind::Lookup, ..to_relay(53) };
    let fetched = Flow { application: Some("tls".into()), ..to_relay(443) };
    let found = classes(vec![refused, lookup, tunnel, fetched]);
    let found: Vec<_> = found.iter().map(Option::as_deref).collect();
    assert_eq!(found, [Some("tunnel.ssh"), Some("tunnel.ssh"), Some("tunnel.ssh"), None]);
}

#[test]
fn short_sessions_to_the_far_side_of_a_tunnel_are_tunnels_and_to_a_host_of_code_fetches() {
    // A log of a firewall knows no protocol.
    let ssh = |source: u8, at: i64, seconds: i64| Flow {
        application: source.is_multiple_of(2).then(|| "ssh".into()),
        end: Some(Stamp::exact((at + seconds) * 1_000_000_000)),
        source: format!("10.0.0.{source}").parse().ok(),
        ..flow(at, "203.0.113.1", 22)
    };
    let tunnels = |long: u8, short: u8| {
        let long = (0..long).map(|source| ssh(source, 1, 3600));
        let short = (0..short).map(|source| ssh(100 + source, 1, 10));
        classes(long.chain(short).collect()).iter().flatten().count()
    };
    assert_eq!((tunnels(3, 6), tunnels(3, 7)), (9, 3), "of most sessions a fetch is short");
    let from_one = (0..100).map(|at| ssh(0, at, 3600)).chain((0..9).map(|source| ssh(100 + source, 1, 10)));
    assert_eq!(classes(from_one.collect()).iter().flatten().count(), 100, "nobody makes it one for all");
    let waits = (0..4).map(|at| ssh(0, at, 120)).chain((0..8).map(|source| ssh(100 + source, 1, 4)));
    assert_eq!(classes(waits.collect()).iter().flatten().count(), 4, "nor for his neighbours");
}

#[test]
fn each_port_of_an_end_is_its_own_in_whatever_order_it_is_read() {
    let to = |port, application: Option<&str>| Flow {
        destination_name: Some("relay.example".into()),
        application: application.map(Into::into),
        ..flow(1, "203.0.113.1", port)
    };
    let lookup = Flow { kind: FlowKind::Lookup, ..to(53, None) };
    let mut all =
        vec![to(2222, Some("ssh")), to(4321, Some("stratum")), to(2222, None), to(4321, None), lookup];
    let told = |flows: Vec<Flow>| classes(flows).into_iter().flatten().collect::<Vec<_>>();
    let (tunnel, pool) = ("tunnel.ssh", "mining.stratum");
    assert_eq!(told(all.clone()), [tunnel, pool, tunnel, pool, pool]);
    all.swap(0, 1);
    assert_eq!(told(all), [pool, tunnel, tunnel, pool, pool]);
}

#[test]
fn one_flow_does_not_make_of_everybodys_index_a_tunnel() {
    let to_index = |source: &str, application: &str| Flow {
        destination_name: Some("pypi.org".into()),
        application: Some(application.into()),
        source: source.parse().ok(),
        ..flow(1, "203.0.113.1", 443)
    };
    let mut flows = vec![to_index("10.0.0.1", "ssh")];
    flows.extend((2..6).map(|host| to_index(&format!("10.0.0.{host}"), "tls")));
    flows.push(Flow { application: None, ..to_index("10.0.0.7", "") });
    let found = classes(flows);
    assert_eq!(found[0].as_deref(), Some("tunnel.ssh"));
    assert!(found[1..].iter().all(Option::is_none), "{found:?}");
}

#[test]
fn many_silent_hosts_within_a_minute_are_a_scan() {
    let silent = |at: i64, host: i64| Flow { bytes_in: Some(0), ..flow(at, &format!("10.1.0.{host}"), 22) };
    let scan: Vec<Flow> = (0..30).map(|host| silent(host, host)).collect();
    assert_eq!(classes(scan).iter().filter(|class| class.as_deref() == Some("scan.hosts")).count(), 30);
    let elsewhere =
        |at, host: i64| Flow { destination: format!("10.{host}.0.1").parse().ok(), ..silent(at, 1) };
    let slow: Vec<Flow> = (0..30).map(|host| elsewhere(10 * host, host)).collect();
    assert!(classes(slow).iter().all(Option::is_none));
    let answered: Vec<Flow> = (0..30).map(|host| flow(host, &format!("10.1.0.{host}"), 22)).collect();
    assert!(classes(answered).iter().all(Option::is_none));
    let refused: Vec<Flow> = (0..30)
        .map(|port| Flow { action: Some(Action::Blocked), ..flow(1, "10.1.0.1", 1000 + port) })
        .collect();
    assert_eq!(classes(refused).iter().flatten().count(), 30);
    let scan = (0..30).map(|host| silent(1, host));
    let after = [silent(5, 40), silent(7, 41)];
    let found = classes(scan.chain(after).collect());
    assert_eq!(found.iter().flatten().count(), 30, "what comes after a quick scan is something else");
}

#[test]
fn silent_neighbours_at_one_port_are_a_scan_though_it_is_slow() {
    let silent =
        |host: i64, port| Flow { bytes_in: Some(0), ..flow(100 * host, &format!("10.1.0.{host}"), port) };
    let found = |flows: Vec<Flow>| classes(flows).iter().flatten().count();
    assert_eq!(found((1..31).map(|host| silent(host, 22)).collect()), 30);
    assert_eq!(found((1..10).map(|host| silent(host, 22)).collect()), 0, "they are few");
    assert_eq!(
        found((1..31).map(|host| silent(host, 1000 + host as u16)).collect()),
        0,
        "no port is looked for"
    );
    assert_eq!(found((1..31).map(|host| silent(10 * host, 22)).collect()), 0, "they are few within an hour");
    let named = |name: String, flow| Flow { destination_name: Some(name.into()), ..flow };
    let one_name = |host| named("all.example.com".into(), silent(host, 443));
    assert_eq!(found((1..31).map(one_name).collect()), 30, "a name of one's own hides nothing inside");
    let outside =
        |host: i64| Flow { destination: format!("203.0.113.{host}").parse().ok(), ..silent(host, 443) };
    assert_eq!(found((1..31).map(outside).collect()), 30);
    let service = |host| named("store.example.com".into(), outside(host));
    assert_eq!(found((1..31).map(service).collect()), 0, "one service has many addresses");
    let by_proxy = |host: i64| {
        named(
            format!("site-{host}.example.com"),
            Flow { action: Some(Action::Blocked), ..flow(100 * host, "203.0.113.8", 3128) },
        )
    };
    assert_eq!(found((1..31).map(by_proxy).collect()), 0, "one proxy has many names");
    let asked = |host: i64| Flow { kind: FlowKind::Lookup, ..by_proxy(host) };
    assert_eq!(found((1..31).map(asked).collect()), 0, "a name that is refused is no host");
    let overlay = |host| Flow { bytes_out: Some(50 << 20), ..silent(host, 4789) };
    assert_eq!(found((1..31).map(overlay).collect()), 0, "what sends much looks for nothing");
    let six =
        |host: i64| Flow { destination: format!("2001:db8::{host:x}").parse().ok(), ..silent(host, 22) };
    assert_eq!(found((1..31).map(six).collect()), 30);
}

#[test]
fn one_name_for_a_whole_network_hides_no_quick_scan() {
    let lookup = Flow {
        kind: FlowKind::Lookup,
        destination_name: Some("all.example.org".into()),
        answers: (1..255).map(|host| format!("10.1.0.{host}").parse().unwrap()).collect(),
        ..flow(1, "198.51.100.53", 53)
    };
    let silent = |host: i64| Flow { bytes_in: Some(0), ..flow(2 + host / 10, &format!("10.1.0.{host}"), 22) };
    let all: Vec<_> = std::iter::once(lookup).chain((1..255).map(silent)).collect();
    assert_eq!(classes(all).iter().flatten().count(), 254);
}

#[test]
fn times_at_the_ends_of_what_can_be_told_are_times() {
    let at = |nanos: i64, host: u8| Flow {
        time: Moment::new(Stamp::exact(nanos), Means::Began),
        bytes_in: Some(0),
        ..flow(1, &format!("10.1.0.{host}"), 22)
    };
    let earliest = (0..3).map(|host| at(i64::MIN, host));
    let late = (3..12).map(|host| at(i64::MAX - 10_000_000_000, host));
    let found = classes(earliest.chain(late).chain([at(i64::MAX, 12)]).collect());
    assert_eq!(found.iter().flatten().count(), 10, "those of one hour");
}

/// An upload of a run of a thousand.
fn sent(seconds: i64, from: &str, mebibytes: u64) -> Flow {
    let source = from.parse().ok();
    Flow {
        source,
        bytes_out: Some(mebibytes << 20),
        bytes_in: Some(5000),
        ..flow(seconds, "203.0.113.1", 443)
    }
}

#[test]
fn much_that_is_sent_in_pieces_is_much() {
    let pieces = |every: i64| classes((0..9).map(|piece| sent(every * piece, "10.0.0.1", 4)).collect());
    assert!(pieces(60).iter().all(|class| class.as_deref() == Some("exfil.volume")));
    assert!(pieces(2000).iter().all(Option::is_none), "8 MiB within an hour");
    let to_port =
        |piece: i64| Flow { destination_port: Some(1000 + piece as u16), ..sent(piece, "10.0.0.1", 4) };
    assert!(classes((0..9).map(to_port).collect()).iter().all(Option::is_some), "to one address");
    let mut from_two: Vec<_> =
        (0..4).map(|piece| sent(piece, ["10.0.0.1", "10.0.0.2"][piece as usize % 2], 4)).collect();
    assert!(classes(from_two.clone()).iter().all(Option::is_none), "each sent 8 MiB");
    from_two.push(Flow { bytes_in: Some(100 << 20), ..sent(9, "10.0.0.1", 4) });
    assert!(classes(from_two).iter().all(Option::is_none), "what got more is no upload");
}

#[test]
fn much_that_many_places_send_in_few_runs_is_not_usual() {
    let from_everywhere = |runs: u64| {
        let lines = (0..40).map(|host| format!("10.0.0.{host},r{host}\n"));
        let mut builder = Builder::new(hosts(&format!("address,run\n{}", lines.collect::<String>())));
        for run in 0..runs {
            let mut span = trace::Span::new(
                &*format!("r{run}"),
                trace::SpanKind::Call,
                Origin::new(Path::new("x").into(), 0),
            );
            let start = trace::Moment::new(Stamp::exact(1_000_000_000), trace::Means::ModelFinished);
            (span.command, span.start) = (Some("ls".into()), Some(start));
            builder.span(trace::Format::Commands, span);
        }
        for host in 0..40 {
            builder.flow(Format::Eve, sent(host, &format!("10.0.0.{host}"), 50)).unwrap();
        }
        let mut incident = builder.build().unwrap();
        classify(&mut incident).unwrap();
        let rows = incident.flows.all().unwrap();
        rows.iter().filter(|row| row.class.as_deref() == Some("exfil.volume")).count()
    };
    assert_eq!((from_everywhere(400), from_everywhere(399)), (40, 0));
}

#[test]
fn much_that_is_sent_where_few_go() {
    let sent = |out| Flow { bytes_out: Some(out), bytes_in: Some(5000), ..flow(1, "203.0.113.1", 443) };
    assert_eq!(class(sent(50 << 20)).as_deref(), Some("exfil.volume"));
    assert_eq!(class(sent(1 << 20)), None);
}

#[test]
fn what_an_alarm_says_and_what_is_known_already() {
    let alarm = |text: &str| Flow {
        alarm: Some(Alarm { signature: text.into(), category: None, severity: None }),
        ..flow(1, "203.0.113.1", 443)
    };
    assert_eq!(class(alarm("ET COINMINER Known pool")).as_deref(), Some("mining.pool"));
    assert_eq!(class(alarm("policy violation")), None);
    let known = Flow { class: Some("tunnel.socks".into()), ..alarm("xmrig") };
    assert_eq!(class(known).as_deref(), Some("tunnel.socks"));
}

#[test]
fn a_class_is_malicious_by_its_family() {
    for class in ["exfil.volume", "mining", "tunnel.reverse-ssh", "shell.reverse", "theft.metadata-service"] {
        assert!(names_malice(class), "{class}");
    }
    assert!(["package", "miningful", "", "escape.kernel"].iter().all(|class| !names_malice(class)));
    let real = crate::truth::Class::ALL;
    assert!(real.iter().all(|class| names_malice(class.name()) == class.malicious()));
}
