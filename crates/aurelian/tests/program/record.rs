//! The record of a run.

use std::os::unix::fs::{PermissionsExt, symlink};

use event::fact::{Fact, Verdict};

use crate::desk::{Run, events_of, parse_events};

#[test]
fn events_are_numbered_without_gaps_and_end_with_the_run() {
    let desk = crate::desk_or_skip!();
    assert_eq!(desk.run(&["--label", "team=a", "--", "sh", "-c", "true & true; wait"]).code, 0);
    let events = desk.events();
    assert!(events.iter().zip(1..).all(|(event, number)| event.seq == number));
    let kinds: Vec<_> = events.iter().map(|event| event.fact.kind()).collect();
    assert_eq!(kinds[..3], ["run.started", "boundary.proven", "call.started"]);
    assert_eq!(kinds.last(), Some(&"run.ended"));
    let Fact::RunStarted(started) = &events[0].fact else { panic!("{:?}", events[0]) };
    assert_eq!(started.labels["team"], "a");
    let Some(Fact::RunEnded(ended)) = events.last().map(|event| &event.fact) else { panic!() };
    assert_eq!((ended.verdict, ended.events), (Verdict::Clean, events.len() as u64));
    assert!(events.iter().all(|event| event.run == events[0].run));
}

#[test]
fn only_the_operator_can_read_it() {
    let desk = crate::desk_or_skip!();
    let file = desk.path("events.jsonl");
    assert_eq!(desk.run(&["--events", file.to_str().unwrap(), "--", "true"]).code, 0);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!desk.path("state/runs").exists(), "one record is enough");
}

#[test]
fn a_second_run_writes_a_file_anew() {
    let desk = crate::desk_or_skip!();
    let file = desk.write("events.jsonl", "something that is much longer than nothing\n");
    assert_eq!(desk.run(&["--events", file.to_str().unwrap(), "--", "true"]).code, 0);
    assert_eq!(events_of(&file)[0].seq, 1);
}

#[test]
fn on_stdout_there_is_nothing_but_events() {
    let desk = crate::desk_or_skip!();
    let run = desk.run(&["--events", "-", "--", "sh", "-c", "echo out; echo err >&2"]);
    let events = parse_events(&run.stdout);
    assert_eq!(events.last().map(|event| event.fact.kind()), Some("run.ended"));
    assert!(run.stderr.starts_with("out\nerr\n") || run.stderr.starts_with("err\nout\n"), "{}", run.stderr);
}

#[test]
fn the_call_that_wrote_a_program_is_named() {
    let desk = crate::desk_or_skip!();
    // The kernel's stamps are a few milliseconds wide: calls closer than that can't be told apart.
    let lines = r#"{"command": "printf '#!/bin/sh\n' > /tmp/made && chmod +x /tmp/made; sleep 0.05"}
{"command": "sleep 0.05; cp /tmp/made made; sleep 0.05"}
{"command": "/tmp/made; ./made; true"}
"#;
    assert_eq!(desk.run_calls(lines, &[]).code, 0);
    let written = |path: &str| {
        desk.events().into_iter().find_map(|event| match event.fact {
            Fact::ProcessExec(exec) if exec.path.as_bytes() == path.as_bytes() => Some(
                exec.written
                    .map(|written| written.calls.iter().map(|call| call.number()).collect::<Vec<_>>()),
            ),
            _ => None,
        })
    };
    assert_eq!(written("/tmp/made"), Some(Some(vec![1])));
    assert_eq!(written("./made"), Some(Some(vec![2])));
    let sleeps: Vec<_> = desk
        .events()
        .into_iter()
        .filter(|event| match &event.fact {
            Fact::ProcessExec(exec) => exec.path.as_bytes().ends_with(b"/sleep") && exec.written.is_some(),
            _ => false,
        })
        .collect();
    assert_eq!(sleeps.len(), 0, "the host's programs were not written during the run");
}

#[test]
fn a_call_that_left_something_behind_is_a_suspect_until_that_is_gone() {
    let desk = crate::desk_or_skip!();
    let lines = r#"{"command": "sleep 0.3 & true"}
{"command": "cp /bin/true early; sleep 0.6; cp /bin/true late; ./early; ./late"}
"#;
    assert_eq!(desk.run_calls(lines, &[]).code, 0);
    let writers = |path: &str| {
        desk.events().into_iter().find_map(|event| match event.fact {
            Fact::ProcessExec(exec) if exec.path.as_bytes() == path.as_bytes() => exec.written,
            _ => None,
        })
    };
    let numbers = |path| writers(path).unwrap().calls.iter().map(|call| call.number()).collect::<Vec<_>>();
    assert_eq!((numbers("./early"), numbers("./late")), (vec![1, 2], vec![2]));
}

#[test]
fn what_was_refused_is_told_of_the_call() {
    let desk = crate::desk_or_skip!();
    let lines = r#"{"id": "good", "command": "true"}
{"id": "bad", "command": "unshare -U true; exit 0"}
"#;
    let run = desk.run_calls(lines, &["--json"]);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let refused = |call: usize| summary["calls"][call]["refused"]["list"].as_array().unwrap().clone();
    assert_eq!(refused(0).len(), 0);
    assert_eq!(refused(1)[0]["kind"], "syscall.refused");
    assert_eq!(refused(1)[0]["syscall"], "unshare");
    assert!(run.stderr.contains("refused   unshare(flags=CLONE_NEWUSER)"), "{}", run.stderr);
}

#[test]
fn the_scratch_layer_is_kept() {
    let desk = crate::desk_or_skip!();
    let kept = desk.path("kept");
    let script = "echo content > /tmp/file; ln -s /etc/shadow /tmp/link; mkfifo /tmp/fifo; chmod 0 /tmp/file";
    let run = desk.run(&["--keep-scratch", kept.to_str().unwrap(), "--", "sh", "-c", script]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(std::fs::read_to_string(kept.join("tmp/file")).unwrap(), "content\n");
    assert!(std::fs::symlink_metadata(kept.join("tmp/link")).unwrap().is_symlink());
    assert!(!kept.join("tmp/fifo").exists());
    assert!(run.stderr.contains("1 left out"), "{}", run.stderr);
}

#[test]
fn a_link_that_leads_into_the_workspace_later_is_no_way_in() {
    let desk = crate::desk_or_skip!();
    symlink(desk.path("ws/later"), desk.path("events")).unwrap();
    let run = Run::of(
        desk.run_command(&["--events", desk.path("events").to_str().unwrap(), "--", "true"])
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 125);
    assert!(run.stderr.contains("the agent may write"), "{}", run.stderr);
}

#[test]
#[cfg(feature = "break-controls")]
fn a_boundary_that_does_not_stand_is_on_record() {
    let desk = crate::desk_or_skip!();
    let mut command = desk.run_command(&["--", "touch", "started"]);
    let run = Run::of(command.env("AURELIAN_BREAK", "network namespace").output().unwrap());
    assert_eq!(run.code, 125, "{run:?}");
    assert!(
        run.stderr.starts_with("aurelian: error: ") && run.stderr.contains("network namespace"),
        "{}",
        run.stderr
    );
    let events = desk.events();
    let kinds: Vec<_> = events.iter().map(|event| event.fact.kind()).collect();
    assert_eq!(kinds, ["run.started", "boundary.failed", "run.ended"]);
    let Fact::RunEnded(ended) = &events[2].fact else { panic!("{:?}", events[2]) };
    assert_eq!(ended.verdict, Verdict::Unproven);
    assert!(!desk.path("ws/started").exists());
}
