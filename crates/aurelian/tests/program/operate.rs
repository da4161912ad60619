//! An operator acts on a run of another process.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::desk_or_skip;

/// A run that goes on until it is killed, ended with the test.
struct Going(Child);

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command says on stdout, and its exit code.
fn operate(desk: &Desk, words: &[&str]) -> (String, Option<i32>) {
    let state = desk.path("state");
    let output = desk.command(words).args(["--state", state.to_str().unwrap()]).output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn a_run_is_frozen_held_and_killed_from_outside_and_its_label_stays_held() {
    let desk = desk_or_skip!();
    let mut command = desk.run_command(&["--label", "task=a", "-q", "--", "sleep", "120"]);
    let mut going = Going(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(30);
    while !operate(&desk, &["ps"]).0.contains("1 calls") {
        assert!(Instant::now() < until, "it never came up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let done = |words: &[&str], said: &str, code: i32| {
        let (out, exit) = operate(&desk, words);
        assert!(out.contains(said) && exit == Some(code), "{words:?}: {out} {exit:?}");
    };
    done(&["freeze", "--label", "task=b"], "", 3);
    done(&["freeze", "--label", "task=a"], ": done", 0);
    done(&["freeze", "--all"], ": was so", 0);
    done(&["hold", "--label", "task=a", "--reason", "look"], ": done", 0);
    done(&["thaw", "--label", "task=a"], "look; release it first", 4);
    done(&["kill", "--label", "task=a"], ": done", 0);
    assert_eq!(going.0.wait().unwrap().code(), Some(137));
    done(&["ps"], "held by uid", 0);
    assert_eq!(desk.run(&["--label", "task=a", "--", "true"]).code, 125);
    done(&["release", "--label", "task=a"], ": done", 0);
    assert_eq!(desk.run(&["--label", "task=a", "--", "true"]).code, 0);
}
