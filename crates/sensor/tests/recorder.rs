//! What a recorder writes and sums up, on outputs that work, wait and fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};

use event::fact::{
    BoundaryProven, CallEnded, CallStarted, EndReason, Fact, FileId, OutputBytes, ResourceSample,
    TelemetryGap, Verdict,
};
use event::{CallId, Cause, Event, Observation, Process, RunId};
use sandbox::{Execution, Usage, Witness};
use sensor::Recorder;

/// An output that can be made to wait or to fail.
#[derive(Clone, Default)]
struct Tap(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    written: Vec<u8>,
    shut: bool,
    full: bool,
}

impl Tap {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn events(&self) -> Vec<Event> {
        let state = self.0.0.lock().unwrap();
        let lines = std::str::from_utf8(&state.written).unwrap().lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (state, change) = &*self.0;
        let mut state = change.wait_while(state.lock().unwrap(), |state| state.shut).unwrap();
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn recorder() -> (Arc<Recorder>, Tap) {
    let tap = Tap::default();
    (Recorder::new(RunId::new(), Box::new(tap.clone())).unwrap(), tap)
}

fn proven() -> Observation {
    Observation::new(BoundaryProven { probes: Vec::new(), duration_us: 1 })
}

fn begin(recorder: &Recorder, number: u32) -> Cause {
    let cause = Cause::from(CallId::new(number).unwrap());
    recorder.see(Observation::new(CallStarted::new(["true"], "/w")).caused_by(cause.clone()));
    cause
}

fn end(recorder: &Recorder, cause: &Cause, processes_left: u32) {
    let ended = CallEnded {
        exit_code: 0,
        signal: None,
        reason: EndReason::Exited,
        wall_us: 1,
        cpu_us: None,
        peak_memory_bytes: None,
        io: None,
        output_bytes: OutputBytes::default(),
        processes_left,
    };
    recorder.see(Observation::new(ended).caused_by(cause.clone()));
}

fn now_ns() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}

fn execution(changed_ns: i64, on_scratch: bool) -> Execution {
    Execution {
        path: "/tmp/x".into(),
        process: Process::new(7),
        file: Some(FileId { device: 1, inode: 2 }),
        changed_ns,
        on_scratch,
        interpreter: None,
        stdio: None,
    }
}

fn writers(event: &Event) -> Option<Vec<u32>> {
    let Fact::ProcessExec(exec) = &event.fact else { panic!("{event:?}") };
    exec.written.as_ref().map(|written| written.calls.iter().map(|call| call.number()).collect())
}

#[test]
fn events_are_numbered_from_one_and_the_last_one_ends_the_run() {
    let (recorder, tap) = recorder();
    recorder.record(proven());
    let cause = begin(&recorder, 1);
    end(&recorder, &cause, 0);
    let summary = recorder.finish(Usage { cpu_us: Some(5), ..Usage::default() });
    let events = tap.events();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let Fact::RunEnded(ended) = &events[3].fact else { panic!("{:?}", events[3]) };
    assert_eq!((ended.verdict, ended.events, ended.calls, ended.cpu_us), (Verdict::Clean, 4, 1, Some(5)));
    assert_eq!((summary.verdict, summary.events, summary.calls.len()), (Verdict::Clean, 4, 1));
    assert_eq!(summary.record_error, None);
}

#[test]
fn a_run_without_a_proof_or_with_a_gap_is_unproven() {
    let (unproven, _) = recorder();
    assert_eq!(unproven.finish(Usage::default()).verdict, Verdict::Unproven);
    let (gappy, _) = recorder();
    gappy.record(proven());
    gappy.see(Observation::new(TelemetryGap { lost: 2, source: "seccomp".into(), reason: "torn".into() }));
    let summary = gappy.finish(Usage::default());
    assert_eq!((summary.verdict, summary.gaps[0].lost), (Verdict::Unproven, 2));
}

#[test]
fn the_call_that_wrote_a_program_is_named() {
    let (recorder, tap) = recorder();
    recorder.execution(begin(&recorder, 1), execution(1_000_000_000, false));
    let first = Cause::from(CallId::FIRST);
    let written = now_ns();
    end(&recorder, &first, 0);
    recorder.call_over(first.call);
    std::thread::sleep(std::time::Duration::from_millis(30));
    let second = begin(&recorder, 2);
    recorder.execution(second.clone(), execution(written, false));
    recorder.execution(second.clone(), execution(1_000_000_000, true));
    end(&recorder, &second, 1);
    recorder.execution(begin(&recorder, 3), execution(now_ns() + 40_000_000, true));
    let summary = recorder.finish(Usage::default());
    let events = tap.events();
    let seen: Vec<_> =
        events.iter().filter(|event| event.fact.kind() == "process.exec").map(writers).collect();
    assert_eq!(seen, [None, Some(vec![1]), Some(vec![]), Some(vec![2, 3])]);
    let counts: Vec<_> = summary.calls.iter().map(|call| (call.executed, call.executed_written)).collect();
    assert_eq!(counts, [(1, 0), (2, 2), (1, 1)]);
}

#[test]
fn a_call_is_alive_until_the_last_of_it_is_gone() {
    let (recorder, tap) = recorder();
    let first = begin(&recorder, 1);
    end(&recorder, &first, 1);
    let second = begin(&recorder, 2);
    recorder.execution(second.clone(), execution(now_ns(), false));
    recorder.call_over(first.call);
    std::thread::sleep(std::time::Duration::from_millis(30));
    recorder.execution(second, execution(now_ns(), false));
    recorder.finish(Usage::default());
    let seen: Vec<_> =
        tap.events().iter().filter(|event| event.fact.kind() == "process.exec").map(writers).collect();
    assert_eq!(seen, [Some(vec![1, 2]), Some(vec![2])]);
}

#[test]
fn a_slow_output_holds_the_agent_back_and_loses_nothing() {
    let (recorder, tap) = recorder();
    tap.set(|state| state.shut = true);
    recorder.record(proven());
    let mut seen = 1;
    while recorder.is_ready() {
        recorder.see(Observation::new(ResourceSample::default()));
        seen += 1;
        assert!(seen < 100_000, "it was never held back");
    }
    tap.set(|state| state.shut = false);
    let summary = recorder.finish(Usage::default());
    assert_eq!((summary.events, summary.verdict), (seen + 1, Verdict::Clean));
    assert_eq!(tap.events().len() as u64, summary.events);
}

#[test]
fn what_a_witness_that_does_not_wait_loses_is_a_gap() {
    let (recorder, tap) = recorder();
    tap.set(|state| state.shut = true);
    recorder.record(proven());
    for _ in 0..20_000 {
        recorder.see(Observation::new(ResourceSample::default()));
    }
    tap.set(|state| state.shut = false);
    let summary = recorder.finish(Usage::default());
    let events = tap.events();
    assert!(events.iter().zip(1..).all(|(event, number)| event.seq == number), "numbers have no gaps");
    let lost: u64 = events
        .iter()
        .filter_map(|event| match &event.fact {
            Fact::TelemetryGap(gap) => Some(gap.lost),
            _ => None,
        })
        .sum();
    let gaps = events.iter().filter(|event| event.fact.kind() == "telemetry.gap").count() as u64;
    assert!(lost > 0);
    assert_eq!(summary.events - gaps + lost, 20_000 + 2);
    assert_eq!(summary.verdict, Verdict::Unproven);
}

#[test]
fn a_record_that_can_not_be_written_is_unproven() {
    let (recorder, tap) = recorder();
    recorder.record(proven());
    tap.set(|state| state.full = true);
    let summary = recorder.finish(Usage::default());
    assert_eq!(summary.verdict, Verdict::Unproven);
    assert!(summary.record_error.is_some());
}

#[test]
fn a_record_that_nobody_finishes_is_written_all_the_same() {
    let (recorder, tap) = recorder();
    recorder.record(proven());
    drop(recorder);
    assert_eq!(tap.events().len(), 1);
}

#[test]
fn progress_is_told_at_once() {
    let (recorder, _) = recorder();
    begin(&recorder, 1);
    assert_eq!((recorder.progress().calls, recorder.progress().refused), (1, 0));
}
