//! Several calls in one sandbox.

use event::fact::Fact;

#[test]
fn every_call_runs_whatever_its_exit_code() {
    let desk = crate::desk_or_skip!();
    let lines = r#"{"id": "a", "command": "echo one; exit 3"}
{"id": "b", "command": ["echo", "two words"]}
{"id": "c", "command": "no-such-program"}
"#;
    let run = desk.run_calls(lines, &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stdout, "one\ntwo words\n");
    assert!(run.stderr.contains("── call 2 · b · echo two words\n"), "{}", run.stderr);
    let codes: Vec<_> = desk
        .events()
        .into_iter()
        .filter_map(|event| match event.fact {
            Fact::CallEnded(ended) => {
                Some((event.call.unwrap().number(), event.tool_call_id.unwrap().to_string(), ended.exit_code))
            }
            _ => None,
        })
        .collect();
    assert_eq!(codes, [(1, "a".into(), 3), (2, "b".into(), 0), (3, "c".into(), 127)]);
}

#[test]
fn a_call_has_its_own_stdin_folder_environment_and_time() {
    let desk = crate::desk_or_skip!();
    std::fs::create_dir(desk.path("ws/sub")).unwrap();
    let lines = r#"{"command": ["cat"], "stdin": "from the file\n"}
{"command": ["cat"]}
{"command": ["pwd"], "cwd": "sub"}
{"command": "echo $GREETING", "env": {"GREETING": "hello"}}
{"command": ["sleep", "60"], "timeout": 0.1}
"#;
    let run = desk.run_calls(lines, &[]);
    assert_eq!(run.code, 0, "{run:?}");
    let sub = desk.path("ws/sub").canonicalize().unwrap();
    assert_eq!(run.stdout, format!("from the file\n{}\nhello\n", sub.display()));
    assert!(run.stderr.contains("timeout"), "{}", run.stderr);
}

#[test]
fn calls_share_a_sandbox() {
    let desk = crate::desk_or_skip!();
    let run =
        desk.run_calls("{\"command\": \"echo kept > /tmp/note\"}\n{\"command\": \"cat /tmp/note\"}\n", &[]);
    assert_eq!(run.stdout, "kept\n");
}

#[test]
fn a_call_that_can_not_be_started_is_named_and_the_others_run() {
    let desk = crate::desk_or_skip!();
    let lines = "{\"id\": \"lost\", \"command\": \"true\", \"cwd\": \"/no/such/folder\"}\n{\"command\": \"echo ran\"}\n";
    let run = desk.run_calls(lines, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (1, "ran\n"), "{}", run.stderr);
    assert!(run.stderr.contains("lost: cannot start the call in /no/such/folder"), "{}", run.stderr);
}

#[test]
fn calls_that_the_run_did_not_come_to_are_counted() {
    let desk = crate::desk_or_skip!();
    let lines = "{\"command\": \"sleep 60\"}\n{\"command\": \"true\"}\n{\"command\": \"true\"}\n";
    let run = desk.run_calls(lines, &["--timeout", "300ms"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("2 calls not started"), "{}", run.stderr);
}

#[test]
fn json_is_all_there_is_on_stdout() {
    let desk = crate::desk_or_skip!();
    let run = desk.run_calls("{\"id\": \"a\", \"command\": \"echo noise\"}\n", &["--json"]);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["schema"], "urn:aurelian:schema:summary:1");
    assert_eq!((&summary["verdict"], &summary["exit_code"]), (&"clean".into(), &0.into()));
    assert_eq!(
        (&summary["calls"][0]["tool_call_id"], &summary["calls"][0]["exit_code"]),
        (&"a".into(), &0.into())
    );
    assert!(run.stderr.contains("noise"), "{}", run.stderr);
}

#[test]
fn quiet_is_quiet() {
    let desk = crate::desk_or_skip!();
    let run = desk.run_calls("{\"command\": \"echo out\"}\n", &["--quiet"]);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("out\n", ""));
}
