//! Whose it was: everything that is seen names the call that caused it, whatever the process did to get away from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use event::Fact;
use event::fact::EndReason;
use sandbox::Command;
use support::{Stage, compile};

/// How an actor of `agent/actors.c` tries to get away.
const WAYS: [&str; 13] = [
    "plain",
    "daemon",
    "chain",
    "orphans",
    "thread",
    "vfork",
    "vfork-exec",
    "clone-parent",
    "shared-files",
    "subreaper",
    "forged",
    "thread-after-leader",
    "own-files",
];

fn stage_with_actors() -> Stage {
    let stage = Stage::new();
    compile(&stage.workspace, "actors", include_str!("agent/actors.c"));
    stage
}

fn actor(how: &str, port: usize) -> Vec<String> {
    vec!["./actors".into(), how.into(), port.to_string()]
}

// Rows "a double-forked daemon survives the kill, or escapes attribution", "identity by /proc/PID/exe or by command
// line is forged (preload, interpreter flags, exec race)" (OpenShell #345 #352 #1496).
#[test]
fn no_way_of_making_a_process_escapes_its_call() {
    let stage = stage_with_actors();
    let mut missed = Vec::new();
    for (index, how) in WAYS.iter().enumerate() {
        let port = 4000 + index;
        let ran = stage.run(&actor(how, port)).well();
        assert_eq!(ran.call as usize, index + 1);
        if stage.witness.first_refusal_at(port.try_into().unwrap()) != Some(ran.call) {
            missed.push(how);
        }
    }
    assert!(missed.is_empty(), "booked to no call, or to another's: {missed:?}");
    assert_eq!(stage.witness.refused_network().len(), WAYS.len(), "each was told once");
    assert_eq!(stage.witness.gaps(), Vec::<String>::new());
}

#[test]
fn calls_that_run_at_the_same_time_are_told_apart() {
    let stage = stage_with_actors();
    let running: Vec<_> = (0..26).map(|i| (i, stage.start(&actor(WAYS[i % WAYS.len()], 4100 + i)))).collect();
    let numbers: Vec<_> = running.iter().map(|(i, call)| (*i, call.number())).collect();
    running.into_iter().for_each(|(_, call)| drop(call.wait().well()));
    for (i, number) in numbers {
        let port = (4100 + i).try_into().unwrap();
        assert_eq!(stage.witness.first_refusal_at(port), Some(number), "{}", WAYS[i % WAYS.len()]);
        assert_eq!(stage.witness.calls_refused_at(port), [number]);
    }
}

#[test]
fn what_a_daemon_does_later_is_the_call_that_left_its_own() {
    let stage = stage_with_actors();
    stage.shell("true").well();
    let daemon = "for s in 1 2 3; do :; done; (setsid nohup sh -c '\
                  until test -e go; do sleep 0.01; done; ./actors daemon 4201; ./actors plain 4202; : > gone' \
                  </dev/null >/dev/null 2>&1 &)";
    let second = stage.shell(daemon).well();
    assert_eq!(second.call, 2);
    assert!(second.ended.processes_left >= 1, "the call says that it left something: {second:?}");
    stage.shell("true").well();
    stage.shell("true").well();
    let fifth = stage.shell(": > go; until test -e gone; do sleep 0.01; done; ./actors plain 4203").well();
    assert_eq!(fifth.call, 5);
    assert_eq!(stage.witness.wait_for_refusal_at(4201), 2);
    assert_eq!(stage.witness.wait_for_refusal_at(4202), 2);
    assert_eq!(stage.witness.wait_for_refusal_at(4203), 5);
    let executed = stage.witness.executed();
    let of = |port: &str| {
        executed.iter().find(|(_, argv)| argv.last().is_some_and(|last| last == port)).unwrap().0
    };
    assert_eq!((of("4202"), of("4203")), (2, 5), "so are the programs that it executes");
}

#[test]
fn a_call_that_starts_while_another_runs_is_itself() {
    let stage = stage_with_actors();
    let first = stage.start_python(
        "import subprocess\nsay('ready', 1)\n\
         while not os.path.exists('second'): time.sleep(0.005)\n\
         subprocess.run(['./actors', 'plain', '4301'], check=True)",
    );
    first.wait_for_word();
    let second = stage.run(&actor("daemon", 4302)).well();
    stage.shell(": > second").well();
    assert_eq!(stage.witness.wait_for_refusal_at(4302), second.call);
    let first = first.wait().well();
    assert_eq!(stage.witness.calls_refused_at(4301), [first.call]);
}

#[test]
fn executed_programs_are_told_with_their_arguments() {
    let stage = Stage::new();
    stage.python(
        r##"
import subprocess
write("script", b"#!/bin/sh -e\nexit 0\n"); os.chmod("script", 0o755)
subprocess.run(["./script", "one", "two words", "", "line\nbreak"], check=True)
subprocess.run(["renamed", "x"], executable="/bin/true", check=True)
subprocess.run([b"/bin/true", b"\xff\xfe"], check=True)
fd = os.open("/bin/true", os.O_PATH)
if os.fork() == 0:
    # Executed by its descriptor, in a process whose folder is another.
    os.chdir("/usr"); os.execve(fd, ["by descriptor"], {})
os.wait()
child = os.fork()
if child == 0:
    try: os.execv("/absent", ["absent"])
    except OSError: os._exit(0)
os.wait()
"##,
    );
    let executed = stage.witness.executed();
    assert!(executed.iter().all(|(call, _)| *call == 1));
    let argv: Vec<Vec<&str>> =
        executed.iter().map(|(_, argv)| argv.iter().map(String::as_str).collect()).collect();
    assert!(argv.contains(&vec!["./script", "one", "two words", "", "line\nbreak"]), "{argv:?}");
    assert!(argv.contains(&vec!["renamed", "x"]) && argv.contains(&vec!["by descriptor"]), "{argv:?}");
    assert!(!argv.iter().any(|argv| argv.contains(&"absent")), "what can't be executed wasn't");
    let executions = stage.witness.executions();
    let told = |last: &str| {
        executions.iter().find(|(_, e)| e.process.argv.as_ref().unwrap().last().unwrap() == &last.into())
    };
    let (_, script) = told("line\nbreak").unwrap();
    assert_eq!(script.interpreter.as_ref().map(ToString::to_string).as_deref(), Some("/bin/sh"));
    assert!(script.process.exe.as_ref().unwrap().to_string().ends_with("/script"), "{script:?}");
    let (_, renamed) = told("x").unwrap();
    assert_eq!(
        renamed.process.exe.as_ref().unwrap().to_string(),
        std::fs::canonicalize("/bin/true").unwrap().to_str().unwrap()
    );
    let (_, bytes) = executions
        .iter()
        .find(|(_, e)| e.process.argv.as_ref().unwrap().last().unwrap().as_bytes() == b"\xff\xfe")
        .unwrap();
    assert!(bytes.process.pid.is_some() && bytes.process.parent.is_some(), "{bytes:?}");
    let (_, fd) = told("by descriptor").unwrap();
    assert!(fd.process.exe.as_ref().unwrap().to_string().ends_with("/true"), "{fd:?}");
    assert_eq!(fd.process.cwd.as_ref().unwrap().to_string(), "/usr");
}

#[test]
fn a_file_that_was_written_in_the_run_is_told_as_such() {
    let stage = Stage::new();
    stage.shell("cp /bin/true /tmp/made && cp /bin/true made && /tmp/made && ./made && /bin/true").well();
    let executions = stage.witness.executions();
    let of = |end: &str| &executions.iter().find(|(_, e)| e.path.to_string() == end).unwrap().1;
    assert!(of("/tmp/made").on_scratch && !of("./made").on_scratch && !of("/bin/true").on_scratch);
    let metadata = std::fs::metadata(stage.workspace.join("made")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        (of("./made").file.unwrap().device, of("./made").file.unwrap().inode),
        (metadata.dev(), metadata.ino())
    );
    assert_eq!(of("./made").changed_ns, metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec());
}

#[test]
fn each_executed_process_is_seen_to_end() {
    let stage = Stage::new();
    stage.shell("sh -c 'exit 7'; sh -c 'kill -9 $$'; true").well();
    let seen = |code, signal| {
        stage.witness.wait_for(|observation| match &observation.fact {
            Fact::ProcessExited(exited) => (exited.exit_code, exited.signal) == (code, signal),
            _ => false,
        })
    };
    assert!(seen(Some(7), None) || seen(None, None), "an end by itself is told, or that it isn't known");
    assert!(seen(None, Some(9)) || seen(None, None), "so is one by a signal");
    let Stage { sandbox, witness, .. } = stage;
    sandbox.end();
    let executed: BTreeSet<_> = witness.executions().iter().map(|(_, e)| e.process.host_pid).collect();
    let ended: BTreeSet<_> = witness
        .seen()
        .iter()
        .filter(|observation| matches!(observation.fact, Fact::ProcessExited(_)))
        .map(|observation| {
            assert_eq!(observation.cause.as_ref().map(|cause| cause.call.number()), Some(1));
            observation.process.as_ref().unwrap().host_pid
        })
        .collect();
    assert_eq!(executed, ended);
}

// Row "audit events lost when killed or under load; a lossy run looks clean" (nono, Falco, Tetragon, OpenShell).
#[test]
fn a_flood_of_attempts_is_told_to_the_last() {
    const EACH: usize = 2000;
    let stage = Stage::new();
    let flood = format!(
        "def flood():\n    for _ in range({EACH}): connect(4400)\n\
         threads = [threading.Thread(target=flood) for _ in range(4)]\n\
         [t.start() for t in threads]\n[t.join() for t in threads]\n"
    );
    let both = [stage.start_python(&flood), stage.start_python(&flood)];
    for call in both {
        call.wait().well();
    }
    let booked = stage.witness.calls_refused_at(4400);
    let of = |number| booked.iter().filter(|call| **call == number).count();
    let lost = stage.witness.gaps();
    assert!((of(1), of(2)) == (4 * EACH, 4 * EACH) || !lost.is_empty(), "{} and {}, {lost:?}", of(1), of(2));
    assert_eq!(lost, Vec::<String>::new(), "and on this machine nothing needs to be lost");
}

#[test]
fn a_call_has_one_beginning_and_one_end_however_it_ends() {
    for round in 0..20 {
        let stage = Stage::new();
        let long = stage.start_python(
            "import subprocess; [subprocess.Popen(['sleep', '60']) for _ in range(3)]; time.sleep(60)",
        );
        let short = stage.start(&["/bin/true".to_owned()]);
        let id = Command::new("/bin/sleep")
            .arg("60")
            .tool_call_id("toolu_1")
            .timeout(Duration::from_millis(30 + round));
        let timed = stage.start_command(id);
        if round % 2 == 0 {
            timed.wait();
        }
        let Stage { sandbox, witness, .. } = stage;
        sandbox.end();
        let told = witness.seen().len();
        for call in 1..=3 {
            let count = |kind: &str| {
                let of = |o: &&event::Observation| {
                    o.fact.kind() == kind && o.cause.as_ref().is_some_and(|c| c.call.number() == call)
                };
                witness.seen().iter().filter(of).count()
            };
            assert_eq!((count("call.started"), count("call.ended")), (1, 1), "call {call} of round {round}");
        }
        assert_eq!(long.wait().ended.reason, EndReason::Killed);
        short.wait();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(witness.seen().len(), told, "nothing is told after the end");
        let named = witness
            .seen()
            .iter()
            .filter(|o| o.cause.as_ref().is_some_and(|c| c.tool_call_id == Some("toolu_1".into())))
            .count();
        assert!(named >= 2, "the caller's own id stands in the events");
    }
}
