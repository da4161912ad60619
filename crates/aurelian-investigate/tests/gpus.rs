//! Samples of GPUs beside traces and flows, from the files of other tools to all that is written.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod run;

use run::{lines, report, time, well, write};
use serde_json::Value;

const WORKERS: usize = 6;
const CALLS: usize = 40;
/// Who mines, and in which call.
const MINER: (usize, usize) = (3, 25);

/// When a call begins: a minute after the one before it, more or less.
fn begin(worker: usize, call: usize) -> f64 {
    60.0 * call as f64 + (call * call * 7 + worker * 11) as f64 % 17.0
}

/// An episode on each of six workers; one mines on its machine's GPU, another machine trains all the time.
fn incident(folder: &std::path::Path) {
    let all = || (0..WORKERS).flat_map(|worker| (0..CALLS).map(move |call| (worker, call)));
    let is_miner = |of: (usize, usize)| of == MINER;
    let call = |of: (usize, usize)| {
        let command = if is_miner(of) { "nohup ./start.sh &" } else { "curl https://files.example.com/a" };
        let at = begin(of.0, of.1);
        format!("ep-{},c{},{command},{}Z,{}Z", of.0, of.1, time(at), time(at + 3.0))
    };
    write(folder, "traces/calls.csv", "run,tool_call_id,command,start,end", all().map(call));
    let flow = |of: (usize, usize)| {
        let (to, port) = if is_miner(of) { ("203.0.113.7", 3333) } else { ("198.51.100.4", 443) };
        format!("{}Z,10.0.0.{},{to},{port},1000", time(begin(of.0, of.1) + 0.4), of.0)
    };
    write(folder, "flows/flows.csv", "time,source,destination,destination_port,bytes_in", all().map(flow));
    let host = |worker: usize| format!("10.0.0.{worker},ep-{worker},worker-{worker}");
    write(folder, "hosts.csv", "address,run,host", (0..WORKERS).map(host));
    for worker in 0..WORKERS {
        let works = |at: f64| worker == 5 || (worker == MINER.0 && at > begin(MINER.0, MINER.1) + 4.0);
        let sample = |at: usize| {
            let at = 15.0 * at as f64;
            let (busy, watts) = if works(at) { (99, 640) } else { (0, 74) };
            format!("{}, 0, {busy} %, {watts}.00 W", time(at).replace('-', "/").replace('T', " "))
        };
        let header = "timestamp, index, utilization.gpu [%], power.draw [W]";
        write(folder, &format!("flows/gpus/worker-{worker}.csv"), header, (0..160).map(sample));
    }
}

const INVESTIGATE: &[&str] = &[
    "investigate",
    "--traces",
    "traces",
    "--flows",
    "flows",
    "--hosts",
    "hosts.csv",
    "--zone",
    "flows=UTC",
    "--out",
    "found",
];

fn texts(of: &Value) -> Vec<&str> {
    of.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_gpu_that_came_into_use_stands_beside_the_call_that_mined() {
    let folder = tempfile::tempdir().unwrap();
    incident(folder.path());
    well(folder.path(), INVESTIGATE);
    let report = report(folder.path());
    let class =
        report["classes"].as_array().unwrap().iter().find(|class| class["class"] == "gpu.use").unwrap();
    assert_eq!((&class["flows"], &class["malicious"]), (&1.into(), &false.into()), "steady use is none");
    let culprit = &report["culprits"][0];
    assert_eq!((&culprit["run"], &culprit["tool_call_id"]), (&"ep-3".into(), &"c25".into()));
    let evidence = texts(&culprit["evidence"]);
    assert!(evidence.iter().any(|text| text.starts_with("GPU 0 of worker-3 came into use")), "{evidence:?}");
    let untold = texts(&report["untold"]);
    assert!(
        untold.iter().any(|text| text.contains("no sample saw it begin") && text.ends_with(": 1.")),
        "{untold:?}"
    );
    assert!(untold.iter().any(|text| text.contains("\"gpu-samples\" is taken to be right")), "{untold:?}");
}

#[test]
fn a_stretch_of_use_is_in_every_output() {
    let folder = tempfile::tempdir().unwrap();
    incident(folder.path());
    well(folder.path(), INVESTIGATE);
    let found = folder.path().join("found");
    let answers = lines(&found.join("attribution.jsonl"));
    assert_eq!(answers.len(), WORKERS * CALLS + 1);
    let gpus: Vec<_> = answers.iter().filter(|answer| !answer["flow"]["gpu"].is_null()).collect();
    let [gpu] = gpus[..] else { panic!("one stretch: {gpus:?}") };
    assert_eq!(gpu["flow"]["gpu"], "GPU 0 of worker-3");
    assert!(gpu["flow"]["destination"].is_null() && gpu["flow"]["destination_name"].is_null());
    let candidates = gpu["candidates"].as_array().unwrap();
    assert!(candidates.iter().any(|one| one["run"] == "ep-3" && one["tool_call_id"] == "c25"), "{gpu}");
    let timeline = lines(&found.join("timeline.timesketch.jsonl"));
    let is_gpu =
        |line: &&Value| line["message"].as_str().unwrap().starts_with("gpu.use of GPU 0 of worker-3: ");
    assert_eq!(timeline.iter().filter(is_gpu).count(), 1);
    let page = std::fs::read_to_string(found.join("report.html")).unwrap();
    assert!(page.contains("gpu.use") && page.contains("GPU 0 of worker-3 came into use"));
}

#[test]
fn samples_in_a_zone_that_nobody_tells_are_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    incident(folder.path());
    let without: Vec<&str> =
        INVESTIGATE.iter().copied().filter(|word| !["--zone", "flows=UTC"].contains(word)).collect();
    well(folder.path(), &without);
    let answers = lines(&folder.path().join("found/attribution.jsonl"));
    let gpu = answers.iter().find(|answer| !answer["flow"]["gpu"].is_null()).unwrap();
    assert_eq!(gpu["untold"], "no_clock");
}

#[test]
fn where_gpus_only_train_there_is_nothing_to_attribute_and_that_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    incident(folder.path());
    let flows = folder.path().join("flows/flows.csv");
    std::fs::remove_file(flows).unwrap();
    for worker in 0..5 {
        std::fs::remove_file(folder.path().join(format!("flows/gpus/worker-{worker}.csv"))).unwrap();
    }
    well(folder.path(), INVESTIGATE);
    let report = report(folder.path());
    assert_eq!((&report["totals"]["flows"], &report["totals"]["culprits"]), (&0.into(), &0.into()));
    let untold = texts(&report["untold"]);
    assert!(untold.iter().any(|text| text.contains("no sample saw it begin")), "{untold:?}");
}

/// What DCGM's exporter says of a GPU that a pod has, in milliseconds since 1970.
fn exported(at: f64, pod: &str, busy: u32) -> String {
    let millis = 1_772_366_400_000 + (at * 1000.0) as i64;
    format!(
        "DCGM_FI_DEV_GPU_UTIL{{gpu=\"1\",UUID=\"GPU-1a2b\",Hostname=\"node-1\",pod=\"{pod}\"}} {busy} {millis}"
    )
}

#[test]
fn a_pod_has_its_gpu_for_as_long_as_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    incident(folder.path());
    let pods = (0..WORKERS).map(|worker| format!("10.0.0.{worker},ep-{worker},rollout-{worker}"));
    write(folder.path(), "hosts.csv", "address,run,sandbox", pods);
    // Nobody's at first, then the third's, then at once the fourth's.
    let sample = |at: u32| {
        let (pod, busy) = [("", 0), ("rollout-2", 95), ("rollout-3", 97)][(at / 40) as usize];
        exported(f64::from(15 * at), pod, busy)
    };
    let header = "# TYPE DCGM_FI_DEV_GPU_UTIL gauge";
    write(folder.path(), "flows/gpus/dcgm.prom", header, (0..120).map(sample));
    well(folder.path(), INVESTIGATE);
    let answers = lines(&folder.path().join("found/attribution.jsonl"));
    let is_it = |answer: &&Value| answer["flow"]["gpu"] == "GPU-1a2b of node-1";
    let runs = |answer: &Value| -> Vec<String> {
        let candidates = answer["candidates"].as_array().unwrap();
        let mut runs: Vec<String> =
            candidates.iter().map(|one| one["run"].as_str().unwrap().to_owned()).collect();
        runs.dedup();
        runs
    };
    let of: Vec<Vec<String>> = answers.iter().filter(is_it).map(runs).collect();
    assert!(of.iter().all(|runs| runs.len() <= 1), "only who was there: {of:?}");
    let mut of: Vec<String> = of.concat();
    of.sort();
    assert_eq!(of, ["ep-2", "ep-3"]);
}
