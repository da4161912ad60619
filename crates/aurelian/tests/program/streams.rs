//! The command's standard streams, where they are pipes.

use std::io::{Read, Write};
use std::process::Stdio;

#[test]
fn input_is_passed_on_to_its_end() {
    let desk = crate::desk_or_skip!();
    let mut child = desk.run_command(&["--quiet", "--", "cat"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text = "line\n".repeat(100_000);
    let mut stdin = child.stdin.take().unwrap();
    let theirs = text.clone();
    let writer = std::thread::spawn(move || stdin.write_all(theirs.as_bytes()));
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(out == text, "{} bytes of {}", out.len(), text.len());
}

#[test]
fn outputs_are_kept_apart_and_untouched() {
    let desk = crate::desk_or_skip!();
    let output = desk
        .run_command(&["--quiet", "--", "sh", "-c", r"printf '\033]52;c;eA==\007\377'; echo err >&2"])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"\x1b]52;c;eA==\x07\xff");
    assert_eq!(output.stderr, b"err\n");
}

#[test]
fn nobody_listens_any_more() {
    let desk = crate::desk_or_skip!();
    let mut child = desk.run_command(&["--quiet", "--", "yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut start = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13), "the command got SIGPIPE, as in a pipeline");
}

#[test]
fn a_command_that_ends_does_not_wait_for_input() {
    let desk = crate::desk_or_skip!();
    let mut child = desk.run_command(&["--quiet", "--", "true"]).stdin(Stdio::piped()).spawn().unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_workspace_is_written_and_nothing_else_stays() {
    let desk = crate::desk_or_skip!();
    let marker = format!("/tmp/aurelian-marker-{}", std::process::id());
    let run = desk.run(&["--", "sh", "-c", &format!("echo x > made; echo y > {marker}")]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(std::fs::read_to_string(desk.path("ws/made")).unwrap(), "x\n");
    assert!(!std::path::Path::new(&marker).exists());
}
