//! An investigation that is stopped goes on where it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The logs of the incident are cut into so many files.
const LOGS: usize = 6;
/// The last of them, which is a pipe that nobody writes to while the first start shall be stopped.
const LAST: &str = "logs/5.json";

fn program(folder: &Path, words: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_aurelian-investigate"));
    program.current_dir(folder).args(words);
    program
}

fn investigation(folder: &Path, out: &str, more: &[&str]) -> Command {
    let mut program = program(folder, &["investigate", "--traces", "incident/traces", "--flows"]);
    program.args((0..LOGS).map(|log| format!("logs/{log}.json")));
    program.args(["--hosts", "incident/hosts.csv", "--save-every", "0", "--out", out]).args(more);
    program
}

/// An incident with its logs, and what is found if nothing is stopped.
fn incident() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--seed", "5", "--workers", "4", "--episodes", "60", "--calls", "900", "--log", "eve"];
    let simulate = [&["investigate", "simulate", "--out", "incident"], &words[..]].concat();
    assert!(program(folder.path(), &simulate).output().unwrap().status.success());
    let mut lines = String::new();
    for file in files(&folder.path().join("incident/flows")) {
        lines += &fs::read_to_string(file).unwrap();
    }
    let lines: Vec<&str> = lines.lines().collect();
    fs::create_dir(folder.path().join("logs")).unwrap();
    for (log, lines) in lines.chunks(lines.len().div_ceil(LOGS)).enumerate() {
        fs::write(folder.path().join(format!("logs/{log}.json")), lines.join("\n") + "\n").unwrap();
    }
    let (_, told) = done(investigation(folder.path(), "whole", &[]));
    assert!(!told.contains("going on") && !told.contains("anew"), "{told}");
    folder
}

fn done(mut investigation: Command) -> (Output, String) {
    let output = investigation.output().unwrap();
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(output.status.success(), "{told}");
    (output, told)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What a saved reading tells of itself: the second line.
fn about(folder: &Path) -> Option<Value> {
    let state = fs::read(folder.join("found/.reading/state")).ok()?;
    serde_json::from_slice(state.split(|byte| *byte == b'\n').nth(1)?).ok()
}

/// Starts an investigation, which reads all but the last file, saves that, and waits.
fn waiting(folder: &Path) -> Child {
    let last = folder.join(LAST);
    fs::rename(&last, folder.join("last")).unwrap();
    assert!(Command::new("mkfifo").arg(&last).status().unwrap().success());
    let child = investigation(folder, "found", &[]).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let traces = files(&folder.join("incident/traces")).len();
    let read = || about(folder).map(|about| about["read"].as_array().unwrap().len());
    while read() != Some(traces + LOGS - 1) {
        assert!(begun.elapsed() < Duration::from_secs(120), "{:?} files were read", read());
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// An investigation that was killed before it read the last file, which is there now.
fn stopped() -> TempDir {
    let folder = incident();
    let mut child = waiting(folder.path());
    kill(folder.path(), &mut child);
    folder
}

fn kill(folder: &Path, child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
    fs::rename(folder.join("last"), folder.join(LAST)).unwrap();
}

fn assert_found_the_same(folder: &Path) {
    let read = |out: &str| fs::read(folder.join(out).join("attribution.jsonl")).unwrap();
    assert!(!read("found").is_empty() && read("found") == read("whole"));
    let report = |out: &str| {
        let report = fs::read(folder.join(out).join("report.json")).unwrap();
        let mut report: Value = serde_json::from_slice(&report).unwrap();
        for differs in ["made_at", "title"] {
            report.as_object_mut().unwrap().remove(differs);
        }
        report
    };
    assert_eq!(report("found"), report("whole"));
    let names = |out: &str| -> Vec<_> {
        files(&folder.join(out)).iter().map(|file| file.file_name().unwrap().to_owned()).collect()
    };
    assert_eq!(names("found"), names("whole"), "nothing is left behind");
}

#[test]
fn what_was_killed_goes_on_and_finds_the_same() {
    let folder = incident();
    let mut child = waiting(folder.path());
    let second = investigation(folder.path(), "found", &[]).output().unwrap();
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(second.status.code() == Some(125) && told.contains("found is in use by another"), "{told}");
    kill(folder.path(), &mut child);
    let (_, told) = done(investigation(folder.path(), "found", &[]));
    let all = files(&folder.path().join("incident/traces")).len() + LOGS;
    assert!(told.contains(&format!("going on after {} of {all} files", all - 1)), "{told}");
    assert_found_the_same(folder.path());
    let (_, told) = done(investigation(folder.path(), "found", &[]));
    assert!(!told.contains("going on"), "it was complete: {told}");
}

#[test]
fn what_was_killed_goes_on_with_less_memory() {
    let folder = stopped();
    let (_, told) = done(investigation(folder.path(), "found", &["--memory", "1MiB"]));
    assert!(told.contains("going on"), "{told}");
    assert_found_the_same(folder.path());
}

#[test]
fn a_torn_state_begins_anew_and_finds_the_same() {
    let folder = stopped();
    let place = folder.path().join("found/.reading");
    let kept: Vec<_> = files(&place).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
    let length = fs::metadata(place.join("state")).unwrap().len();
    for cut in [0, 5, length / 2, length - 1] {
        fs::create_dir_all(&place).unwrap();
        kept.iter().for_each(|(bytes, file)| fs::write(file, bytes).unwrap());
        fs::OpenOptions::new().write(true).open(place.join("state")).unwrap().set_len(cut).unwrap();
        let (_, told) = done(investigation(folder.path(), "found", &[]));
        assert!(told.contains("reading begins anew: what was saved is damaged"), "{cut}: {told}");
        assert_found_the_same(folder.path());
    }
}

#[test]
fn other_reading_begins_anew_and_says_why() {
    let folder = stopped();
    let place = folder.path().join("found/.reading");
    let kept: Vec<_> = files(&place).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
    let anew = |more: &[&str], why: &str| {
        fs::create_dir_all(&place).unwrap();
        kept.iter().for_each(|(bytes, file)| fs::write(file, bytes).unwrap());
        let (_, told) = done(investigation(folder.path(), "found", more));
        assert!(told.contains(&format!("aurelian: reading begins anew: {why}")), "{why}: {told}");
    };
    anew(&["--year", "2025"], "--year is not what it was");
    anew(&["--zone", "flows=Asia/Shanghai"], "--zone is not what it was");
    anew(&["--flow-format", "eve"], "--flow-format is not what it was");
    let log = folder.path().join("logs/1.json");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.clone() + "\n").unwrap();
    anew(&[], "logs/1.json has changed since it was read");
    let hosts = folder.path().join("incident/hosts.csv");
    let table = fs::read_to_string(&hosts).unwrap();
    fs::write(&hosts, &table[..table.trim_end().rfind('\n').unwrap() + 1]).unwrap();
    anew(&[], "the host map is not what it was");
}

#[test]
fn what_came_since_is_read_too() {
    let folder = stopped();
    let traces = files(&folder.path().join("incident/traces")).len();
    fs::write(
        folder.path().join("incident/traces/a.csv"),
        "run,tool_call_id,command,start\nnew,1,ls,2026-03-01T00:00:00Z\n",
    )
    .unwrap();
    let (_, told) = done(investigation(folder.path(), "found", &[]));
    let (read, all) = (traces + LOGS - 1, traces + 1 + LOGS);
    assert!(told.contains(&format!("going on after {read} of {all} files")), "{told}");
    assert!(told.contains("901 calls of 61 runs"), "{told}");
}

#[test]
fn what_is_gone_since_is_missed() {
    let folder = stopped();
    let trace = files(&folder.path().join("incident/traces")).remove(0);
    fs::rename(&trace, trace.with_extension("moved")).unwrap();
    let (_, told) = done(investigation(folder.path(), "found", &[]));
    assert!(told.contains("was read, and is not among the files any more"), "{told}");
}
