//! The same questions here and on a cluster, asked by the program.

#![cfg(feature = "cluster-test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use engine::LocalCluster;

const QUESTIONS: [&str; 3] = [
    "SELECT tool, count(*) AS calls FROM spans GROUP BY tool ORDER BY tool",
    "SELECT f.class, count(*) AS flows, count(DISTINCT a.run) AS runs FROM attribution a JOIN flows f ON f.flow = a.flow
     GROUP BY f.class ORDER BY f.class",
    "SELECT count(*) FROM candidates",
];

fn run(folder: &Path, words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_aurelian-investigate");
    Command::new(program).current_dir(folder).args(words).output().unwrap()
}

fn well(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn questions_are_answered_on_a_cluster_as_here() {
    let folder = tempfile::tempdir().unwrap();
    // What executors write goes there as well: it is theirs, and they don't clean up.
    tempfile::env::override_temp_dir(folder.path()).unwrap();
    let local = LocalCluster::start().unwrap();
    let simulate = ["investigate", "simulate", "--out", "incident", "--seed", "3"];
    let size = ["--workers", "4", "--episodes", "40", "--calls", "800"];
    well(folder.path(), &[&simulate[..], &size].concat());
    let files = ["--traces", "incident/traces", "--flows", "incident/flows", "--hosts", "incident/hosts.csv"];
    let ask = |out, question, more: &[&str]| {
        let asked = ["--year", "2026", "--out", out, "--format", "json", "--sql", question];
        run(folder.path(), &[&["investigate"], &files[..], &asked, more].concat())
    };
    let address = local.cluster().to_string();
    for question in QUESTIONS {
        let here = ask("here", question, &[]);
        let there = ask("there", question, &["--cluster", &address]);
        for answer in [&here, &there] {
            assert!(answer.status.success(), "{question}: {}", String::from_utf8_lossy(&answer.stderr));
        }
        let rows = here.stdout.split(|byte| *byte == b'\n').count();
        assert!(rows > 4, "{question}: {rows} lines");
        assert_eq!(String::from_utf8(there.stdout), String::from_utf8(here.stdout), "{question}");
    }
    let over = "SELECT count(*) FILTER (WHERE flow > 1) OVER (PARTITION BY place) FROM flows";
    let refused = ask("there", over, &["--cluster", &address]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("ask without a cluster, or ask otherwise"), "{said}");
    let nobody = ask("there", QUESTIONS[0], &["--cluster", "df://127.0.0.1:1"]);
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(
        !nobody.status.success() && said.contains("no Ballista scheduler answers at df://127.0.0.1:1"),
        "{said}"
    );
}
