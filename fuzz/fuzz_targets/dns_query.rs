//! Arbitrary bytes as a query of the agent's: the reply, if there is one, is a whole message with the number that came,
//! fits its transport, and holds nothing but what the policy allows.
#![no_main]

use std::sync::LazyLock;
use std::time::Instant;

use gateway::names::{Pool, Resolver, Transport};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::RData;
use libfuzzer_sys::fuzz_target;
use policy::Policy;

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let source = "version: 1\nnetwork:\n  allow: [{ host: '*.example.org', ports: [443], protocol: tls }]\n  hosts: { git.internal: 10.1.2.3 }\n";
    Policy::parse(source, "policy.yaml").expect("a policy")
});

fuzz_target!(|bytes: &[u8]| {
    let mut resolver = Resolver::default();
    for (transport, longest) in [(Transport::Udp, 1232), (Transport::Tcp, 65_535)] {
        let answer = resolver.answer(bytes, transport, POLICY.network(), Instant::now());
        assert!(answer.record.is_some(), "the first questions are told");
        let Some(response) = answer.response else { continue };
        assert!(response.len() <= longest, "{} bytes", response.len());
        assert_eq!(response.get(..2), bytes.get(..2));
        let response = Message::from_vec(&response).expect("what we write is a message");
        assert_eq!(response.metadata.message_type, MessageType::Response);
        for record in response.answers {
            match record.data {
                RData::A(v4) => assert!(v4.0.is_loopback() || Pool::is_synthetic(v4.0.into()), "{v4:?}"),
                RData::AAAA(v6) => assert!(v6.0.is_loopback() || Pool::is_synthetic(v6.0.into()), "{v6:?}"),
                RData::PTR(_) => {}
                other => panic!("an answer of {other:?}"),
            }
        }
    }
    assert!(resolver.pool().len() <= 1);
});
