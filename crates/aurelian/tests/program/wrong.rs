//! What is wrong is said before anything starts, with exit code 125 and no record of a run.

use std::os::unix::fs::symlink;

use crate::desk::{Desk, Run};

fn refused(desk: &Desk, arguments: &[&str]) -> Run {
    let run = desk.run(&[arguments, &["--", "touch", "started"]].concat());
    assert_eq!(run.code, 125, "{run:?}");
    assert_eq!(run.stdout, "");
    assert!(!desk.path("ws/started").exists() && !desk.path("state").exists());
    assert!(!run.stderr.contains("panicked") && !run.stderr.contains("Err("), "{}", run.stderr);
    run
}

#[test]
fn options() {
    let desk = Desk::new();
    for arguments in [
        &["--no-such-option"][..],
        &["--label", "x"],
        &["--env", "=x"],
        &["--timeout", "5"],
        &["--calls", "c"],
    ] {
        assert!(refused(&desk, arguments).stderr.starts_with("error: "), "{arguments:?}");
    }
    assert_eq!(desk.run(&[]).code, 125);
}

#[test]
fn a_policy_with_its_line() {
    let desk = Desk::new();
    let file = desk.write("policy.yaml", "version: 1\nlimits: { memry: 1GiB }\n");
    let file = file.to_str().unwrap();
    let run = refused(&desk, &["--policy", file]);
    assert!(run.stderr.contains("policy.yaml:2:11"), "{}", run.stderr);
    assert!(run.stderr.contains("did you mean `memory`?"), "{}", run.stderr);
    let check = Run::of(desk.command(&["policy", "check", file]).output().unwrap());
    assert_eq!((check.code, check.stderr), (125, run.stderr));
    let missing = refused(&desk, &["--policy", "/no/such/policy"]);
    assert!(missing.stderr.starts_with("aurelian: error: cannot read the policy"), "{}", missing.stderr);
}

#[test]
fn a_policy_is_right() {
    let desk = Desk::new();
    let file = desk.write("policy.yaml", "version: 1\n");
    let run = Run::of(desk.command(&["policy", "check", file.to_str().unwrap()]).output().unwrap());
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("policy.yaml: ok, sha256:"), "{}", run.stdout);
}

#[test]
fn variables_that_break_the_boundary() {
    let run = refused(&Desk::new(), &["--env", "AURELIAN_X=secret"]);
    assert!(
        run.stderr.contains("`AURELIAN_X` is reserved") && !run.stderr.contains("secret"),
        "{}",
        run.stderr
    );
}

#[test]
fn workspaces_and_images() {
    let desk = Desk::new();
    for (arguments, wanted) in [
        (["--workspace", "/"], "choose a project folder"),
        (["--workspace", "/no/such/folder"], "/no/such/folder"),
        (["--workspace", ".:/usr/lib"], "the system's own files"),
        (["--image", "oci:/no/such/image"], "/no/such/image"),
        (["--image", "docker:x"], "docker:x"),
    ] {
        let run = refused(&desk, &arguments);
        assert!(run.stderr.starts_with("aurelian: error: ") && run.stderr.contains(wanted), "{}", run.stderr);
    }
}

#[test]
fn records_that_the_agent_could_rewrite() {
    let desk = Desk::new();
    symlink(desk.workspace(), desk.path("link")).unwrap();
    let link = desk.path("link/events.jsonl");
    for arguments in
        [["--events", "events.jsonl"], ["--events", link.to_str().unwrap()], ["--keep-scratch", "kept"]]
    {
        let run = refused(&desk, &arguments);
        assert!(run.stderr.contains("the agent may write"), "{}", run.stderr);
        assert!(run.stderr.contains(arguments[0]), "{}", run.stderr);
    }
    let run = Run::of(desk.command(&["run", "--state", "state", "--", "true"]).output().unwrap());
    assert_eq!(run.code, 125);
    assert!(
        std::fs::read_dir(desk.workspace()).unwrap().next().is_none(),
        "nothing was left in the workspace"
    );
}

#[test]
fn a_folder_for_the_scratch_layer_that_is_in_use() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("kept")).unwrap();
    desk.write("kept/precious", "");
    let run = refused(&desk, &["--keep-scratch", desk.path("kept").to_str().unwrap()]);
    assert!(run.stderr.contains("it is not empty"), "{}", run.stderr);
}

#[test]
fn calls_with_their_line() {
    let desk = Desk::new();
    for (lines, wanted) in [
        ("{\"command\": \"touch started\"}\n{\"comand\": 1}\n", "calls.jsonl:2: column"),
        ("{\"command\": \"touch started\"}\nnot json\n", "calls.jsonl:2: column"),
        ("{\"command\": \"touch started\", \"timeout\": 0}\n", "calls.jsonl:1: `timeout` is 0"),
        ("\n", "has no calls"),
    ] {
        let run = desk.run_calls(lines, &[]);
        assert_eq!(run.code, 125);
        assert!(run.stderr.starts_with("aurelian: error: ") && run.stderr.contains(wanted), "{}", run.stderr);
        assert!(!desk.path("ws/started").exists() && !desk.path("state").exists());
    }
}

#[test]
fn what_an_error_quotes_can_not_move_the_terminal() {
    let run = Desk::new().run_calls("{\"\u{1b}[2J\u{9b}x\": 1}", &[]);
    assert!(run.stderr.trim_end().chars().all(|character| !character.is_control()), "{:?}", run.stderr);
}

/// Runs a program that was just copied. A child that another test began meanwhile may still have the copy open for writing.
fn run_copy(program: &std::path::Path, words: &[&str]) -> std::process::Output {
    loop {
        match std::process::Command::new(program).args(words).output() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            done => return done.unwrap(),
        }
    }
}

#[test]
fn without_the_program_that_investigates_it_is_said_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("aurelian");
    std::fs::copy(env!("CARGO_BIN_EXE_aurelian"), &alone).unwrap();
    for subcommand in ["investigate", "trace"] {
        let output = run_copy(&alone, &[subcommand, "--help"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{told}");
        assert!(told.contains("aurelian-investigate: no such program; it is built with"), "{told}");
    }
}
