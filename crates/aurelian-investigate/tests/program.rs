//! The program as a user runs it: from files to answers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn run(folder: &Path, words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_aurelian-investigate");
    Command::new(program).current_dir(folder).args(words).output().unwrap()
}

fn well(folder: &Path, words: &[&str]) -> (String, String) {
    let output = run(folder, words);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{words:?}: {err}");
    (out, err)
}

const INCIDENT: [&str; 12] = [
    "investigate",
    "simulate",
    "--out",
    "incident",
    "--seed",
    "3",
    "--workers",
    "12",
    "--episodes",
    "200",
    "--calls",
    "4000",
];
const INVESTIGATE: [&str; 11] = [
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

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn an_incident_is_investigated_well_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    well(folder.path(), &INCIDENT);
    let (_, err) = well(folder.path(), &INVESTIGATE);
    assert!(err.contains("4000 calls of 200 runs"), "{err}");
    let found = folder.path().join("found");
    for name in [
        "report.html",
        "report.json",
        "attribution.jsonl",
        "timeline.timesketch.jsonl",
        "findings.ocsf.jsonl",
    ] {
        assert!(found.join(name).metadata().unwrap().len() > 1000, "{name}");
    }
    assert!(!found.join(".reading").exists(), "it is complete");
    let (out, _) =
        well(folder.path(), &["investigate", "evaluate", "--json", "incident", "found/attribution.jsonl"]);
    let measured: Value = serde_json::from_str(&out).unwrap();
    let brier = |of: &str| measured[of]["all"]["calibration"]["brier"].as_f64();
    let (ours, naive) = (brier("found").unwrap(), brier("nearest_in_time").unwrap());
    assert!(ours < 0.1 && ours < naive / 5.0, "{ours} against {naive}");
}

#[test]
fn little_memory_gives_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    well(folder.path(), &INCIDENT);
    well(folder.path(), &INVESTIGATE);
    // A quarter of it is for flows: less than half of these.
    let little: Vec<_> =
        INVESTIGATE.iter().map(|word| if *word == "found" { "little" } else { word }).collect();
    well(folder.path(), &[&little[..], &["--memory", "2MiB"]].concat());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("found/attribution.jsonl") == read("little/attribution.jsonl"));
    assert_eq!(
        names(&folder.path().join("found")),
        names(&folder.path().join("little")),
        "nothing is left behind"
    );
}

#[test]
fn every_flow_has_a_line_and_candidates_are_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    well(folder.path(), &INCIDENT);
    well(folder.path(), &INVESTIGATE);
    let answers = lines(&folder.path().join("found/attribution.jsonl"));
    let truths = lines(&folder.path().join("incident/truth.jsonl"));
    assert!(answers.len() >= truths.len(), "{} of {}", answers.len(), truths.len());
    for answer in answers {
        let shares: f64 = answer["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["probability"].as_f64())
            .sum();
        let none = answer["none_probability"].as_f64().unwrap_or(0.0);
        assert!((0.0..=1.001).contains(&(shares + none)), "{answer}");
        assert_eq!(answer["run"].is_null(), answer["tool_call_id"].is_null(), "{answer}");
    }
}

#[cfg(feature = "sql")]
fn figures(output: Output) -> Vec<usize> {
    let table = String::from_utf8(output.stdout).unwrap();
    table.split(|char: char| !char.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

#[cfg(feature = "sql")]
#[test]
fn the_tables_hold_what_the_lines_say_and_are_only_read() {
    let folder = tempfile::tempdir().unwrap();
    well(folder.path(), &INCIDENT);
    let ask = |question: &str| run(folder.path(), &[&INVESTIGATE[..], &["--sql", question]].concat());
    let counted =
        ask("SELECT count(*), count(span) FROM flows LEFT JOIN attribution ON attribution.flow = flows.flow");
    let answers = lines(&folder.path().join("found/attribution.jsonl"));
    let caused: Vec<&Value> = answers.iter().filter(|answer| !answer["run"].is_null()).collect();
    let counted = figures(counted);
    assert!(counted.ends_with(&[answers.len(), caused.len()]), "{counted:?}");
    // The engine's own join sees what the model's does: every call that was open is a candidate there.
    let is_open =
        |answer: &&&Value| answer["evidence"][0].as_str().is_some_and(|text| text.starts_with("begun"));
    let open = caused.iter().filter(is_open).count();
    let joined = figures(ask(
        "SELECT count(*) FROM attribution a JOIN candidates c ON c.flow = a.flow AND c.span = a.span",
    ));
    let joined = *joined.last().unwrap();
    assert!(open > 300 && (open..=caused.len()).contains(&joined), "{open} ≤ {joined} ≤ {}", caused.len());
    let refused = ask("COPY flows TO 'flows.csv'");
    assert_eq!(refused.status.code(), Some(125));
    assert!(!folder.path().join("flows.csv").exists());
}

#[test]
fn a_trace_is_shown_and_converted() {
    let folder = tempfile::tempdir().unwrap();
    well(folder.path(), &INCIDENT);
    let (shown, err) = well(folder.path(), &["trace", "show", "incident/traces/commands.jsonl"]);
    assert!(shown.lines().count() > 1000 && err.contains("commands, "), "{err}");
    let (spans, _) = well(folder.path(), &["trace", "convert", "incident/traces/commands.jsonl"]);
    std::fs::write(folder.path().join("spans.jsonl"), &spans).unwrap();
    let (again, err) = well(folder.path(), &["trace", "convert", "spans.jsonl"]);
    assert!(err.contains("spans, "), "{err}");
    assert_eq!(again, spans);
    let (otlp, _) = well(folder.path(), &["trace", "convert", "spans.jsonl", "--to", "otlp"]);
    std::fs::write(folder.path().join("otlp.json"), otlp).unwrap();
    let (_, err) = well(folder.path(), &["trace", "show", "otlp.json"]);
    assert!(err.contains(&format!("otlp-json, {} spans", spans.lines().count())), "{err}");
}

#[test]
fn what_is_converted_into_a_file_is_there_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let calls = "run,tool_call_id,command,start\na,1,ls,2026-03-01T00:00:00Z\n";
    std::fs::write(folder.path().join("calls.csv"), calls).unwrap();
    for to in ["jsonl", "otlp"] {
        let (lines, _) = well(folder.path(), &["trace", "convert", "calls.csv", "--to", to]);
        let (out, _) =
            well(folder.path(), &["trace", "convert", "calls.csv", "--to", to, "--out", "converted"]);
        assert_eq!(out, "");
        assert_eq!(std::fs::read_to_string(folder.path().join("converted")).unwrap(), lines, "{to}");
        std::fs::remove_file(folder.path().join("converted")).unwrap();
    }
    let output = run(folder.path(), &["trace", "convert", "calls.csv", "/nonexistent", "--out", "converted"]);
    assert_eq!(output.status.code(), Some(125));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "only what was there");
}

/// Two calls, of which one tells all that a span can, and one hardly anything.
#[cfg(feature = "sql")]
const SPANS: &str = concat!(
    r#"{"run":"a","task":"t","step":1,"training_step":2,"model":"m","order":0,"tool_call_id":"c","kind":"call","tool":"bash","command":"nohup curl https://pool.example/x &","start":{"nanos":1772366400000000000,"resolution":1000000000,"zone":"unknown","means":"model_finished"},"end":{"nanos":1772366401000000000,"resolution":1,"zone":"stated","means":"command_ended"},"host":"h","sandbox":"s","address":"10.0.0.1","exit_code":-1,"result":"ok","origin":{"file":"x.eval","offset":7,"member":"samples/1.json"}}"#,
    "\n",
    r#"{"run":"b","order":0,"kind":"process","origin":{"file":"y","offset":0}}"#,
    "\n",
);

#[cfg(feature = "sql")]
#[test]
fn spans_as_parquet_are_rows_of_the_table() {
    use engine::{Options, Row, SpanRow, Store};

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spans.jsonl"), SPANS).unwrap();
    let refused = run(folder.path(), &["trace", "convert", "spans.jsonl", "--to", "parquet"]);
    assert_eq!(refused.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--out FILE"));
    let words = ["trace", "convert", "spans.jsonl", "--to", "parquet", "--out", "spans.parquet"];
    let (out, err) = well(folder.path(), &words);
    assert_eq!(out, "");
    let left_out = "what 1 calls answered, the addresses of 1 spans, how the zone of the times of 1 spans is";
    assert!(err.contains(left_out), "{err}");

    let store = Store::open(folder.path().join("store"), Options::default()).unwrap();
    std::fs::rename(folder.path().join("spans.parquet"), store.folder().join("spans/a.parquet")).unwrap();
    let answer = store.sql("SELECT * FROM spans ORDER BY span", 10).unwrap();
    let rows: Vec<SpanRow> = answer.batches.iter().flat_map(SpanRow::rows).collect();
    insta::assert_debug_snapshot!(rows);
}

#[cfg(not(feature = "sql"))]
#[test]
fn without_the_engine_parquet_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["trace", "convert", "spans.jsonl", "--to", "parquet", "--out", "spans.parquet"];
    let output = run(folder.path(), &words);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("built without it"));
    assert!(!folder.path().join("spans.parquet").exists());
}

#[test]
fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.log"), "").unwrap();
    for (words, told) in [
        (vec!["investigate", "--traces", "/nonexistent", "--flows", "x"], "/nonexistent: "),
        (
            vec!["investigate", "--traces", "empty.log", "--flows", "empty.log"],
            "no calls with a time in empty.log",
        ),
        (
            vec!["investigate", "--traces", "empty.log", "--flows", "empty.log", "--baseline", "empty.log"],
            "no flows of a baseline in empty.log",
        ),
        (vec!["investigate", "--traces", "x", "--flows", "x", "--skew", "soon"], "no unit"),
        (
            vec!["investigate", "--traces", "x", "--flows", "x", "--zone", "traces=Mars/Olympus"],
            "no time zone",
        ),
        (vec!["trace", "show", "empty.log"], "empty.log"),
        (
            vec![
                "investigate",
                "--traces",
                "x",
                "--flows",
                "x",
                "--sql",
                "SELECT 1",
                "--cluster",
                "localhost",
            ],
            if cfg!(feature = "cluster") { "df://HOST:PORT" } else { "feature `cluster`" },
        ),
    ] {
        let output = run(folder.path(), &words);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{words:?}: {err}");
        assert!(err.contains(told), "{words:?}: {err}");
    }
}

// An agent may write its own trace: times at the ends of what can be counted must not stop the work.
#[test]
fn times_that_no_clock_shows_stop_nothing() {
    const TIMES: [&str; 6] = [
        "1677-09-22T00:00:00Z",
        "2262-04-11T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2026-03-01T00:00:00Z",
        "-9223372036854775807",
        "9223372036854775807",
    ];
    let folder = tempfile::tempdir().unwrap();
    let time = |at: usize| TIMES[at % TIMES.len()];
    let traces =
        (0..60).map(|at| format!("r{},c{at},curl x.example.com,{},{}\n", at % 3, time(at), time(5 * at + 1)));
    let flows =
        (0..120).map(|at| format!("{},{},10.0.0.1,203.0.113.{at},443,0\n", time(at), time(7 * at + 2)));
    let write = |name: &str, header: &str, lines: String| {
        std::fs::write(folder.path().join(name), format!("{header}\n{lines}")).unwrap();
    };
    write("traces.csv", "run,tool_call_id,command,start,end", traces.collect());
    write("flows.csv", "time,end,source,destination,destination_port,bytes_in", flows.collect());
    for skew in ["auto", "0s", "900000h", "-900000h"] {
        let words = [
            "investigate",
            "--traces",
            "traces.csv",
            "--flows",
            "flows.csv",
            "--skew",
            skew,
            "--out",
            "found",
        ];
        well(folder.path(), &words);
        assert_eq!(lines(&folder.path().join("found/attribution.jsonl")).len(), 120, "{skew}");
    }
}

/// Zeek writes each log into a file of its own, and `conn.log` is read before `dns.log` by any order of names.
#[test]
fn what_addresses_are_called_is_known_whatever_file_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("zeek")).unwrap();
    let ends = |at: usize, port: u16| {
        let (source, destination) = if port == 53 { (40_000, "10.0.0.53") } else { (50_000, "203.0.113.7") };
        format!(
            r#""uid":"C{port}x{at}","id.orig_h":"10.0.0.1","id.orig_p":{},"id.resp_h":"{destination}","id.resp_p":{port}"#,
            source + at
        )
    };
    let time = |at: usize| 1_772_366_400 + 60 * at;
    let connection = |at: usize| {
        let ends = ends(at, 443);
        format!(
            "{{\"ts\":{}.25,{ends},\"proto\":\"tcp\",\"duration\":0.5,\"conn_state\":\"SF\"}}\n",
            time(at)
        )
    };
    let question = |at: usize| {
        let (time, ends) = (time(at), ends(at, 53));
        format!(
            "{{\"ts\":{time}.125,{ends},\"proto\":\"udp\",\"query\":\"pool.example.com\",\"answers\":[\"203.0.113.7\"]}}\n"
        )
    };
    let call =
        |at: usize| format!("r,c{at},curl https://pool.example.com/{at},{},{}\n", time(at), time(at) + 2);
    write("zeek/conn.log", (0..30).map(connection).collect());
    write("zeek/dns.log", (0..30).map(question).collect());
    write(
        "traces.csv",
        format!("run,tool_call_id,command,start,end\n{}", (0..30).map(call).collect::<String>()),
    );
    let words =
        ["investigate", "--traces", "traces.csv", "--flows", "zeek", "--skew", "0s", "--out", "found"];
    well(folder.path(), &words);
    let called: Vec<_> = lines(&folder.path().join("found/attribution.jsonl"))
        .into_iter()
        .filter(|line| line["flow"]["destination_port"] == 443)
        .collect();
    assert_eq!(called.len(), 30);
    for line in called {
        let evidence = line["evidence"].as_array().unwrap();
        assert!(evidence.contains(&"the command names the destination".into()), "{line}");
    }
}
