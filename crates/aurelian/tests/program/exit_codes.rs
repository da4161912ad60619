//! Exit codes of commands.

use crate::desk::program;

#[test]
fn the_commands_own() {
    let desk = crate::desk_or_skip!();
    for code in [0, 1, 7, 255] {
        assert_eq!(desk.run(&["--", "sh", "-c", &format!("exit {code}")]).code, code);
    }
}

#[test]
fn of_a_signal() {
    let desk = crate::desk_or_skip!();
    let run = desk.run(&["--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(run.code, 137);
    assert!(run.stderr.contains("signal 9"), "{}", run.stderr);
}

#[test]
fn of_what_is_not_there_or_no_program() {
    let desk = crate::desk_or_skip!();
    let run = desk.run(&["--quiet", "--", "no-such-program"]);
    assert_eq!(run.code, 127);
    assert_eq!(run.stderr, "aurelian: error: there is no program `no-such-program` in the sandbox\n");
    desk.write("ws/text", "text");
    assert_eq!(desk.run(&["--", "./text"]).code, 126);
}

#[test]
fn of_time_that_is_up() {
    let desk = crate::desk_or_skip!();
    let run = desk.run(&["--timeout", "200ms", "--", "sleep", "60"]);
    assert_eq!(run.code, 137);
    assert!(run.stderr.contains("time of 0.20 s"), "{}", run.stderr);
}

#[test]
fn help_and_version_are_no_errors() {
    for argument in ["--help", "--version"] {
        assert_eq!(program().arg(argument).output().unwrap().status.code(), Some(0));
    }
    assert_eq!(program().args(["run", "--help"]).output().unwrap().status.code(), Some(0));
    assert_eq!(program().output().unwrap().status.code(), Some(125));
}

#[test]
fn of_the_other_subcommands() {
    for arguments in [&["policy", "schema"][..], &["policy", "default"], &["events", "schema"]] {
        let output = program().args(arguments).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
}
