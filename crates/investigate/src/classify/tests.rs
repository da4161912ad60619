use std::path::Path;

use flows::{Action, Alarm, Flow, FlowKind, Format, Means, Moment};
use intake::{Origin, Stamp};

use super::*;
use crate::hosts::Hosts;
use crate::incident::Builder;

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
    let slow: Vec<Flow> = (0..30).map(|host| silent(10 * host, host)).collect();
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
