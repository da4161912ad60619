use hickory_proto::op::{Edns, MessageType};
use hickory_proto::rr::RData;
use policy::Policy;
use proptest::prelude::*;

use super::*;

fn network() -> Network {
    let source = "version: 1\nnetwork:\n  allow:\n    - { host: '*.example.org', ports: [443], protocol: tls }\n    - { address: 10.1.2.0/24, ports: [22], protocol: ssh }\n  hosts: { git.internal: 10.1.2.3 }\n";
    Policy::parse(source, "policy.yaml").unwrap().network().clone()
}

fn query(name: &str, wanted: RecordType) -> Message {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name_of(name), wanted));
    query
}

/// A name as it stands, however odd its labels are.
fn name_of(text: &str) -> Name {
    let labels = text
        .split('.')
        .filter(|label| !label.is_empty())
        .map(|label| label.replace("[dot]", ".").into_bytes());
    Name::from_labels(labels.collect::<Vec<_>>()).unwrap()
}

fn send(resolver: &mut Resolver, bytes: &[u8]) -> (Option<Message>, Option<QueryRecord>) {
    let answer = resolver.answer(bytes, Transport::Udp, &network(), Instant::now());
    (answer.response.map(|bytes| Message::from_vec(&bytes).unwrap()), answer.record)
}

fn ask_of(resolver: &mut Resolver, query: &Message) -> Message {
    let reply = send(resolver, &query.to_vec().unwrap()).0.unwrap();
    assert_eq!((reply.metadata.id, &reply.queries), (query.metadata.id, &query.queries));
    assert!(reply.metadata.message_type == MessageType::Response && reply.metadata.recursion_available);
    assert!(!reply.metadata.authoritative && !reply.metadata.authentic_data && !reply.metadata.truncation);
    reply
}

fn ask(name: &str, wanted: RecordType) -> Message {
    ask_of(&mut Resolver::default(), &query(name, wanted))
}

fn addresses(reply: &Message) -> Vec<String> {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn an_allowed_name_has_one_address_of_each_family() {
    let mut resolver = Resolver::default();
    let v4 = ask_of(&mut resolver, &query("a.example.org.", RecordType::A));
    assert_eq!(
        (v4.metadata.response_code, addresses(&v4)),
        (ResponseCode::NoError, vec!["198.18.0.1".to_owned()])
    );
    let v6 = ask_of(&mut resolver, &query("A.eXample.org.", RecordType::AAAA));
    assert_eq!(addresses(&v6), ["fd61:7572:656c::1"]);
    assert!(v4.authorities.is_empty() && v4.answers[0].ttl > 0);
    // As it was asked, so that a client that mixes the case (0x20) finds it again.
    assert!(v6.queries[0].name.eq_case(&Name::from_ascii("A.eXample.org.").unwrap()));
    assert!(v6.answers[0].name.eq_case(&v6.queries[0].name));
    assert_eq!(addresses(&ask_of(&mut resolver, &query("b.example.org.", RecordType::ANY))).len(), 2);
    assert_eq!(addresses(&ask("git.internal.", RecordType::A)), ["198.18.0.1"]);
    let name = resolver.pool().name("198.18.0.1".parse().unwrap()).unwrap();
    assert_eq!(name.as_str(), "a.example.org");
}

#[test]
fn other_types_of_an_allowed_name_have_no_data() {
    for wanted in [
        RecordType::HTTPS,
        RecordType::SVCB,
        RecordType::MX,
        RecordType::TXT,
        RecordType::SOA,
        RecordType::NS,
        RecordType::DS,
        RecordType::CNAME,
        RecordType::PTR,
        RecordType::Unknown(65_280),
    ] {
        let reply = ask("a.example.org.", wanted);
        assert_eq!(
            (reply.metadata.response_code, reply.answers.len()),
            (ResponseCode::NoError, 0),
            "{wanted}"
        );
        assert!(matches!(reply.authorities[0].data, RData::SOA(_)), "{wanted}");
    }
    // Branches exist, or a client that knows RFC 8020 takes all below them for absent.
    for branch in ["example.org.", "org.", "internal.", "."] {
        assert_eq!(ask(branch, RecordType::A).metadata.response_code, ResponseCode::NoError, "{branch}");
    }
}

#[test]
fn any_other_name_does_not_exist() {
    for name in [
        "evil.example.",
        "c2VjcmV0.evil.example.",
        "a.b.example.org.",
        "com.",
        "a[dot]b.example.org.",
        "\0.org.",
        "1.0.0.127.in-addr.arpa.evil.",
        "4.3.2.1.in-addr.arpa.",
    ] {
        for wanted in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::HTTPS, RecordType::PTR] {
            let mut resolver = Resolver::default();
            let (reply, record) = send(&mut resolver, &query(name, wanted).to_vec().unwrap());
            let reply = reply.unwrap();
            assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{name} {wanted}");
            assert!(reply.answers.is_empty() && matches!(reply.authorities[0].data, RData::SOA(_)));
            let record = record.unwrap();
            assert_eq!((record.outcome, record.record_type), (Outcome::NotAllowed, Some(wanted.to_string())));
            assert_eq!(record.name, Some(name_of(name).to_ascii()));
            assert!(resolver.pool().is_empty());
        }
    }
}

#[test]
fn localhost_is_the_sandboxs_own() {
    assert_eq!(addresses(&ask("localhost.", RecordType::A)), ["127.0.0.1"]);
    assert_eq!(addresses(&ask("x.LOCALHOST.", RecordType::AAAA)), ["::1"]);
    assert_eq!(ask("localhost.", RecordType::MX).metadata.response_code, ResponseCode::NoError);
    assert_eq!(addresses(&ask("1.0.0.127.in-addr.arpa.", RecordType::PTR)), ["localhost."]);
}

#[test]
fn synthetic_addresses_have_their_name() {
    let mut resolver = Resolver::default();
    ask_of(&mut resolver, &query("a.example.org.", RecordType::A));
    let pointer = ask_of(&mut resolver, &query("1.0.18.198.in-addr.arpa.", RecordType::PTR));
    assert_eq!(addresses(&pointer), ["a.example.org."]);
    let digits = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.6.5.6.2.7.5.7.1.6.d.f.ip6.arpa.";
    assert_eq!(addresses(&ask_of(&mut resolver, &query(digits, RecordType::PTR))), ["a.example.org."]);
    let unknown = ask_of(&mut resolver, &query("2.0.18.198.in-addr.arpa.", RecordType::PTR));
    assert_eq!(unknown.metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn edns_comes_back_where_it_came() {
    let mut with = query("evil.example.", RecordType::A);
    assert!(ask_of(&mut Resolver::default(), &with).edns.is_none());
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    with.set_edns(edns);
    let reply = ask_of(&mut Resolver::default(), &with);
    let edns = reply.edns.unwrap();
    assert!(edns.flags().dnssec_ok && edns.version() == 0 && edns.max_payload() == 1232);
    assert!(edns.option(15u16.into()).is_some(), "no reason");
    with.edns.as_mut().unwrap().set_version(1);
    let reply = ask_of(&mut Resolver::default(), &with);
    // BADVERS, which shares its number with BADSIG.
    assert_eq!(u16::from(reply.metadata.response_code), 16);
}

#[test]
fn what_no_client_asks_is_refused() {
    let mut resolver = Resolver::default();
    for wanted in [RecordType::AXFR, RecordType::IXFR] {
        let reply = ask("a.example.org.", wanted);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::Refused, 0));
    }
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries[0].query_class = DNSClass::CH;
    assert_eq!(ask_of(&mut resolver, &chaos).metadata.response_code, ResponseCode::Refused);
    let mut two = query("a.example.org.", RecordType::A);
    two.add_query(Query::query(Name::from_ascii("b.example.org.").unwrap(), RecordType::A));
    let reply = send(&mut resolver, &two.to_vec().unwrap()).0.unwrap();
    assert_eq!((reply.metadata.response_code, reply.metadata.id), (ResponseCode::FormErr, two.metadata.id));
    let mut update = query("a.example.org.", RecordType::A).to_vec().unwrap();
    update[2] |= 5 << 3;
    let answer = resolver.answer(&update, Transport::Tcp, &network(), Instant::now());
    assert_eq!(
        answer.response.unwrap(),
        [update[0], update[1], 0x80 | 5 << 3 | 1, 0x84, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert!(resolver.pool().is_empty());
}

#[test]
fn what_is_no_query_gets_no_reply() {
    let mut resolver = Resolver::default();
    let mut response = query("a.example.org.", RecordType::A).to_vec().unwrap();
    response[2] |= 0x80;
    for bytes in [&response[..], &[], &[0; 11]] {
        let (reply, record) = send(&mut resolver, bytes);
        assert!(reply.is_none() && record.unwrap().outcome == Outcome::Malformed, "{bytes:?}");
    }
    // A name that points to itself, one that points past the end, one that is cut off, one without its type.
    for tail in [&[0xc0, 12, 0, 1, 0, 1][..], &[0xc0, 255, 0, 1, 0, 1], &[63, b'a'], &[1, b'a', 0]] {
        let mut bytes = vec![7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(tail);
        let (reply, record) = send(&mut resolver, &bytes);
        assert_eq!(reply.unwrap().metadata.response_code, ResponseCode::FormErr, "{tail:?}");
        assert_eq!(record.unwrap().outcome, Outcome::Malformed);
    }
}

#[test]
fn a_message_that_is_all_ballast_is_not_read() {
    let mut long = query("a.example.org.", RecordType::A).to_vec().unwrap();
    long.resize(4096, 0);
    let mut resolver = Resolver::default();
    let (reply, record) = send(&mut resolver, &long);
    assert_eq!((reply.unwrap().answers.len(), record.unwrap().outcome), (1, Outcome::Answered));
    long.push(0);
    let (reply, record) = send(&mut resolver, &long);
    assert_eq!(reply.unwrap().metadata.response_code, ResponseCode::FormErr);
    assert_eq!(record.unwrap().outcome, Outcome::Malformed);
}

#[test]
fn a_flood_of_names_is_bounded_and_hides_nothing() {
    let mut resolver = Resolver::default();
    let (network, now) = (network(), Instant::now());
    let mut records = Vec::new();
    let mut last = None;
    for number in 0..20_000 {
        let bytes = query(&format!("x{number}.example.org."), RecordType::A).to_vec().unwrap();
        let answer = resolver.answer(&bytes, Transport::Udp, &network, now);
        records.extend(answer.record);
        last = answer.response;
    }
    assert_eq!(Message::from_vec(&last.unwrap()).unwrap().metadata.response_code, ResponseCode::ServFail);
    assert_eq!(resolver.pool().len(), 4096);
    let (answered, refused) = resolver.omitted();
    assert_eq!(records.len() as u64 + answered + refused, 20_000);
    assert!(records.len() <= 200, "{}", records.len());
    assert!(records.iter().any(|record| record.outcome == Outcome::Exhausted));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_bytes_get_a_reply_that_fits_or_none(bytes in prop::collection::vec(any::<u8>(), 0..600), is_query: bool) {
        let mut bytes = bytes;
        if is_query && bytes.len() > 12 {
            bytes[2] &= 0x07;
            bytes[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        }
        let answer = Resolver::default().answer(&bytes, Transport::Udp, &network(), Instant::now());
        if let Some(response) = answer.response {
            prop_assert!(response.len() <= 1232);
            prop_assert_eq!(&response[..2], &bytes[..2]);
            prop_assert!(Message::from_vec(&response).is_ok());
        }
    }

    #[test]
    fn only_allowed_names_get_an_address(labels in prop::collection::vec("[a-zA-Z0-9_-]{1,12}|example|org", 1..5)) {
        let name = format!("{}.", labels.join("."));
        let reply = ask(&name, RecordType::A);
        let is_allowed = HostName::from_labels(labels.iter().map(|label| label.as_bytes()))
            .is_some_and(|name| network().could_allow(&name) || name.is_localhost());
        prop_assert_eq!(!reply.answers.is_empty(), is_allowed);
    }
}
