//! Arbitrary text as a policy: it is a policy, or an error that points into the text. A policy survives being
//! written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::Policy;

fuzz_target!(|source: &str| {
    match Policy::parse(source, "policy.yaml") {
        Ok(policy) => {
            let written = policy.to_yaml();
            let again = Policy::parse(&written, "policy.yaml").expect("what we write is a policy");
            assert_eq!(policy.digest(), again.digest(), "{written}");
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let lines = source.split('\n').count();
            for problem in error.problems() {
                assert!(!problem.message().is_empty());
                assert!((1..=lines.max(1) + 1).contains(&problem.line()), "line {}", problem.line());
                assert!(problem.column() >= 1);
            }
        }
    }
});
