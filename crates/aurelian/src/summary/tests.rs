//! Golden files of the summary, for people and for programs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use event::fact::{
    Arch, CallEnded, Destination, EndReason, Fact, Family, Limit, LimitAction, LimitHit, NetRefused,
    OutputBytes, Refused, SocketType, SyscallRefused, Verdict,
};
use event::{CallId, Text};
use sensor::{CallSummary, Gap, LimitSummary, Place, Planted, Reached, Refusal, Refusals, Summary};

use super::*;
use crate::style::Paint;

fn call(number: u32, id: &str, command: &[&str], ended: Option<CallEnded>) -> CallSummary {
    CallSummary {
        call: CallId::new(number).unwrap(),
        tool_call_id: (!id.is_empty()).then(|| Text::from(id)),
        command: command.iter().map(|word| Text::from(*word)).collect(),
        ended,
        executed: 2,
        executed_written: 1,
        refused: Refusals::default(),
        reached: Reached::default(),
    }
}

fn ended(exit_code: i32, reason: EndReason, wall_us: u64, processes_left: u32) -> Option<CallEnded> {
    Some(CallEnded {
        exit_code,
        signal: (reason == EndReason::Signalled).then(|| exit_code - 128),
        reason,
        wall_us,
        cpu_us: Some(wall_us / 2),
        peak_memory_bytes: Some(wall_us * 20),
        io: None,
        output_bytes: OutputBytes { stdout: 10, stderr: 0 },
        processes_left,
    })
}

fn connect(address: &str, port: u16, count: u64) -> Refusal {
    let fact = Fact::NetRefused(NetRefused {
        syscall: "connect".into(),
        family: Family::Inet,
        socket_type: SocketType::Stream,
        protocol: None,
        destination: Some(Destination { address: address.into(), port: Some(port) }),
        errno: "ENETUNREACH".into(),
    });
    Refusal { fact, count }
}

fn unshare() -> Refusal {
    let fact = Fact::SyscallRefused(SyscallRefused {
        syscall: "unshare".into(),
        number: 272,
        arch: Arch::X86_64,
        args: [("flags".into(), "CLONE_NEWUSER".into())].into(),
        errno: "EPERM".into(),
    });
    Refusal { fact, count: 2 }
}

fn summary(calls: Vec<CallSummary>) -> Summary {
    Summary {
        run: "0198c5e2-7c4b-7d2a-9f3e-5b1a2c3d4e5f".parse().unwrap(),
        verdict: Verdict::Clean,
        proven: true,
        events: 412,
        refused: Refused::default(),
        wall_us: 9_812_345,
        cpu_us: Some(6_200_000),
        peak_memory_bytes: Some(88_000_000),
        calls,
        refused_outside_calls: Refusals::default(),
        limits: Vec::new(),
        planted: Vec::new(),
        findings: Vec::new(),
        findings_omitted: 0,
        responses: Vec::new(),
        gaps: Vec::new(),
        record_error: None,
    }
}

fn report(exit_code: u8, summary: Summary) -> Report {
    Report { events_file: Some("/state/runs/r/events.jsonl".into()), ..Report::new(exit_code, summary) }
}

/// A run of calls in which everything happens that can.
fn eventful() -> Report {
    let mut scan = call(
        2,
        "call_02",
        &["/bin/sh", "-c", "\n# find the mirror\npython3 x.py"],
        ended(0, EndReason::Exited, 380_000, 0),
    );
    let hosts = (1..=32).flat_map(|host| [22, 443].map(|port| connect(&format!("10.0.0.{host}"), port, 1)));
    scan.refused =
        Refusals { list: hosts.chain([connect("169.254.169.254", 80, 1), unshare()]).collect(), more: 7 };
    let mut summary = summary(vec![
        call(1, "call_01", &["pytest", "-q"], ended(1, EndReason::Exited, 1_200_000, 0)),
        scan,
        call(3, "", &["/bin/sh", "-c", "\u{1b}[2J evil"], ended(137, EndReason::Timeout, 60_000_000, 0)),
        call(
            4,
            "an id that is much longer than any column",
            &["daemon"],
            ended(139, EndReason::Signalled, 10, 1),
        ),
        call(5, "call_05", &["sleep", "9"], None),
    ]);
    summary.verdict = Verdict::Unproven;
    summary.refused = Refused { network: 72, syscalls: 2 };
    let hit = |limit, bound, action| LimitHit::new(limit, bound, action);
    summary.limits = vec![
        LimitSummary {
            call: CallId::new(4),
            hit: hit(Limit::Output, 64 << 20, LimitAction::Killed),
            count: 1,
        },
        LimitSummary { call: None, hit: hit(Limit::Pids, 512, LimitAction::Refused), count: 3 },
    ];
    summary.planted = vec![Planted {
        call: None,
        path: "/ws/.envrc".into(),
        why: "direnv runs it when the folder is entered".into(),
    }];
    summary.gaps =
        vec![Gap { lost: 1, source: "seccomp".into(), reason: "a program could not be looked at".into() }];
    let mut report = report(130, summary);
    report.ended_by_signal = Some(2);
    report.not_started =
        vec![NotStarted { tool_call_id: Some("call_06".into()), reason: "no such folder".into() }];
    report.not_reached = 2;
    report.kept = Some(Kept { path: "/kept".into(), entries: 5, bytes: 12_345, left_out: 1 });
    report.filtered = [("clipboard", 1), ("query", 3)].into();
    report.is_of_a_file = true;
    report
}

#[test]
fn a_quiet_run_is_two_lines() {
    let report = report(0, summary(vec![call(1, "", &["true"], ended(0, EndReason::Exited, 1000, 0))]));
    insta::assert_snapshot!(text(&report, Paint::none(), Width(100)));
}

#[test]
fn a_command_that_was_refused_something() {
    let mut only = call(1, "", &["curl", "http://192.0.2.1"], ended(7, EndReason::Exited, 40_000, 2));
    only.refused = Refusals { list: vec![connect("192.0.2.1", 80, 3)], more: 0 };
    let mut summary = summary(vec![only]);
    summary.refused.network = 3;
    insta::assert_snapshot!(text(&report(7, summary), Paint::none(), Width(100)));
}

#[test]
fn without_control_groups_less_is_known() {
    let mut summary = summary(vec![call(1, "", &["true"], ended(0, EndReason::Exited, 1000, 0))]);
    (summary.cpu_us, summary.peak_memory_bytes) = (None, None);
    insta::assert_snapshot!(text(&report(0, summary), Paint::none(), Width(100)));
}

#[test]
fn an_eventful_run_of_calls() {
    insta::assert_snapshot!(text(&eventful(), Paint::none(), Width(100)));
}

#[test]
fn an_eventful_run_as_json() {
    let mut report = eventful();
    // Two of the scan are enough of it.
    report.summary.calls[1].refused.list.drain(2..64);
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn no_line_can_move_the_terminal() {
    let text = text(&eventful(), Paint::none(), Width(100));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn json_is_ascii_and_still_the_same() {
    let text = "a\u{9b}\u{202e}\u{7f}\u{1b}🦀é";
    let line = json(&text).unwrap();
    assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
    assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
}

#[test]
fn where_a_call_got_to_is_told_with_what_went_there() {
    let mut one = call(1, "clone", &["git", "clone"], ended(0, EndReason::Exited, 1000, 0));
    let place = |host: &str, connections, failed| Place {
        host: host.into(),
        port: 22,
        protocol: event::Protocol::Ssh,
        connections,
        failed,
        sent_bytes: 3_200,
        received_bytes: 9_100_000,
    };
    one.reached.list =
        vec![place("git.example", 1, 0), place("a\u{1b}[2J", 2, 1), place("gone.example", 0, 3)];
    one.reached.more = 4;
    let lines = super::text::reached_lines(&one.reached);
    assert_eq!(
        lines,
        [
            "ssh git.example:22 · 3 KiB sent, 8.7 MiB received",
            r"2× ssh a\x1b[2J:22 · 3 KiB sent, 8.7 MiB received · 1 connection that failed",
            "ssh gone.example:22 · 3 connections that failed",
            "4 other connections",
        ]
    );
}
