//! Signals to the program, where there is no terminal.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::Desk;

/// A run whose command has said that it is ready.
fn ready(desk: &Desk, script: &str) -> Child {
    let mut child =
        desk.run_command(&["--quiet", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn an_interrupt_goes_to_the_command() {
    let desk = crate::desk_or_skip!();
    let mut child = ready(&desk, "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done");
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_second_interrupt_kills() {
    let desk = crate::desk_or_skip!();
    let mut child = ready(&desk, "trap '' INT; echo ready; while :; do sleep 0.05; done");
    send(&child, Signal::INT);
    std::thread::sleep(std::time::Duration::from_millis(100)); // so that there are two
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_termination_kills_and_the_record_is_complete() {
    let desk = crate::desk_or_skip!();
    let mut child = ready(&desk, "trap '' TERM; echo ready; sleep 60 & while :; do sleep 0.05; done");
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(desk.events().last().map(|event| event.fact.kind()), Some("run.ended"));
}

#[test]
fn an_interrupt_ends_a_file_of_calls() {
    let desk = crate::desk_or_skip!();
    let file = desk
        .write("c.jsonl", "{\"command\": \"echo ready; exec sleep 60\"}\n{\"command\": \"touch second\"}\n");
    let mut command = desk.run_command(&["--calls", file.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("1 call not started"), "{told}");
    assert!(!desk.path("ws/second").exists());
}
