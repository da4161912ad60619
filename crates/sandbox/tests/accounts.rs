//! What is booked to a call: storage, memory, throttled processor time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use event::Fact;
use event::fact::{Io, Limit, LimitAction};
use rustix::fs::statfs;
use support::{Ran, Stage, skip, supervisor};

const MIB: u64 = 1 << 20;

/// An agent writes so many MiB to a file, by way of the disk.
const WRITE: &str = r#"
def write(name, mib):
    fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for _ in range(mib):
        os.write(fd, b"x" * (1 << 20))
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
"#;

/// A stage whose workspace has storage behind it, if there is one here.
fn on_storage(test: &str) -> Option<Stage> {
    const TMPFS: u64 = 0x0102_1994;
    const OVERLAY: u64 = 0x794c_7630;
    let stage = Stage::new();
    let kind = statfs(&stage.workspace).unwrap().f_type as u64;
    if kind == TMPFS || kind == OVERLAY {
        skip(test, "the folder for temporary files (TMPDIR) has no storage of its own behind it");
        return None;
    }
    Some(stage)
}

fn run(stage: &Stage, agent: &str) -> Io {
    io(&stage.python(&format!("import os\n{WRITE}\n{agent}")).well())
}

fn io(ran: &Ran) -> Io {
    ran.ended.io.expect("a call that ended by itself has its account")
}

fn assert_written(io: Io, mib: u64) {
    // File systems write a little of their own for it.
    let written = io.write_bytes;
    assert!((mib * MIB..mib * MIB + MIB).contains(&written), "{mib} MiB were written: {io:?}");
}

#[test]
fn what_a_call_writes_and_reads_is_booked_to_it() {
    let Some(stage) = on_storage("what_a_call_writes_and_reads_is_booked_to_it") else { return };
    assert_written(run(&stage, "write('a', 5)"), 5);
    let read = run(&stage, "open('a', 'rb').read()");
    assert!(read.read_bytes >= 5 * MIB, "5 MiB were read from storage: {read:?}");
    assert!(read.write_bytes < MIB, "what another call wrote is not this one's: {read:?}");
    // The file is in the page cache now.
    let again = run(&stage, "open('a', 'rb').read()");
    assert!(again.read_bytes < MIB, "nothing more had to be read: {again:?}");
}

#[test]
fn what_its_children_write_is_its_own() {
    let Some(stage) = on_storage("what_its_children_write_is_its_own") else { return };
    let waited = "
for name in 'ab':
    if os.fork() == 0:
        write(name, 2)
        os._exit(0)
for _ in 'ab': os.wait()";
    assert_written(run(&stage, waited), 4);
    let orphan = "
ready, done = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.write(done, str(os.getpid()).encode())
        write('c', 3)
        os._exit(0)
    os._exit(0)
os.wait()
orphan = int(os.read(ready, 16))
while os.path.exists(f'/proc/{orphan}'): time.sleep(0.01)";
    assert_written(run(&stage, orphan), 3);
}

#[test]
fn what_a_process_wrote_that_is_left_behind_is_its_own() {
    let Some(stage) = on_storage("what_a_process_wrote_that_is_left_behind_is_its_own") else { return };
    let left = "
ready, done = os.pipe()
if os.fork() == 0:
    os.setsid()
    write('a', 3)
    os.write(done, b'x')
    for fd in (0, 1, 2): os.close(fd)
    time.sleep(60)
os.read(ready, 1)";
    assert_written(run(&stage, left), 3);
    // Another call, beside what was left: not its own.
    assert!(run(&stage, "pass").write_bytes < MIB);
}

#[test]
fn the_scratch_layer_is_no_storage() {
    let stage = Stage::new();
    assert_eq!(run(&stage, "write('/tmp/a', 5)").write_bytes, 0);
}

fn throttled(stage: &Stage) -> Vec<u32> {
    let seen = stage.witness.seen();
    let hits = seen.iter().filter_map(|observation| match &observation.fact {
        Fact::LimitHit(hit) if hit.limit == Limit::Cpus => {
            assert_eq!((hit.bound, hit.action), (100, LimitAction::Throttled));
            Some(observation.cause.as_ref().map_or(0, |cause| cause.call.number()))
        }
        _ => None,
    });
    hits.collect()
}

/// More than a tenth of a processor for a second, however busy the machine is: many periods in a row are cut short.
const BURN: &str = "end = time.process_time() + 0.15\nwhile time.process_time() < end: pass";

#[test]
fn processor_time_that_runs_out_is_told_once_of_the_call_that_used_it() {
    let stage = Stage::with("limits: { cpus: 0.1 }");
    if !supervisor().enforces("cpu") {
        stage.python(BURN).well();
        assert_eq!(throttled(&stage), Vec::<u32>::new(), "nothing is throttled, and nothing told");
        return skip(
            "processor_time_that_runs_out_is_told_once_of_the_call_that_used_it",
            "no control group for processor time that we may write",
        );
    }
    stage.python(BURN).well();
    stage.shell("sleep 0.3").well();
    let second = stage.python(BURN).well().call;
    let told = throttled(&stage);
    let times = |call| told.iter().filter(|told| **told == call).count();
    assert_eq!((times(1), times(second)), (1, 1), "{told:?}");
}

#[test]
fn processor_time_of_calls_that_overlap_is_told_of_the_run() {
    if !supervisor().enforces("cpu") {
        return skip(
            "processor_time_of_calls_that_overlap_is_told_of_the_run",
            "no control group for processor time that we may write",
        );
    }
    let stage = Stage::with("limits: { cpus: 0.1 }");
    let sleeper = stage.start_python("print('up', flush=True)\ntime.sleep(60)");
    sleeper.wait_for_word();
    stage.python(BURN).well();
    assert_eq!(throttled(&stage).iter().filter(|call| **call > 1).count(), 0, "nobody can say whose it was");
    assert!(throttled(&stage).contains(&0));
    sleeper.call.kill();
    sleeper.wait();
}

#[test]
fn the_memory_of_all_processes_of_a_call_is_its_own() {
    let stage = Stage::new();
    if !supervisor().enforces("memory") {
        return skip(
            "the_memory_of_all_processes_of_a_call_is_its_own",
            "no control group for memory that we may write",
        );
    }
    let agent = "
import os
ready, done = os.pipe()
for _ in range(3):
    if os.fork() == 0:
        block = b'x' * (40 << 20)
        os.write(done, b'x')
        time.sleep(0.5)
        os._exit(0)
for _ in range(3): os.read(ready, 1)
for _ in range(3): os.wait()";
    let peak = stage.python(agent).well().ended.peak_memory_bytes.unwrap();
    assert!((118 * MIB..200 * MIB).contains(&peak), "three processes had 40 MiB each: {peak}");
    let after = stage.shell("true").well().ended.peak_memory_bytes.unwrap();
    assert!(after < 20 * MIB, "what another call used is not this one's: {after}");
    assert!(stage.sandbox.usage().peak_memory_bytes.unwrap() >= 118 * MIB, "the run's own peak stays");
}
