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
use sandbox::{CallError, Command, WindowSize};
use support::{Ran, Stage, alone, skip, supervisor};

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
        assert!(began.elapsed() < Duration::from_secs(20), "another sandbox lives its life: {:?}", began.elapsed());
    }
    let ran = call.wait();
    assert_eq!(stage.witness.gaps(), Vec::<String>::new());
    ran
}

/// Waits until this limit was told.
fn is_told(stage: &Stage, limit: Limit) -> bool {
    stage.witness.wait_for(|observation| matches!(&observation.fact, Fact::LimitHit(hit) if hit.limit == limit))
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
        Command::new("/bin/sh").args(["-c", "echo ready; bomb() { bomb | bomb & }; bomb; sleep 60"]).timeout(Duration::from_secs(2)),
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
    assert_memory_is_bounded("a_memory_bomb_is_bounded", "def grow(): held.append(bytearray(os.urandom(4096)) * 1024)");
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
    assert!(ran.ended.exit_code != 0 || ran.said("killed").parse::<u32>().unwrap() > 0, "256 MiB under a limit of 64");
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
time.sleep(1.5)
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
    ran.assert_said(&[("/tmp", "ENOSPC"), ("/dev/shm", "ENOSPC"), ("/run", "ENOSPC"), ("/var/tmp", "ENOSPC")]);
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
    ran.well().assert_said(&[("error", "ENOSPC"), ("execute", "open"), ("relative", "ENOENT"), ("connect", "ENETUNREACH")]);
    assert_eq!(stage.witness.calls_refused_at(4501), [1]);
    let began = Instant::now();
    let Stage { sandbox, .. } = stage;
    sandbox.end();
    assert!(began.elapsed() < Duration::from_secs(20));
}

// Row "huge output".
#[test]
fn endless_output_ends_the_call() {
    let stage = Stage::with("limits: { output: 256KiB }");
    for line in ["yes", "yes >&2", "(yes & yes >&2)", "setsid yes & sleep 60"] {
        let ran = stage.shell(line);
        assert_eq!((ran.ended.exit_code, ran.ended.reason), (137, EndReason::Limit), "{line}");
        assert!(ran.out.len() + ran.err.len() < 1 << 20, "{line}: {}", ran.out.len() + ran.err.len());
    }
    let hits = stage.witness.limits_hit();
    assert_eq!(hits.iter().filter(|hit| **hit == Limit::Output).count(), 4, "each is told once: {hits:?}");
    assert_eq!(stage.shell("echo fine").well().out, "fine\n");
}

#[test]
fn endless_output_on_a_terminal_ends_the_call() {
    use std::io::Read;
    let stage = Stage::with("limits: { output: 64KiB }");
    let command = Command::new("/usr/bin/yes").terminal(WindowSize { rows: 24, columns: 80 });
    let call = stage.sandbox.call(command.timeout(Duration::from_secs(20))).unwrap();
    let mut terminal = call.terminal.as_ref().unwrap();
    let (mut read, mut part) = (0, [0; 4096]);
    while let Ok(count @ 1..) = terminal.read(&mut part) {
        read += count;
        if read > 4 << 20 {
            call.kill();
        }
    }
    let ended = call.wait();
    assert_eq!(ended.reason, EndReason::Limit, "after {read} bytes");
    assert_eq!(stage.witness.limits_hit(), [Limit::Output]);
}

#[test]
fn what_is_not_read_does_not_fill_memory() {
    let stage = Stage::new();
    let call = stage.sandbox.call(Command::new("/usr/bin/yes")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // Nobody reads: the agent waits in its pipe, as it would anywhere. The supervisor does not.
    stage.shell("true").well();
    assert!(call.ended().is_none());
    call.kill();
    assert_eq!(call.wait().reason, EndReason::Killed);
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
    let named = |e: &sandbox::Execution| e.process.argv.as_ref().is_some_and(|argv| argv.first() == Some(&first.into()));
    let (_, execution) = executions.iter().find(|(_, e)| named(e)).unwrap_or_else(|| panic!("{first} is told"));
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
    for command in [Command::new("/bin/true").arg(&large), Command::new("/bin/true").args(&many), Command::new("/bin/true").env("A", &large)] {
        if let Ok(call) = stage.sandbox.call(command) {
            assert_ne!(call.wait().exit_code, 0);
        }
    }
    stage.shell("true").well();
}

#[test]
fn too_many_calls_are_an_error_and_then_it_goes_on() {
    let stage = Stage::with("limits: { pids: 32 }");
    let mut calls = Vec::new();
    let error = loop {
        match stage.sandbox.call(Command::new("/bin/sleep").arg("60")) {
            Ok(call) => calls.push(call),
            Err(error) => break error,
        }
        assert!(calls.len() < 64, "calls count as the processes that they are");
    };
    assert!(matches!(error, CallError::Refused { .. } | CallError::TooMany), "{error}");
    assert!(calls.len() >= 20, "{}", calls.len());
    calls.iter().for_each(sandbox::Call::kill);
    calls.iter().for_each(|call| assert_eq!(call.wait().reason, EndReason::Killed));
    stage.shell("true").well();
}

#[test]
fn a_flood_of_one_sandbox_does_not_starve_another() {
    let (loud, quiet) = (Stage::new(), Stage::new());
    let source = "say('ready', 1)\ndef flood():\n    end = time.monotonic() + 3\n    while time.monotonic() < end: connect(4502)\n\
                  [threading.Thread(target=flood).start() for _ in range(8)]";
    let call = loud.start_python(source);
    call.wait_for_word();
    for _ in 0..10 {
        let began = Instant::now();
        quiet.shell("true").well();
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    call.wait().well();
}

/// Descriptors that this process has open.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

// The supervisor holds something for each process and each connection that it waits for: an agent must not be able to
// have it hold more than there is.
#[test]
fn executed_processes_do_not_use_up_the_supervisors_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const TEST: &str = "executed_processes_do_not_use_up_the_supervisors_descriptors";
    if !alone(TEST, &[]) {
        return;
    }
    let hard = getrlimit(Resource::Nofile).maximum;
    // As a login shell has it, and less: the soft limit is ours to raise.
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: hard }).unwrap();
    let stages: Vec<_> = (0..3).map(|_| Stage::with("limits: { pids: 200 }")).collect();
    let calls: Vec<_> = stages
        .iter()
        .map(|stage| {
            let call = stage.start_python(
                "import subprocess\nheld = [subprocess.Popen(['sleep', '30']) for _ in range(150)]\nsay('ready', 1)\ntime.sleep(30)",
            );
            call.wait_for_word();
            call
        })
        .collect();
    Stage::new().shell("true").well();
    for stage in &stages {
        assert_eq!(stage.witness.gaps(), Vec::<String>::new());
    }
    calls.iter().for_each(|call| call.call.kill());
}

#[test]
fn connections_that_nobody_takes_do_not_pile_up_in_the_supervisor() {
    if !alone("connections_that_nobody_takes_do_not_pile_up_in_the_supervisor", &[]) {
        return;
    }
    let stage = Stage::new();
    stage.shell("true").well();
    let before = open_files();
    let agent = stage.start_python(
        r#"
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen(0)
to = listener.getsockname()
first = socket.create_connection(to)
for round in range(8):
    child = os.fork()
    if child == 0:
        def wait(): socket.socket().connect(to)
        for _ in range(60): threading.Thread(target=wait, daemon=True).start()
        time.sleep(60)
    time.sleep(0.3)
    os.kill(child, 9); os.waitpid(child, 0)
say("done", 1)
time.sleep(60)
"#,
    );
    agent.wait_for_word();
    // Each of them is dead; what was begun for it must not stay until TCP gives up.
    let deadline = Instant::now() + Duration::from_secs(10);
    while open_files() > before + 40 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(open_files() <= before + 40, "{} descriptors, {before} before", open_files());
    agent.call.kill();
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
