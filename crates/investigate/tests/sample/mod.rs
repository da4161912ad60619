//! A small report with one of everything, made by hand.

use std::path::Path;

use event::Timestamp;
use event::fact::Severity;
use intake::{Origin, Sample};
use investigate::report::model::{
    Activity, Association, BaselineSummary, Calibration, ClassActivity, ClassRate, ClassSummary,
    ClockDiagnosis, Culprit, EpisodeTimeline, Factor, HeatMap, HeldBack, Hours, InputSummary, Onset,
    ProblemSummary, ReliabilityBin, Report, Role, Share, StepRate, TimelineCall, TimelineFlow, Totals,
};

/// 2026-03-01T12:00:00Z.
pub(crate) const NOON: i64 = 1_772_366_400;

/// A moment, in milliseconds after noon.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_nanos(NOON * 1_000_000_000 + millis * 1_000_000)
}

/// The report.
pub(crate) fn report() -> Report {
    Report {
        title: "Traffic of the training cluster, 1 March 2026".into(),
        made_at: at(90_000_000),
        inputs: inputs(),
        clocks: clocks(),
        totals: Totals {
            runs: 60,
            calls: 1_204,
            flows: 18_431,
            malicious_flows: 310,
            caused: 288.4,
            by_id: 12,
            culprits: 2,
            culprit_runs: 2,
            from: Some(at(0)),
            until: Some(at(86_400_000)),
        },
        classes: classes(),
        culprits: culprits(),
        episodes: vec![episode()],
        activity: Some(activity()),
        heat: heat(),
        behaviour: behaviour(),
        behaviour_untestable: 41,
        baseline: Some(baseline()),
        onset: vec![onset()],
        hours: hours(),
        calibration: Some(calibration()),
        untold: vec![
            "Behind 203.0.113.9 are 4 workers: 22 flows can't be told apart by address.".into(),
            "3 episodes have no times; their calls are no candidates.".into(),
        ],
    }
}

fn inputs() -> Vec<InputSummary> {
    let sample = Sample {
        at: Origin::new(Path::new("flows/eve.json").into(), 4711),
        text: "{\"timestamp\": <cut".into(),
    };
    let input = |role, file: &str, format: Option<&str>, records, problems| InputSummary {
        role,
        file: file.into(),
        format: format.map(str::to_owned),
        records,
        problems,
    };
    vec![
        input(Role::Traces, "traces/a.jsonl", Some("commands"), 1_204, vec![]),
        input(
            Role::Flows,
            "flows/eve.json",
            Some("suricata-eve"),
            18_431,
            vec![ProblemSummary { what: "not a JSON object".into(), count: 3, samples: vec![sample] }],
        ),
        input(Role::Hosts, "hosts.csv", None, 8, vec![]),
    ]
}

fn clocks() -> Vec<ClockDiagnosis> {
    let height = |lag: i64| {
        if lag == 29 { 41.5 } else { f64::from(u32::try_from(lag.abs() * 37 % 11).unwrap_or(0)) / 3.0 }
    };
    vec![
        ClockDiagnosis {
            trace_clock: "harness".into(),
            sensor: "suricata eth0".into(),
            offset_ns: Some(28_800_350_000_000),
            interval_ns: Some((28_800_310_000_000, 28_800_380_000_000)),
            clarity: Some(41.5),
            drift_ppm: Some(-12.5),
            zone_error_ns: Some(28_800_000_000_000),
            pairs_used: 812,
            refused: None,
            correlogram: (-48..=48).map(|lag| (lag * 1_000_000_000_000, height(lag))).collect(),
        },
        ClockDiagnosis {
            trace_clock: "harness".into(),
            sensor: "asa-dmz".into(),
            offset_ns: None,
            interval_ns: None,
            clarity: None,
            drift_ppm: None,
            zone_error_ns: None,
            pairs_used: 9,
            refused: Some("9 flows are too few for a peak that stands alone".into()),
            correlogram: vec![],
        },
    ]
}

fn classes() -> Vec<ClassSummary> {
    let class =
        |class: &str, title: &str, malicious, severity, attack: &[&str], flows, caused| ClassSummary {
            class: class.into(),
            title: title.into(),
            malicious,
            severity,
            attack: attack.iter().map(|id| (*id).to_owned()).collect(),
            flows,
            caused,
            runs: if malicious { 2 } else { 55 },
            destinations: 3,
            first: Some(at(61_200)),
            last: Some(at(80_000_000)),
        };
    vec![
        class("mining.stratum", "Mining for a pool", true, Severity::Critical, &["T1496"], 250, 249.6),
        class(
            "tunnel.reverse-ssh",
            "Somebody outside acts through SSH",
            true,
            Severity::High,
            &["T1572", "T1021.004"],
            60,
            38.8,
        ),
        class("packages", "Package hosts", false, Severity::Informational, &[], 9_020, 8_800.0),
    ]
}

fn share(of: &str, flows: f64) -> Share {
    Share { of: of.into(), flows }
}

fn culprits() -> Vec<Culprit> {
    let miner = Culprit {
        run: "ep-0412".into(),
        task: Some("django__django-11099".into()),
        training_step: Some(412),
        model: Some("rome-30b-a3b".into()),
        tool_call_id: Some("call_7f3a".into()),
        tool: Some("bash".into()),
        command: Some("nohup ./worker --coin xmr -o pool.example.net:3333 -u 4A…x -p \"w1\" >/dev/null 2>&1 &\nsleep 2 && tail -n 3 worker.log\n".into()),
        start: Some(at(60_000)),
        flows: 251.2,
        malicious_flows: 249.6,
        probability: 0.998,
        by_id: false,
        classes: vec![share("mining.stratum", 249.6)],
        destinations: vec![share("pool.example.net:3333", 200.0), share("198.51.100.7:3333", 49.6)],
        destinations_left_out: 3,
        evidence: vec![
            "the command names pool.example.net and port 3333".into(),
            "the first flow began 1.2 s after the call, and 249 more while what it left behind ran".into(),
            "no other call was open at this place then".into(),
        ],
        origin: Some(Origin::new(Path::new("traces/a.jsonl").into(), 88_120)),
    };
    let tunnel = Culprit {
        run: "ep-0407".into(),
        task: None,
        training_step: None,
        model: None,
        tool_call_id: None,
        tool: Some("python".into()),
        command: None,
        start: None,
        flows: 38.8,
        malicious_flows: 38.8,
        probability: 1.0,
        by_id: true,
        classes: vec![share("tunnel.reverse-ssh", 38.8)],
        destinations: vec![share("192.0.2.44:443", 38.8)],
        destinations_left_out: 0,
        evidence: vec![],
        origin: None,
    };
    vec![miner, tunnel]
}

fn episode() -> EpisodeTimeline {
    let call = |start, end: Option<i64>, label: &str, culprit| TimelineCall {
        start: at(start),
        end: end.map(at),
        label: label.into(),
        culprit,
    };
    let flow = |time, class: Option<&str>, destination: &str, probability, call| TimelineFlow {
        time: at(time),
        class: class.map(str::to_owned),
        destination: destination.into(),
        probability,
        call,
    };
    EpisodeTimeline {
        run: "ep-0412".into(),
        task: Some("django__django-11099".into()),
        place: Some("worker-3 (10.0.0.13)".into()),
        start: at(0),
        end: at(300_000),
        calls: vec![
            call(2_000, Some(9_500), "pip install -r requirements.txt", false),
            call(60_000, Some(62_100), "nohup ./worker --coin xmr -o pool.example.net:3333", true),
            call(61_000, None, "pytest -q", false),
        ],
        flows: vec![
            flow(2_400, Some("packages"), "files.example.org:443", 0.97, Some(0)),
            flow(61_200, Some("mining.stratum"), "pool.example.net:3333", 0.99, Some(1)),
            flow(121_200, Some("mining.stratum"), "pool.example.net:3333", 0.93, Some(1)),
            flow(121_300, Some("mining.stratum"), "pool.example.net:3333", 0.95, Some(1)),
            flow(200_000, None, "10.0.0.1:123", 0.99, None),
        ],
    }
}

fn activity() -> Activity {
    let class = |class: &str, flows: &[u64]| ClassActivity { class: class.into(), flows: flows.to_vec() };
    Activity {
        from: at(0),
        bin_ns: 3_600_000_000_000,
        classes: vec![
            class("mining.stratum", &[0, 40, 90, 120]),
            class("tunnel.reverse-ssh", &[12, 0, 48, 0]),
        ],
    }
}

fn heat() -> HeatMap {
    HeatMap {
        destinations: vec![
            "pool.example.net:3333".into(),
            "192.0.2.44:443".into(),
            "files.example.org:443".into(),
        ],
        tools: vec!["bash".into(), "python".into()],
        values: vec![vec![200.0, 0.0], vec![0.0, 38.8], vec![8_120.0, 0.3]],
        destinations_left_out: 41,
        tools_left_out: 0,
    }
}

fn behaviour() -> Vec<Association> {
    let pair =
        |class: &str, factor, value: &str, observed, expected, odds_ratio, interval, p, q| Association {
            class: class.into(),
            factor,
            value: value.into(),
            observed,
            expected,
            odds_ratio,
            interval,
            p,
            q,
        };
    vec![
        pair(
            "mining.stratum",
            Factor::CommandKind,
            "nohup",
            1.0,
            0.02,
            f64::INFINITY,
            (14.2, f64::INFINITY),
            1e-6,
            4e-5,
        ),
        pair("tunnel.reverse-ssh", Factor::Model, "rome-30b-a3b", 1.0, 0.9, 1.1, (0.1, 9.7), 0.62, 0.81),
    ]
}

fn onset() -> Onset {
    let step = |training_step, affected| StepRate { training_step, episodes: 10, affected };
    Onset {
        class: "mining.stratum".into(),
        began: Some(410),
        steps: vec![step(390, 0.0), step(400, 0.0), step(410, 0.7), step(420, 1.0)],
    }
}

fn hours() -> Vec<Hours> {
    let mut flows = [0; 24];
    flows[12] = 40;
    flows[13] = 90;
    vec![Hours { class: "mining.stratum".into(), flows, p: Some(0.41) }]
}

fn calibration() -> Calibration {
    let bin = |said, right, count| ReliabilityBin { said, right, count };
    Calibration {
        brier: 0.0312,
        naive_brier: Some(0.2871),
        bins: vec![bin(0.05, 0.04, 900), bin(0.5, 0.46, 120), bin(0.97, 0.98, 7_200)],
    }
}

fn baseline() -> BaselineSummary {
    let rate = |class: &str, here, baseline| ClassRate {
        class: class.into(),
        here,
        baseline,
        expected: baseline as f64 / 2.0,
        ratio: (baseline > 0).then(|| 2.0 * here as f64 / baseline as f64),
        interval: (1.5, (baseline > 0).then_some(9.0)),
        p: (here > 2).then_some(0.000_2),
        q: (here > 2).then_some(0.000_4),
    };
    BaselineSummary {
        records: 40_112,
        destinations: 731,
        records_to_others: 0,
        records_elsewhere: 12,
        place_hours_here: 480,
        place_hours: 960,
        rates: vec![rate("mining.stratum", 9, 0), rate("tunnel.reverse-ssh", 4, 3), rate("scan.hosts", 1, 2)],
        rates_untold: None,
        held_back: 17,
        held_back_to: vec![HeldBack {
            class: "exfil.volume".into(),
            destination: "backup.example.net".into(),
            flows: 17,
            baseline: 96,
        }],
        held_back_left_out: 0,
    }
}
