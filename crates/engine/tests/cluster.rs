//! The same questions here, on a Ballista cluster and in DuckDB: the same rows, or a plain refusal.

#![cfg(feature = "cluster-test")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod duck;
mod incident;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};

use datafusion::execution::object_store::ObjectStoreUrl;
use engine::{
    Answer, AttributionRow, ClockRow, Cluster, EngineError, FlowRow, LocalCluster, Objects, Side, SlackRow,
    SpanRow,
};
use incident::{Incident, SECOND, chance, flow, rows, span, write};
use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

/// What analysts ask.
const QUESTIONS: [&str; 22] = [
    "SELECT flow, span FROM candidates",
    "SELECT tool, count(*), min(start_ns), max(end_ns), sum(CASE WHEN leaves_behind THEN 1 ELSE 0 END) FROM spans GROUP BY tool",
    "SELECT s.tool, f.class, count(*) AS flows, round(sum(a.probability), 1) AS expected
     FROM attribution a JOIN flows f ON f.flow = a.flow JOIN spans s ON s.span = a.span
     GROUP BY s.tool, f.class ORDER BY expected DESC",
    "SELECT s.run, s.tool_call_id, s.began, s.ended, s.command
     FROM candidates c JOIN spans_at s ON s.span = c.span WHERE c.flow BETWEEN 40 AND 60 ORDER BY s.began",
    "SELECT destination_key, count(*) AS flows, sum(bytes_out) AS bytes FROM flows
     GROUP BY destination_key ORDER BY bytes DESC NULLS LAST, destination_key LIMIT 10",
    "SELECT date_trunc('minute', began) AS minute, kind, count(*) AS flows FROM flows_at GROUP BY 1, 2",
    "SELECT place, count(DISTINCT destination_key), count(*) FILTER (WHERE action = 'blocked'), avg(bytes_out)
     FROM flows GROUP BY place",
    "SELECT run, count(*) AS flows, max(probability) FROM attribution
     WHERE flow IN (SELECT flow FROM flows WHERE class = 'mining.stratum') GROUP BY run HAVING count(*) > 2",
    "SELECT DISTINCT run FROM spans WHERE run NOT IN (SELECT run FROM attribution WHERE run IS NOT NULL)",
    "SELECT DISTINCT run FROM spans WHERE run NOT IN (SELECT run FROM attribution)",
    "SELECT span FROM spans s WHERE NOT EXISTS (SELECT 1 FROM candidates c WHERE c.span = s.span)",
    "SELECT destination_key, flow FROM (
        SELECT destination_key, flow, row_number() OVER (PARTITION BY destination_key ORDER BY time_ns, flow) AS n FROM flows
     ) first WHERE n = 1",
    "SELECT flow, place, time_ns - lag(time_ns) OVER (PARTITION BY place ORDER BY time_ns, flow) AS gap FROM flows",
    "SELECT flow, sum(bytes_out) OVER (PARTITION BY place ORDER BY time_ns, flow ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) FROM flows",
    "SELECT destination_name FROM flows WHERE place = 1 INTERSECT SELECT destination_name FROM flows WHERE place = 2",
    "SELECT destination_name FROM flows WHERE place IS NULL EXCEPT SELECT destination_name FROM flows WHERE place = 2 AND class IS NULL",
    "SELECT flow FROM flows WHERE bytes_out > (SELECT avg(bytes_out) FROM flows)",
    "SELECT f.kind, f.transport, count(*), count(a.flow), count(a.span)
     FROM flows f LEFT JOIN attribution a ON a.flow = f.flow GROUP BY f.kind, f.transport",
    "WITH places AS (SELECT span, unnest(places) AS place FROM spans)
     SELECT place, 'span' AS side, count(*) FROM places GROUP BY place
     UNION ALL SELECT place, 'flow', count(*) FROM flows GROUP BY place",
    "SELECT span, command FROM spans WHERE array_has(mentions, 'pool.example') AND command LIKE 'curl %'",
    "SELECT run, string_agg(tool, ',' ORDER BY span_order, span) FROM spans GROUP BY run",
    "SELECT a.flow, b.flow FROM flows a JOIN flows b
     ON a.destination_key = b.destination_key AND b.time_ns > a.time_ns AND b.time_ns < a.time_ns + 20000000000
     WHERE a.class = 'mining.stratum'",
];

/// Those of them that nothing answers: of `NOT IN`, where there is an empty value.
const EMPTY: [usize; 1] = [9];

/// A scheduler and two executors. What these write goes below the folder that is for tests: it is theirs, and they don't clean up.
fn local() -> LocalCluster {
    LazyLock::force(&SCRATCH);
    LocalCluster::start().unwrap()
}

/// The same, whose machines know an object store.
fn knowing(objects: (ObjectStoreUrl, Arc<dyn ObjectStore>)) -> LocalCluster {
    LazyLock::force(&SCRATCH);
    LocalCluster::knowing(Some(objects)).unwrap()
}

static SCRATCH: LazyLock<()> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ballista");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    tempfile::env::override_temp_dir(&folder).unwrap();
});

fn one_span(n: i64) -> SpanRow {
    let from = chance(n, 20_000);
    let to = from + if n % 50 == 0 { 200_000 } else { chance(n + 1000, 90) };
    let tool = ["bash", "python", "browser"].get(chance(n + 3000, 4) as usize);
    let names: &[&str] = if n % 4 == 0 { &["pool.example", "a.example"] } else { &[] };
    SpanRow {
        span_order: (n / 7) as u64,
        tool_call_id: Some(format!("call-{n}")),
        tool: tool.map(|&tool| tool.to_owned()),
        command: Some(format!("{} https://pool.example/{n}", if n % 3 == 0 { "curl" } else { "wget" })),
        mentions: names.iter().map(|&name| name.to_owned()).collect(),
        leaves_behind: n % 9 == 0,
        ..span(n as u64, &[chance(n + 2000, 5) as u32, 7], from, to)
    }
}

fn one_flow(n: i64) -> FlowRow {
    let from = chance(n + 5000, if n % 97 == 0 { 300_000 } else { 20_000 });
    let until = from + if n % 20 == 0 { 600 } else { 1 };
    let host = chance(n + 6000, 40);
    FlowRow {
        means: if n % 3 == 0 { "logged" } else { "began" }.to_owned(),
        kind: if n % 13 == 0 { "alarm" } else { "flow" }.to_owned(),
        clock: (n % 2) as u32,
        destination_name: (n % 5 != 0).then(|| format!("host-{host}.example")),
        destination_key: Some(format!("host-{host}.example")),
        transport: (n % 13 != 0).then(|| "tcp".to_owned()),
        bytes_out: (n % 6 != 0).then(|| chance(n + 7000, 100_000) as u64),
        action: Some(if n % 8 == 0 { "blocked" } else { "allowed" }.to_owned()),
        class: (host < 3).then(|| "mining.stratum".to_owned()),
        ..flow(n as u64, (n % 11 != 0).then(|| chance(n + 9000, 8) as u32), from, until)
    }
}

fn one_attribution(n: i64) -> AttributionRow {
    let span = (n % 4 != 0).then(|| chance(n + 11_000, 300));
    AttributionRow {
        flow: n as u64,
        span: span.map(|span| span as u64),
        // One run causes nothing.
        run: span.map(|span| format!("run-{}", span % 6)),
        // In eighths, whose sums are the same in any order.
        probability: Some(chance(n + 12_000, 8) as f64 / 8.0),
        candidates: 3,
        ..AttributionRow::default()
    }
}

/// Thousands of flows, in several files, by two clocks.
fn incident() -> Incident {
    let incident = Incident::of(&[], &[]);
    for (part, name) in (0..3).zip(["x", "y", "z"]) {
        let numbers = |most: i64| (0..most).filter(move |n| n % 3 == part);
        write(&incident.store, name, &numbers(400).map(one_span).collect::<Vec<_>>());
        write(&incident.store, name, &numbers(4000).map(one_flow).collect::<Vec<_>>());
        write(&incident.store, name, &numbers(3500).map(one_attribution).collect::<Vec<_>>());
    }
    let clock = ClockRow { clock: 1, offset_ns: -3 * SECOND, drift_ppb: 900, ..ClockRow::default() };
    incident.store.align(&[clock], &[SlackRow::new(Side::Flow, "logged", 5 * SECOND, 0)]).unwrap();
    assert!(incident.store.candidates_sql().contains("span_wide"));
    incident
}

#[test]
fn here_on_a_cluster_and_in_duckdb_the_answers_are_the_same() {
    let (incident, ballista) = (incident(), local());
    let (store, cluster) = (&incident.store, incident.store.on(ballista.cluster(), None).unwrap());
    let python =
        duck::python_with("duckdb", "here_on_a_cluster_and_in_duckdb_the_answers_are_the_same (DuckDB)");
    let theirs =
        python.map(|python| duck::answers(&python, store.folder(), &store.candidates_sql(), &QUESTIONS));
    for (number, question) in QUESTIONS.into_iter().enumerate() {
        let here = rows(&store.sql(question, usize::MAX).unwrap());
        assert_eq!(here.is_empty(), EMPTY.contains(&number), "{question}");
        assert_eq!(rows(&cluster.sql(question, usize::MAX).unwrap()), here, "on the cluster: {question}");
        if let Some(theirs) = &theirs {
            let mut theirs = theirs[number].clone();
            theirs.sort();
            assert_eq!(theirs, here, "in DuckDB: {question}");
        }
    }
}

#[test]
fn what_a_cluster_would_answer_otherwise_is_refused() {
    let (incident, ballista) = (small_incident(), local());
    let cluster = incident.store.on(ballista.cluster(), None).unwrap();
    let refused = [
        ("FILTER", "SELECT count(*) FILTER (WHERE flow > 1) OVER (PARTITION BY place) FROM flows"),
        ("DISTINCT", "SELECT count(DISTINCT kind) OVER (PARTITION BY place) FROM flows"),
        ("IGNORE NULLS", "SELECT lag(class) IGNORE NULLS OVER (ORDER BY time_ns) FROM flows"),
        (
            "IGNORE NULLS",
            "SELECT span FROM spans WHERE span IN (SELECT first_value(span) IGNORE NULLS OVER (ORDER BY flow) FROM attribution)",
        ),
        ("FILTER", "EXPLAIN SELECT count(*) FILTER (WHERE flow > 1) OVER () FROM flows"),
    ];
    for (what, question) in refused {
        let error = cluster.sql(question, 10).err();
        assert!(
            matches!(error, Some(EngineError::NotOnCluster(lost)) if lost.starts_with(what)),
            "{question}: {error:?}"
        );
        assert!(incident.store.sql(question, 10).is_ok(), "{question}");
    }
}

#[test]
fn a_cluster_is_asked_to_read_and_for_nothing_else() {
    let (incident, ballista) = (small_incident(), local());
    let cluster = incident.store.on(ballista.cluster(), None).unwrap();
    let folder = incident.store.folder().display().to_string();
    for question in [
        format!("COPY flows TO '{folder}/copy.parquet'"),
        format!("CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '{folder}/flows/'"),
        "INSERT INTO flows SELECT * FROM flows".into(),
        "DROP TABLE flows".into(),
        "SET datafusion.execution.target_partitions = 1".into(),
        format!("SELECT * FROM '{folder}/flows/a.parquet'"),
        "SELECT flwo FROM flows".into(),
    ] {
        let error = cluster.sql(&question, 10).err();
        assert!(
            matches!(error, Some(EngineError::NotReading(_) | EngineError::Query { .. })),
            "{question}: {error:?}"
        );
    }
    // Names and empty answers are the same too.
    for question in [
        "DESCRIBE flows",
        "SHOW TABLES",
        "SELECT 1 AS one",
        "SELECT flow, began FROM flows_at WHERE false",
        "SELECT flow, kind FROM flows WHERE flow = 77",
        "SELECT count(*) FROM attribution",
        "SELECT flow AS f, evidence FROM attribution",
    ] {
        let (here, there) = (incident.store.sql(question, 99).unwrap(), cluster.sql(question, 99).unwrap());
        let names = |answer: &Answer| {
            answer.schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
        };
        assert_eq!((names(&there), rows(&there)), (names(&here), rows(&here)), "{question}");
    }
}

/// No attribution: a table without a file.
fn small_incident() -> Incident {
    Incident::of(&[span(1, &[1], 0, 10)], &[flow(1, Some(1), 5, 6), flow(2, Some(1), 50, 60)])
}

#[test]
fn who_is_not_there_is_named() {
    let incident = small_incident();
    let told = |port: u16| {
        let cluster: Cluster = format!("df://127.0.0.1:{port}").parse().unwrap();
        let error =
            incident.store.on(&cluster, None).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(
            error.starts_with(&format!("no Ballista scheduler answers at df://127.0.0.1:{port}: start one")),
            "{error}"
        );
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    told(nobody);
    let another = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = another.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in another.incoming().flatten() {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    told(port);
}

/// A server of an object store that others wrote, with an empty bucket `tables`.
struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    const SCRIPT: &str = r#"
import sys, boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://%s:%s" % server.get_host_and_port()
boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b").create_bucket(Bucket="tables")
print(endpoint, flush=True)
sys.stdin.read()
"#;

    fn start(python: &str) -> Self {
        let mut child = Command::new(python)
            .args(["-c", Self::SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        assert!(endpoint.starts_with("http"), "{endpoint}");
        Self { child, endpoint: endpoint.trim().to_owned() }
    }

    fn options(&self) -> Vec<(String, String)> {
        let options = [
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("PATH", "/bin"),
        ];
        options.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// What the machines of a cluster need to read there.
    fn known(&self) -> (ObjectStoreUrl, Arc<dyn ObjectStore>) {
        let mut builder = AmazonS3Builder::new().with_bucket_name("tables");
        for (name, value) in self.options() {
            if let Ok(key) = name.to_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        (ObjectStoreUrl::parse("s3://tables").unwrap(), Arc::new(builder.build().unwrap()))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn tables_in_an_object_store_are_read_there() {
    let Some(python) = duck::python_with("moto.server", "tables_in_an_object_store_are_read_there") else {
        return;
    };
    let moto = Moto::start(&python);
    let (incident, ballista) = (incident(), knowing(moto.known()));
    let objects = Objects::at("s3://tables/of/incident/", moto.options());
    let question = QUESTIONS[2];
    let here = rows(&incident.store.sql(question, usize::MAX).unwrap());
    let cluster = incident.store.on(ballista.cluster(), Some(&objects)).unwrap();
    // What is here is not what is asked.
    for part in ["x", "y"] {
        incident.store.remove::<FlowRow>(part).unwrap();
    }
    assert_eq!(rows(&cluster.sql(question, usize::MAX).unwrap()), here);
    assert_ne!(rows(&incident.store.sql(question, usize::MAX).unwrap()), here);
    // Those parts would be read with what is here now.
    let error = incident.store.on(ballista.cluster(), Some(&objects)).err();
    assert!(matches!(error, Some(EngineError::Occupied(_))), "{error:?}");
    let nowhere = Objects::at("s3://no-such-bucket/x", moto.options());
    let error = incident.store.on(ballista.cluster(), Some(&nowhere)).err();
    assert!(matches!(error, Some(EngineError::Objects { .. })), "{error:?}");
}
