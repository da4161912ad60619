//! `aurelian policy test`: what a policy says to a connection, which rule decides, and the exit code.

use crate::desk::{Desk, Run};

const POLICY: &str = "version: 1
network:
  allow:
    - { host: '*.example.org', ports: [443], protocol: tls }
    - { host: git.internal, ports: [22], protocol: ssh, private: true }
";

fn test(arguments: &[&str]) -> Run {
    let desk = Desk::new();
    let file = desk.write("policy.yaml", POLICY);
    let run = desk.command(&["policy", "test", file.to_str().unwrap()]).args(arguments).output().unwrap();
    let mut run = Run::of(run);
    run.stdout = run.stdout.replace(file.to_str().unwrap(), "policy.yaml");
    run
}

#[test]
fn an_allowed_connection_names_its_rule() {
    let run = test(&["--host", "A.example.org.", "--port", "443", "--protocol", "tls"]);
    assert_eq!(run.code, 0, "{run:?}");
    insta::assert_snapshot!(run.stdout, @r"
    allowed: policy.yaml:4: *.example.org port 443 tls
    of the addresses that the name has, only public ones are dialled
    ");
}

#[test]
fn a_refused_connection_says_why() {
    for (arguments, reason) in [
        (
            ["evil.example", "443", "tls"],
            "refused: name-not-allowed: no rule allows the name `evil.example`\n",
        ),
        (
            ["a.example.org", "443", "ssh"],
            "refused: protocol-not-allowed: it speaks ssh, and tls is allowed there\nleads there: policy.yaml:4: *.example.org port 443 tls\n",
        ),
        (
            ["a.example.org", "22", "ssh"],
            "refused: port-not-allowed: no rule allows port 22 of a.example.org\nleads there: policy.yaml:4: *.example.org port 443 tls\n",
        ),
        (["10.0.0.1", "22", "ssh"], "refused: address-not-allowed: no rule allows the address 10.0.0.1\n"),
    ] {
        let [host, port, protocol] = arguments;
        let run = test(&["--host", host, "--port", port, "--protocol", protocol]);
        assert_eq!((run.code, run.stdout.as_str()), (1, reason));
    }
}

#[test]
fn the_sandboxs_own_loopback_needs_no_rule() {
    for host in ["localhost", "127.0.0.1", "::1"] {
        let run = test(&["--host", host, "--port", "8080", "--protocol", "http"]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.starts_with("allowed: this is the sandbox's own loopback"), "{}", run.stdout);
    }
}

#[test]
fn the_answer_is_there_for_machines() {
    let answer = |arguments: &[&str]| {
        let run = test(arguments);
        (run.code, run.stdout)
    };
    let (code, json) = answer(&["--host", "git.internal", "--port", "22", "--protocol", "ssh", "--json"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(json, @r#"
    {
      "decision": "allowed",
      "host": "git.internal",
      "port": 22,
      "protocol": "ssh",
      "rule": {
        "line": 5,
        "target": "git.internal",
        "ports": [
          22
        ],
        "protocol": "ssh",
        "private": true
      },
      "near": [],
      "reason": null,
      "message": null
    }
    "#);
    let (code, json) = answer(&["--host", "git.internal", "--port", "22", "--protocol", "tls", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, json["decision"].as_str(), json["reason"].as_str()),
        (1, Some("refused"), Some("protocol-not-allowed"))
    );
    assert!(json["rule"].is_null());
    assert_eq!(json["near"][0]["line"], 5);
}

#[test]
fn wrong_options_are_no_answer() {
    for arguments in [
        &["--host", "a.example.org", "--port", "0", "--protocol", "tls"][..],
        &["--host", "a.example.org", "--port", "443", "--protocol", "telnet"],
        &["--host", "a b", "--port", "443", "--protocol", "tls"],
        &["--host", "127.1", "--port", "443", "--protocol", "tls"],
        &["--host", "a.example.org", "--port", "443"],
    ] {
        let run = test(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (125, ""), "{arguments:?}");
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    }
}
