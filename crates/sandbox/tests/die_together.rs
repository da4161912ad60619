//! Die together: a supervisor that is killed, at whatever moment, leaves no process, control group, mount or namespace.
//!
//! The victim is this test's own program, executed again. All that comes of it is found by its `oom_score_adj`, which
//! every descendant inherits, in whatever namespaces it is: the init, the janitor, a process that is not yet a call, and
//! an agent's daemons.
//!
//! A namespace lives as long as a process is in it, has it open, or has it mounted. So when no process of the family and no
//! new mount is left, neither is a namespace. To look for their numbers proves nothing: the kernel gives them out again
//! at once, to the sandboxes of the tests beside these.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sandbox::Supervisor;
use support::{Stage, alone, python, skip, supervisor};

/// What names the victim's part, in its environment: what to do, and its mark.
const ROLE: &str = "AURELIAN_TEST_VICTIM";
const MARK: &str = "AURELIAN_TEST_MARK";

/// After so long all must be gone (the promise), or the test fails (a hanging machine).
const PROMISED: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(15);

/// The victim's life, in a process of its own. As a test on its own it does nothing.
#[test]
fn victim() {
    let (Ok(role), Ok(mark)) = (std::env::var(ROLE), std::env::var(MARK)) else { return };
    fs::write("/proc/self/oom_score_adj", mark).unwrap();
    match role.as_str() {
        "starts" => start_and_end(),
        "calls" => serve_calls(),
        "frozen" => freeze(),
        "many" => hold_many(),
        other => panic!("no such role: {other}"),
    }
}

/// Starts sandboxes with a short call, and ends them, again and again.
fn start_and_end() {
    println!("ready");
    loop {
        let stage = Stage::new();
        let call = stage.start(&["/bin/true".to_owned()]);
        drop(call);
        let Stage { sandbox, .. } = stage;
        sandbox.end();
    }
}

/// An agent that wants to survive.
const SURVIVOR: &str = r#"
import signal
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
say("ready", 1)
while True:
    for _ in range(3):
        try:
            if os.fork() == 0: os.setsid()
        except OSError: pass
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except OSError: pass
    connect(4600)
    time.sleep(0.01)
"#;

fn serve_calls() {
    let stage = Stage::with("limits: { pids: 48 }");
    let survivor = stage.start(&python(SURVIVOR));
    survivor.wait_for_word();
    println!("ready");
    loop {
        // One after the other, so that the end comes at every moment of a call's start.
        let call = stage.sandbox.call(sandbox::Command::new("/bin/sh").args(["-c", "sleep 60 & exit 0"]));
        if let Ok(call) = call {
            call.wait();
            call.kill();
        }
    }
}

fn freeze() {
    let stage = Stage::with("limits: { pids: 24 }");
    let survivor = stage.start(&python(SURVIVOR));
    survivor.wait_for_word();
    loop {
        // Whether it succeeds is `kill.rs`'s: here, it is the moment of the kill.
        let _ = stage.sandbox.freeze();
        println!("ready");
        std::thread::sleep(Duration::from_millis(5));
        let _ = stage.sandbox.thaw();
    }
}

fn hold_many() {
    let stages: Vec<_> = (0..12).map(|_| Stage::with("limits: { pids: 8 }")).collect();
    let calls: Vec<_> =
        stages.iter().map(|stage| stage.start(&["/bin/sleep".to_owned(), "60".to_owned()])).collect();
    println!("ready");
    std::thread::sleep(Duration::from_secs(60));
    drop(calls);
}

/// A victim, from outside.
struct Victim {
    child: Child,
    mark: String,
    temporary: tempfile::TempDir,
}

impl Victim {
    fn start(role: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Unlike any other on this machine: other tests run beside this one.
        let number = std::process::id() % 50 * 18 + NEXT.fetch_add(1, Ordering::SeqCst) % 18;
        let mark = (50 + number).to_string();
        // Its workspaces go with this folder: nobody else removes them once it is killed.
        let temporary = tempfile::tempdir().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(MARK, &mark)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(temporary.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Self { child, mark, temporary }
    }

    fn wait_until_ready(&mut self) {
        let out = BufReader::new(self.child.stdout.take().unwrap());
        let ready = out.lines().map_while(Result::ok).any(|line| line.ends_with("ready"));
        let said = fs::read_to_string(self.temporary.path().join("stderr")).unwrap();
        assert!(ready, "the victim begins its life: {said}");
    }

    /// Processes of its, itself included.
    fn family(&self) -> Vec<u32> {
        let marked = |pid: &u32| {
            let value = fs::read_to_string(format!("/proc/{pid}/oom_score_adj"));
            value.is_ok_and(|value| value.trim() == self.mark) && !is_dead(*pid)
        };
        processes().filter(marked).collect()
    }

    fn janitor(&self) -> Option<u32> {
        let is_janitor = |pid: &u32| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"aurelian-janitor"))
        };
        self.family().into_iter().find(is_janitor)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until nothing of it is left. How long that took.
    fn vanishes(&self, groups_too: bool) -> Duration {
        let began = Instant::now();
        loop {
            let (family, groups) = (self.family(), self.groups());
            if family.is_empty() && (groups.is_empty() || !groups_too) {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "left behind: {:?}, {groups:?}",
                family.iter().map(describe).collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Its control groups.
    fn groups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        find_groups(Path::new("/sys/fs/cgroup"), &format!("aurelian-{}-", self.child.id()), 5, &mut found);
        found
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What a failed test found must not stay on the machine.
        for group in self.groups() {
            for run in fs::read_dir(&group).into_iter().flatten().flatten() {
                fs::read_dir(run.path())
                    .into_iter()
                    .flatten()
                    .flatten()
                    .for_each(|call| drop(fs::remove_dir(call.path())));
                let _ = fs::remove_dir(run.path());
            }
            let _ = fs::remove_dir(group);
        }
    }
}

fn find_groups(folder: &Path, prefix: &str, depth: u32, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        } else if depth > 0 && !name.to_string_lossy().starts_with("aurelian-") {
            find_groups(&entry.path(), prefix, depth - 1, found);
        }
    }
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Dead, and waiting for whoever has to look at it: on some machines that is a slow first process.
fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_none_or(|(_, rest)| matches!(rest.trim_start().chars().next(), Some('Z' | 'X') | None))
}

fn describe(pid: &u32) -> String {
    let read =
        |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default().replace('\0', " ");
    format!("{pid} {:?} {:?}", read("cmdline"), read("stat"))
}

fn mounts() -> usize {
    fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count()
}

/// Kills so many victims of this role, each after a time of its own, and looks for what is left.
fn kill_at_random(role: &str, rounds: u32, ready: bool, most_us: u64) {
    let before = mounts();
    let (mut late, mut worst) = (0, Duration::ZERO);
    for round in 0..rounds {
        let mut victim = Victim::start(role);
        if ready {
            victim.wait_until_ready();
        }
        std::thread::sleep(moment(round, most_us));
        victim.kill();
        let taken = victim.vanishes(true);
        worst = worst.max(taken);
        late += u32::from(taken > PROMISED);
    }
    assert_eq!(mounts(), before, "no mount is left on the host");
    // What is promised is promised of a host that has a processor to spare; a busy one may take its time over some.
    assert!(late <= rounds / 10, "{late} of {rounds} took longer than {PROMISED:?}; the longest {worst:?}");
    assert!(worst < PROMISED * 10, "the longest took {worst:?}");
}

/// A different moment for each round, spread evenly, in no order (multiplication by a number coprime to 1009).
fn moment(round: u32, most_us: u64) -> Duration {
    Duration::from_micros(u64::from(round).wrapping_mul(617) % 1009 * most_us / 1009)
}

#[test]
fn killed_while_it_starts_and_ends_sandboxes() {
    kill_at_random("starts", 80, true, 25_000);
}

#[test]
fn killed_before_it_has_begun() {
    kill_at_random("starts", 40, false, 40_000);
}

#[test]
fn killed_while_it_serves_calls() {
    kill_at_random("calls", 60, true, 30_000);
}

#[test]
fn killed_while_its_sandbox_is_frozen() {
    kill_at_random("frozen", 20, true, 12_000);
}

#[test]
fn killed_while_it_holds_many_sandboxes() {
    kill_at_random("many", 10, true, 5_000);
}

#[test]
fn without_its_janitor_processes_die_and_the_next_supervisor_cleans() {
    let mut victim = Victim::start("calls");
    victim.wait_until_ready();
    let Some(janitor) = victim.janitor() else {
        victim.kill();
        victim.vanishes(false);
        return skip(
            "without_its_janitor_processes_die_and_the_next_supervisor_cleans",
            "no control groups that we may write, and so no janitor",
        );
    };
    let janitor = rustix::process::Pid::from_raw(janitor.cast_signed()).unwrap();
    rustix::process::kill_process(janitor, rustix::process::Signal::KILL).unwrap();
    victim.kill();
    victim.vanishes(false);
    // A folder that is very new may be one whose supervisor is just starting: those are left for a moment.
    let began = Instant::now();
    while !victim.groups().is_empty() && began.elapsed() < PATIENCE {
        drop(Supervisor::new().unwrap());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(
        victim.groups(),
        Vec::<PathBuf>::new(),
        "what its janitor could not do, the next supervisor did"
    );
}

#[test]
fn a_janitor_that_is_killed_costs_no_sandbox_its_life() {
    let mut victim = Victim::start("many");
    victim.wait_until_ready();
    if let Some(janitor) = victim.janitor() {
        let janitor = rustix::process::Pid::from_raw(janitor.cast_signed()).unwrap();
        rustix::process::kill_process(janitor, rustix::process::Signal::KILL).unwrap();
        let alive = victim.family().len();
        assert!(alive >= 25, "a victim, twelve inits, twelve calls: {alive}");
    } else {
        skip("a_janitor_that_is_killed_costs_no_sandbox_its_life", "no control groups that we may write");
    }
    victim.kill();
    victim.vanishes(false);
}

#[test]
fn a_supervisor_that_starts_kills_no_other() {
    let stage = Stage::new();
    let agent = stage.start_python("say('ready', 1); time.sleep(60)");
    agent.wait_for_word();
    // Older than what is left alone for being new.
    std::thread::sleep(Duration::from_millis(2500));
    let mut others = [Victim::start("starts"), Victim::start("many")];
    others.iter_mut().for_each(Victim::wait_until_ready);
    std::thread::sleep(Duration::from_millis(200));
    others.iter_mut().for_each(Victim::kill);
    assert!(agent.call.ended().is_none(), "a sandbox of another process lives on");
    stage.shell("true").well();
    agent.call.kill();
}

#[test]
fn a_sandbox_that_ends_leaves_nothing_either() {
    if !alone("a_sandbox_that_ends_leaves_nothing_either", &[]) {
        return;
    }
    let before = mounts();
    let stage = Stage::new();
    let agent = stage.start_python("say('ready', 1); time.sleep(60)");
    agent.wait_for_word();
    let init = stage.sandbox.init_pid();
    let Stage { sandbox, .. } = stage;
    sandbox.end();
    agent.wait();
    assert!(is_dead(init) && mounts() == before);
    let mut groups = Vec::new();
    find_groups(Path::new("/sys/fs/cgroup"), &format!("aurelian-{}-", std::process::id()), 5, &mut groups);
    let left: Vec<_> =
        groups.iter().map(|group| group.join("run-1")).filter(|group| group.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}

// A library: several supervisors may live in one process, and each has all its controls.
#[test]
fn two_supervisors_of_one_process_have_the_same_controls() {
    let (one, two) = (supervisor(), Supervisor::new().unwrap());
    assert_eq!(one.cgroups(), two.cgroups());
    for controller in ["memory", "pids", "cpu"] {
        assert_eq!(one.enforces(controller), two.enforces(controller), "{controller}");
    }
}
