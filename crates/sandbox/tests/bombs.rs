//! Bombs: each limit holds, is told, and neither the supervisor nor another sandbox notices.
//!
//! The limits here are small, and each agent gives up by itself before it could harm the machine: a limit that doesn't
//! hold fails a test and nothing else.
//!
//! The workspace is the operator's own folder on the operator's own file system: nothing bounds what is written there
//! but that file system, its quotas, and (for the page cache) `limits.memory`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use event::Fact;
use event::fact::{EndReason, Limit};
use sandbox::Command;
use support::{Ran, Stage, skip, supervisor};

/// Runs a bomb; meanwhile other sandboxes start, run a command and end. Then this one does, too.
fn explode(stage: &Stage, bomb: &str) -> Ran {
    let call = stage.start_python(bomb);
    call.wait_for_word();
    for _ in 0..2 {
        let began = Instant::now();
        let other = Stage::new();
        other.shell("true").well();
        let Stage { sandbox, .. } = other;
        sandbox.end();
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "another sandbox lives its life: {:?}",
            began.elapsed()
        );
    }
    let ran = call.wait();
    assert_eq!(stage.witness.gaps(), Vec::<String>::new());
    ran
}

/// Waits until this limit was told.
fn is_told(stage: &Stage, limit: Limit) -> bool {
    stage
        .witness
        .wait_for(|observation| matches!(&observation.fact, Fact::LimitHit(hit) if hit.limit == limit))
}

/// The same for a limit that, without this control group, holds by refusing (`setrlimit(2)`), of which the kernel tells
/// nobody but the agent.
fn assert_told_if_counted(stage: &Stage, limit: Limit, controller: &str, test: &str) {
    if supervisor().enforces(controller) {
        assert!(is_told(stage, limit), "{:?}", stage.witness.limits_hit());
    } else {
        skip(&format!("{test} (is told)"), &format!("no control group for {controller} that we may write"));
    }
}

#[test]
fn a_fork_bomb_is_bounded() {
    let stage = Stage::with("limits: { pids: 40 }");
    let ran = explode(
        &stage,
        r#"
say("ready", 1)
children = 0
try:
    while children < 300:
        if os.fork() == 0:
            time.sleep(3); os._exit(0)
        children += 1
except OSError as error:
    say("error", error_name(error.errno))
say("children", children)
time.sleep(1.2)
"#,
    );
    let ran = ran.well();
    ran.assert_said(&[("error", "EAGAIN")]);
    let children: u32 = ran.said("children").parse().unwrap();
    assert!((20..=40).contains(&children), "{children} children under a limit of 40");
    assert!(is_told(&stage, Limit::Pids), "{:?}", stage.witness.limits_hit());
}

#[test]
fn a_bomb_of_threads_is_bounded() {
    let stage = Stage::with("limits: { pids: 40 }");
    let ran = explode(
        &stage,
        r#"
say("ready", 1)
started = 0
try:
    while started < 300:
        threading.Thread(target=time.sleep, args=(1.5,), daemon=True).start()
        started += 1
except RuntimeError:
    say("error", "refused")
say("started", started)
time.sleep(1.2); os._exit(0)
"#,
    );
    let ran = ran.well();
    let started: u32 = ran.said("started").parse().unwrap();
    assert!((20..=40).contains(&started), "{started} threads under a limit of 40");
    assert!(is_told(&stage, Limit::Pids), "{:?}", stage.witness.limits_hit());
}

#[test]
fn a_bomb_that_never_stops_forking_ends_with_its_call() {
    let stage = Stage::with("limits: { pids: 64 }");
    let call = stage.start_command(
        Command::new("/bin/sh")
            .args(["-c", "echo ready; bomb() { bomb | bomb & }; bomb; exec sleep 60"])
            .timeout(Duration::from_secs(2)),
    );
    call.wait_for_word();
    let other = Stage::new();
    other.shell("true").well();
    assert_eq!(call.wait().ended.reason, EndReason::Timeout);
    let test = "a_bomb_that_never_stops_forking_ends_with_its_call";
    assert_told_if_counted(&stage, Limit::Pids, "pids", test);
    stage.shell("true").well();
}

/// Grows by 4 MiB at a time to far more than it may have, and holds it for a while.
const GROW: &str = r#"
say("ready", 1)
held = []
for step in range(96):
    grow()
    time.sleep(0.002)
    say("step", step)
time.sleep(5)
say("survived", "yes")
"#;

fn assert_memory_is_bounded(test: &str, grow: &str) {
    let stage = Stage::with("limits: { memory: 64MiB, scratch: 1GiB }");
    let ran = explode(&stage, &format!("import mmap\n{grow}\n{GROW}"));
    assert!(!ran.all_said().contains_key("survived"), "384 MiB were had under a limit of 64: {ran:?}");
    assert_ne!(ran.ended.exit_code, 0);
    assert_told_if_counted(&stage, Limit::Memory, "memory", test);
    stage.shell("true").well();
}

#[test]
fn a_memory_bomb_is_bounded() {
    assert_memory_is_bounded(
        "a_memory_bomb_is_bounded",
        "def grow(): held.append(bytearray(os.urandom(4096)) * 1024)",
    );
}

#[test]
fn a_memory_bomb_of_many_processes_is_bounded() {
    let stage = Stage::with("limits: { memory: 64MiB, pids: 40 }");
    let ran = explode(
        &stage,
        "say('ready', 1)\n\
         for _ in range(16):\n    \
             if os.fork() == 0:\n        held = bytearray(os.urandom(4096)) * 4096; time.sleep(6); os._exit(0)\n    \
             time.sleep(0.01)\n\
         killed = 0\n\
         for _ in range(16): killed += os.WIFSIGNALED(os.wait()[1])\n\
         say('killed', killed)",
    );
    assert!(
        ran.ended.exit_code != 0 || ran.said("killed").parse::<u32>().unwrap() > 0,
        "256 MiB under a limit of 64"
    );
    assert!(is_told(&stage, Limit::Memory), "{:?}", stage.witness.limits_hit());
}

// Memory that no process has mapped is memory, too.
#[test]
fn a_bomb_of_memory_files_is_bounded() {
    let grow = "def grow(): held.append(os.memfd_create('x')); os.write(held[-1], bytes(4 << 20))";
    assert_memory_is_bounded("a_bomb_of_memory_files_is_bounded", grow);
}

#[test]
fn a_bomb_of_shared_memory_is_bounded() {
    assert_memory_is_bounded(
        "a_bomb_of_shared_memory_is_bounded",
        "libc.shmat.restype = ctypes.c_void_p\n\
         def grow():\n    \
             id = libc.shmget(0, 4 << 20, 0o1600)\n    \
             place = libc.shmat(id, None, 0)\n    \
             ctypes.memset(place, 1, 4 << 20); libc.shmdt(ctypes.c_void_p(place))",
    );
}

#[test]
fn open_files_are_bounded() {
    let stage = Stage::with("limits: { open_files: 100 }");
    let ran = explode(
        &stage,
        r#"
say("ready", 1)
count = 0
try:
    while count < 500:
        os.open("/dev/null", os.O_RDONLY); count += 1
except OSError as error:
    say("error", error_name(error.errno))
say("count", count)
time.sleep(3)
"#,
    );
    let ran = ran.well();
    ran.assert_said(&[("error", "EMFILE"), ("count", "97")]);
    assert!(is_told(&stage, Limit::OpenFiles), "{:?}", stage.witness.limits_hit());
}

// "A million tiny files", "inode bomb".
#[test]
fn a_bomb_of_tiny_files_is_bounded() {
    let stage = Stage::with("limits: { scratch: 2MiB }");
    let ran = explode(
        &stage,
        r#"
say("ready", 1)
answers = {}
for folder in ("/tmp", "/dev/shm", "/run", "/var/tmp", os.environ["HOME"]):
    count = 0
    try:
        while count < 50000:
            os.close(os.open(f"{folder}/{count}", os.O_CREAT | os.O_WRONLY)); count += 1
    except OSError as error:
        answers[folder] = error_name(error.errno)
    say(folder, count)
say("errors", sorted(set(answers.values())), )
say("all", len(answers))
"#,
    );
    let ran = ran.well();
    ran.assert_said(&[("errors", "['ENOSPC']"), ("all", "5")]);
    let total: u64 = ran.all_said().values().filter_map(|value| value.parse::<u64>().ok()).sum();
    assert!(total < 6000, "{total} files in a scratch layer of 2 MiB");
    assert!(is_told(&stage, Limit::ScratchInodes), "{:?}", stage.witness.limits_hit());
}

#[test]
fn a_filled_scratch_layer_is_bounded() {
    let stage = Stage::with("limits: { scratch: 4MiB }");
    let ran = explode(
        &stage,
        r#"
say("ready", 1)
written = 0
for folder in ("/tmp", "/dev/shm", "/run", "/var/tmp", os.environ["HOME"]):
    try:
        with open(f"{folder}/big", "wb", buffering=0) as file:
            while written < 64 << 20: written += file.write(bytes(1 << 16))
    except OSError as error:
        say(folder, error_name(error.errno))
say("written", written)
"#,
    );
    let ran = ran.well();
    ran.assert_said(&[
        ("/tmp", "ENOSPC"),
        ("/dev/shm", "ENOSPC"),
        ("/run", "ENOSPC"),
        ("/var/tmp", "ENOSPC"),
    ]);
    let written: u64 = ran.said("written").parse().unwrap();
    assert!(written <= 4 << 20, "{written}");
    assert!(is_told(&stage, Limit::Scratch), "{:?}", stage.witness.limits_hit());
    let used = stage.sandbox.usage().scratch_bytes.unwrap();
    assert!((3 << 20..=4 << 20).contains(&used), "{used}");
}

#[test]
fn a_sparse_file_of_ten_gigabytes_costs_nothing() {
    let stage = Stage::with("limits: { scratch: 4MiB, memory: 128MiB }");
    let ran = explode(
        &stage,
        r#"
import mmap
say("ready", 1)
for folder in ("/tmp", "."):
    with open(f"{folder}/sparse", "wb+") as file:
        say(f"size {folder}", attempt(file.truncate, 10 << 30))
        file.seek((10 << 30) - 1)
        say(f"end {folder}", attempt(file.write, b"x"))
with open("/tmp/sparse", "rb+") as file:
    say("allocate", attempt(os.posix_fallocate, file.fileno(), 0, 10 << 30))
child = os.fork()
if child == 0:
    # Memory over a file that can't grow: a signal, and not the machine's end.
    with open("/tmp/sparse", "rb+") as file:
        memory = mmap.mmap(file.fileno(), 64 << 20)
        for place in range(0, 64 << 20, 4096): memory[place] = 1
    os._exit(0)
say("mapped", os.waitpid(child, 0)[1] != 0)
"#,
    );
    ran.well().assert_said(&[("size /tmp", "open|EFBIG"), ("allocate", "ENOSPC|EFBIG"), ("mapped", "True")]);
    assert!(stage.sandbox.usage().scratch_bytes.unwrap() <= 4 << 20);
}

#[test]
fn a_folder_without_bottom_is_bounded() {
    let stage = Stage::with("limits: { scratch: 4MiB }");
    let ran = explode(
        &stage,
        r#"
say("ready", 1)
os.chdir("/tmp")
depth = 0
try:
    while depth < 20000:
        os.mkdir("d" * 200); os.chdir("d" * 200); depth += 1
except OSError as error:
    say("error", error_name(error.errno))
say("depth", depth)
# From the bottom, paths are longer than any buffer: what looks at us must not fall over.
import subprocess
say("execute", attempt(subprocess.run, ["/bin/true"]))
say("relative", attempt(os.execv, "./absent", ["absent"]))
say("connect", connect(4501))
s = socket.socket(socket.AF_UNIX)
say("socket", attempt(s.connect, "absent"))
"#,
    );
    ran.well().assert_said(&[
        ("error", "ENOSPC"),
        ("execute", "open"),
        ("relative", "ENOENT"),
        ("connect", "ENETUNREACH"),
    ]);
    assert_eq!(stage.witness.calls_refused_at(4501), [1]);
    let began = Instant::now();
    let Stage { sandbox, .. } = stage;
    sandbox.end();
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn endless_arguments_are_refused_by_the_kernel_and_cut_in_the_record() {
    let stage = Stage::new();
    let ran = explode(
        &stage,
        r#"
say("ready", 1)
def run(arguments, environment={}):
    child = os.fork()
    if child == 0:
        try: os.execve("/bin/true", arguments, environment)
        except OSError as error: os._exit(error.errno)
    return error_name(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
say("one of a gigabyte", run(["x", "y" * (1 << 28)]))
say("many", run(["x"] * (1 << 20)))
say("environment", run(["x"], {str(i): "y" * 100000 for i in range(200)}))
say("a lot that fits", run(["large"] + ["y" * 1000] * 1500))
say("many that fit", run(["numerous"] + ["z"] * 100000))
"#,
    );
    ran.well().assert_said(&[("one of a gigabyte", "E2BIG"), ("many", "E2BIG"), ("environment", "E2BIG")]);
    ran_arguments(&stage, "large", 1501);
    ran_arguments(&stage, "numerous", 100_001);
}

fn ran_arguments(stage: &Stage, first: &str, count: u64) {
    let executions = stage.witness.executions();
    let named = |e: &sandbox::Execution| {
        e.process.argv.as_ref().is_some_and(|argv| argv.first() == Some(&first.into()))
    };
    let (_, execution) =
        executions.iter().find(|(_, e)| named(e)).unwrap_or_else(|| panic!("{first} is told"));
    let argv = execution.process.argv.as_ref().unwrap();
    let bytes: usize = argv.iter().map(|item| item.as_bytes().len()).sum();
    assert!(argv.len() <= event::Argv::MAX_ITEMS && bytes <= event::Argv::MAX_BYTES);
    let omitted = execution.process.argv_omitted.expect("the record says that it is cut");
    assert_eq!(argv.len() as u64 + omitted.items, count, "the record says how many are missing: {omitted:?}");
}

#[test]
fn commands_that_are_too_large_are_errors() {
    let stage = Stage::new();
    let large = "x".repeat(4 << 20);
    let many = vec!["x"; 40_000];
    for command in [
        Command::new("/bin/true").arg(&large),
        Command::new("/bin/true").args(&many),
        Command::new("/bin/true").env("A", &large),
    ] {
        if let Ok(call) = stage.sandbox.call(command) {
            assert_ne!(call.wait().exit_code, 0);
        }
    }
    stage.shell("true").well();
}

#[test]
fn processor_time_is_bounded() {
    if !supervisor().enforces("cpu") {
        return skip("processor_time_is_bounded", "no control group for processor time that we may write");
    }
    let stage = Stage::with("limits: { cpus: 0.2 }");
    let ran = stage.python("end = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass").well();
    let (cpu, wall) = (ran.ended.cpu_us.unwrap(), ran.ended.wall.as_micros() as u64);
    assert!(cpu < wall * 6 / 10, "{cpu} µs of {wall} under a limit of a fifth");
}
