//! A baseline beside an incident, from simulated logs to all that is written.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod run;

use std::path::Path;

use run::{lines, report, time, well, write};
use serde_json::Value;

/// Two dozen workers; the baseline's are of a time when nobody did what nobody asked for.
fn simulate(folder: &Path, out: &str, seed: &str, malice: &str) {
    let world = ["--workers", "24", "--episodes", "400", "--calls", "4000"];
    let words =
        [&["investigate", "simulate", "--out", out, "--seed", seed, "--malice", malice][..], &world].concat();
    well(folder, &words);
}

fn investigate(folder: &Path, more: &[&str]) {
    let words = [
        "investigate",
        "--traces",
        "incident/traces",
        "--flows",
        "incident/flows",
        "--hosts",
        "incident/hosts.csv",
        "--year",
        "2026",
        "--out",
        "found",
    ];
    well(folder, &[&words[..], more].concat());
}

fn texts(of: &Value) -> Vec<&str> {
    of.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn what_better_times_never_had_is_told_and_tested() {
    let folder = tempfile::tempdir().unwrap();
    simulate(folder.path(), "incident", "3", "0.6");
    simulate(folder.path(), "before", "4", "0");
    investigate(folder.path(), &["--baseline", "before/flows"]);
    let report = report(folder.path());
    let baseline = &report["baseline"];
    assert!(baseline["records"].as_u64().unwrap() > 1000 && baseline["place_hours"].as_u64().unwrap() > 12);
    assert_eq!((&baseline["rates_untold"], &baseline["records_to_others"]), (&Value::Null, &0.into()));
    let rates = baseline["rates"].as_array().unwrap();
    let mining = rates.iter().find(|rate| rate["class"] == "mining.stratum").unwrap();
    assert_eq!((&mining["baseline"], &mining["ratio"]), (&0.into(), &Value::Null), "{mining}");
    assert!(mining["here"].as_u64().unwrap() > 9 && mining["q"].as_f64().unwrap() < 0.05, "{mining}");
    let never = |culprit: &Value| {
        texts(&culprit["evidence"]).iter().any(|text| text.starts_with("the baseline never has "))
    };
    let mined = |culprit: &&Value| culprit["classes"][0]["of"] == "mining.stratum";
    let culprits = report["culprits"].as_array().unwrap();
    let miners: Vec<&Value> = culprits.iter().filter(mined).collect();
    assert!(!miners.is_empty() && miners.iter().all(|culprit| never(culprit)), "{miners:?}");
    let is_input = |input: &Value| input["role"] == "baseline" && input["records"].as_u64().unwrap() > 0;
    assert!(report["inputs"].as_array().unwrap().iter().any(is_input));
    let page = std::fs::read_to_string(folder.path().join("found/report.html")).unwrap();
    assert!(page.contains("Against the baseline") && page.contains("the baseline never has"));
    let findings = std::fs::read_to_string(folder.path().join("found/findings.ocsf.jsonl")).unwrap();
    assert!(findings.contains("the baseline never has"));
}

#[test]
fn without_a_baseline_nothing_is_said_of_one() {
    let folder = tempfile::tempdir().unwrap();
    simulate(folder.path(), "incident", "3", "0.6");
    investigate(folder.path(), &[]);
    let report = report(folder.path());
    assert!(report["baseline"].is_null());
    let page = std::fs::read_to_string(folder.path().join("found/report.html")).unwrap();
    assert!(!page.contains("baseline-title") && !page.contains("#baseline"));
}

/// Uploads of six hosts to a backup, in each of some hours.
fn backups(hours: std::ops::Range<u32>, hosts: u32) -> impl Iterator<Item = String> {
    let line = |hour: u32, host: u32| {
        let at = time(f64::from(3600 * hour + 60 * host));
        format!("{at}Z,10.0.0.{host},203.0.113.9,443,backup.example,90000000,5000")
    };
    hours.flat_map(move |hour| (0..hosts).map(move |host| line(hour, host)))
}

#[test]
fn what_is_a_matter_of_course_is_held_back_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let header = "time,source,destination,destination_port,destination_name,bytes_out,bytes_in";
    write(folder.path(), "before.csv", header, backups(0..4, 6));
    let call = |at: u32| {
        let (start, end) = (time(f64::from(60 * at)), time(f64::from(60 * at + 9)));
        format!("ep-1,c{at},ls,{start}Z,{end}Z")
    };
    write(
        folder.path(),
        "incident/traces/calls.csv",
        "run,tool_call_id,command,start,end",
        (0..60).map(call),
    );
    write(folder.path(), "incident/flows/flows.csv", header, backups(0..4, 2));
    write(
        folder.path(),
        "incident/hosts.csv",
        "address,run",
        (0..6).map(|host| format!("10.0.0.{host},ep-1")),
    );
    let class = |folder: &Path| {
        let answers = lines(&folder.join("found/attribution.jsonl"));
        answers[0]["flow"]["class"].as_str().map(str::to_owned)
    };
    investigate(folder.path(), &[]);
    assert_eq!(class(folder.path()).as_deref(), Some("exfil.volume"));
    investigate(folder.path(), &["--baseline", "before.csv"]);
    assert_eq!(class(folder.path()), None);
    let report = report(folder.path());
    assert_eq!(report["baseline"]["held_back"], 8);
    assert_eq!(report["baseline"]["held_back_to"][0]["destination"], "backup.example");
    let untold = texts(&report["untold"]);
    assert!(untold.iter().any(|text| text.contains("If the baseline was not clean")), "{untold:?}");
    let page = std::fs::read_to_string(folder.path().join("found/report.html")).unwrap();
    assert!(page.contains("Not called suspicious") && page.contains("backup.example"));
}
