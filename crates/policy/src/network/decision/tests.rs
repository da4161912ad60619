use proptest::prelude::*;

use super::*;
use crate::Policy;

const POLICY: &str = "\
version: 1
network:
  allow:
    - { host: '*.example.org', ports: [443, 8443], protocol: tls }
    - { host: git.example.org, ports: [22], protocol: ssh }
    - { host: git.example.org, ports: [443], protocol: tls, private: true }
    - { host: web.example, ports: [80], protocol: http }
    - { host: web.example, ports: [80], protocol: websocket }
    - { host: any.example, ports: [9000], protocol: tcp }
    - { address: 10.1.2.0/24, ports: [5432], protocol: postgres }
    - { address: 0.0.0.0/0, ports: [8080], protocol: http }
    - { address: 169.254.169.254, ports: [80], protocol: http }
  hosts: { db.internal: 10.1.2.3, far.internal: 10.9.9.9 }
";

fn network() -> Network {
    Policy::parse(POLICY, "policy.yaml").unwrap_or_else(|error| panic!("{error:#}")).network().clone()
}

fn decide(host: &str, port: u16, protocol: Protocol, claim: Claim<'_>) -> Result<usize, &'static str> {
    let network = network();
    let destination = Destination::parse(host).unwrap();
    network.decide(&destination, port, protocol, claim).map(Rule::line).map_err(|refusal| refusal.name())
}

fn tls<'a>(name: impl Into<Option<&'a str>>) -> Claim<'a> {
    Claim::ServerName { name: name.into(), is_hidden: false }
}

#[test]
fn the_closest_rule_is_told() {
    assert_eq!(decide("a.example.org", 443, Protocol::Tls, tls("a.example.org")), Ok(4));
    assert_eq!(decide("git.example.org", 443, Protocol::Tls, tls("GIT.example.org.")), Ok(6));
    assert_eq!(decide("git.example.org", 8443, Protocol::Tls, tls("git.example.org")), Ok(4));
    assert_eq!(decide("git.example.org", 22, Protocol::Ssh, Claim::None), Ok(5));
    assert_eq!(decide("10.1.2.3", 5432, Protocol::Postgres, Claim::None), Ok(10));
    assert_eq!(decide("::ffff:10.1.2.3", 5432, Protocol::Postgres, Claim::None), Ok(10));
    assert_eq!(decide("1.1.1.1", 8080, Protocol::Http, Claim::Host(Some("anything"))), Ok(11));
}

#[test]
fn what_is_not_listed_is_refused_and_why() {
    for (host, port, protocol, reason) in [
        ("example.org", 443, Protocol::Tls, "name-not-allowed"),
        ("a.b.example.org", 443, Protocol::Tls, "name-not-allowed"),
        ("far.internal", 5432, Protocol::Postgres, "name-not-allowed"),
        ("a.example.org", 22, Protocol::Ssh, "port-not-allowed"),
        ("a.example.org", 443, Protocol::Ssh, "protocol-not-allowed"),
        ("a.example.org", 443, Protocol::Unknown, "protocol-unknown"),
        ("git.example.org", 22, Protocol::Tls, "protocol-not-allowed"),
        ("10.1.3.3", 5432, Protocol::Postgres, "special-address"),
        ("2606:4700::1111", 443, Protocol::Tls, "address-not-allowed"),
        ("64:ff9b::10.1.2.3", 5432, Protocol::Postgres, "address-not-allowed"),
        ("127.0.0.1", 8080, Protocol::Http, "special-address"),
        ("1.1.1.1", 443, Protocol::Tls, "port-not-allowed"),
        ("198.18.0.1", 8080, Protocol::Http, "special-address"),
    ] {
        assert_eq!(decide(host, port, protocol, Claim::None), Err(reason), "{host}");
    }
    let nothing = Network::default();
    let anywhere = Destination::Address(IpAddr::from([1, 1, 1, 1]));
    assert!(nothing.candidates(&anywhere, 443).is_err());
}

#[test]
fn a_claim_has_to_be_the_name_that_was_asked_for() {
    let at = |claim| decide("a.example.org", 443, Protocol::Tls, claim);
    assert_eq!(at(tls(None)), Err("server-name-missing"));
    assert_eq!(at(tls("b.example.org")), Err("server-name-differs"));
    assert_eq!(at(tls("")), Err("server-name-differs"));
    let hidden = Claim::ServerName { name: Some("a.example.org"), is_hidden: true };
    assert_eq!(at(hidden), Err("server-name-hidden"));

    let at = |host| decide("web.example", 80, Protocol::Http, Claim::Host(host));
    assert_eq!(at(Some("web.example")), Ok(7));
    assert_eq!(at(Some("WEB.example.:80")), Ok(7));
    assert_eq!(at(Some("web.example:")), Ok(7));
    assert_eq!(at(None), Err("host-missing"));
    for host in [
        "web.example:81",
        "web.example:80:80",
        "web.example:+80",
        "evil.example",
        "",
        "web.example@evil",
        ":80",
    ] {
        assert_eq!(at(Some(host)), Err("host-differs"), "{host}");
    }
    assert_eq!(decide("web.example", 80, Protocol::Websocket, Claim::Host(Some("web.example"))), Ok(8));
    assert_eq!(decide("any.example", 9000, Protocol::Tls, tls("evil.example")), Ok(9));
    assert_eq!(decide("any.example", 9000, Protocol::Unknown, Claim::None), Ok(9));
}

#[test]
fn a_static_name_is_allowed_by_its_address_too() {
    assert_eq!(decide("db.internal", 5432, Protocol::Postgres, Claim::None), Ok(10));
    assert_eq!(decide("db.internal", 443, Protocol::Tls, Claim::None), Err("port-not-allowed"));
    let network = network();
    let could = |name: &str| network.could_allow(&name.parse().unwrap());
    assert!(
        could("db.internal") && could("x.example.org") && !could("far.internal") && !could("example.org")
    );
    assert!(network.is_branch("example.org") && network.is_branch("org") && network.is_branch("internal"));
    assert!(!network.is_branch("com"));
}

#[test]
fn what_a_name_led_to_is_dialled_where_its_rules_say_so() {
    let network = network();
    let admit = |host: &str, port, address: &str| {
        network.candidates(&Destination::parse(host).unwrap(), port).unwrap().admit(address.parse().unwrap())
    };
    assert!(admit("a.example.org", 443, "93.184.215.14"));
    for address in
        ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1", "100.64.0.1", "::1"]
    {
        assert!(!admit("a.example.org", 443, address), "{address}");
        assert!(!admit("git.example.org", 22, address), "{address}");
        let is_metadata = address == "169.254.169.254";
        assert_eq!(admit("git.example.org", 443, address), !is_metadata, "{address}");
    }
    assert!(!admit("git.example.org", 443, "224.0.0.1"));
    assert!(!admit("git.example.org", 443, "fd00:ec2::254"));
    // A metadata service is reached by the one rule that names it.
    assert_eq!(decide("169.254.169.254", 80, Protocol::Http, Claim::None), Ok(12));
    assert_eq!(decide("169.254.169.254", 8080, Protocol::Http, Claim::None), Err("port-not-allowed"));
}

#[test]
fn the_sandboxs_own_loopback_is_known_in_every_dress() {
    let own = |text: &str| Destination::parse(text).unwrap().is_own_loopback();
    for text in ["localhost", "a.LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"] {
        assert!(own(text), "{text}");
    }
    for text in ["localhost.example", "128.0.0.1", "::2", "64:ff9b::7f00:1", "0.0.0.0"] {
        assert!(!own(text), "{text}");
    }
}

#[test]
fn every_refusal_is_a_sentence() {
    let network = network();
    let refusal = |host: &str, port, protocol, claim| {
        let destination = Destination::parse(host).unwrap();
        network.decide(&destination, port, protocol, claim).unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        [
            refusal("evil.example", 443, Protocol::Tls, Claim::None),
            refusal("8.8.8.8", 53, Protocol::Dns, Claim::None),
            refusal("127.0.0.1", 8080, Protocol::Http, Claim::None),
            refusal("web.example", 80, Protocol::Stratum, Claim::None),
            refusal("web.example", 80, Protocol::Unknown, Claim::None),
            refusal("a.example.org", 443, Protocol::Tls, tls(None)),
            refusal("a.example.org", 443, Protocol::Tls, tls("evil\u{1b}[2J")),
            refusal(
                "a.example.org",
                443,
                Protocol::Tls,
                Claim::ServerName { name: Some("a.example.org"), is_hidden: true }
            ),
            refusal("web.example", 80, Protocol::Http, Claim::Host(None)),
            refusal("web.example", 80, Protocol::Http, Claim::Host(Some("evil.example"))),
        ]
        .join("\n")
    );
}

fn destinations() -> impl Strategy<Value = Destination> {
    let names = prop::sample::select(vec![
        "a.example.org",
        "git.example.org",
        "example.org",
        "web.example",
        "any.example",
        "db.internal",
        "far.internal",
        "evil.example",
    ]);
    prop_oneof![
        names.prop_map(|name| Destination::Name(name.parse().unwrap())),
        any::<[u8; 4]>().prop_map(|octets| Destination::Address(octets.into())),
        any::<[u8; 16]>().prop_map(|octets| Destination::Address(octets.into())),
        any::<[u8; 4]>().prop_map(|[a, ..]| Destination::Address(IpAddr::from([10, 1, 2, a]))),
    ]
}

fn ports() -> impl Strategy<Value = u16> {
    prop_oneof![prop::sample::select(vec![22, 80, 443, 5432, 8080, 8443, 9000]), any::<u16>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn whoever_is_allowed_is_allowed_by_a_rule_that_covers_it(
        destination in destinations(),
        port in ports(),
        protocol in prop::sample::select(Protocol::ALL),
    ) {
        let network = network();
        if let Ok(rule) = network.decide(&destination, port, protocol, Claim::None) {
            prop_assert!(rule.has_port(port) && rule.protocol().covers(protocol));
            prop_assert!(network.allow().contains(rule));
            match &destination {
                Destination::Name(name) => prop_assert!(network.could_allow(name)),
                Destination::Address(address) => prop_assert!(rule.admits(*address)),
            }
        }
    }

    #[test]
    fn a_rule_less_never_allows_more(
        destination in destinations(),
        port in ports(),
        protocol in prop::sample::select(Protocol::ALL),
        without in 0usize..9,
    ) {
        let all = network();
        let mut less = all.clone();
        less.allow.remove(without);
        let allowed = |network: &Network| network.decide(&destination, port, protocol, Claim::None).is_ok();
        prop_assert!(allowed(&all) || !allowed(&less));
    }

    #[test]
    fn a_mapped_address_is_the_address(octets: [u8; 4], port in ports()) {
        let network = network();
        let plain = Destination::Address(octets.into());
        let mapped = Destination::Address(std::net::Ipv4Addr::from(octets).to_ipv6_mapped().into());
        let reason = |to: &Destination| network.candidates(to, port).map(|_| ()).map_err(|refusal| refusal.name());
        prop_assert_eq!(reason(&plain), reason(&mapped));
    }
}
