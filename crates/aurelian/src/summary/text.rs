//! The summary for people: one line for the run, one for each call of a file, and below it what it was refused.

use std::fmt::Write;

use event::Text;
use event::fact::{
    CallEnded, EndReason, Finding, Limit, LimitAction, LimitHit, LimitUnit, Outcome, ResponseStep, Severity,
    Step, Verdict,
};
use sensor::{CallSummary, LimitSummary, Place, Reached};

use super::{Report, refused, units};
use crate::style::Paint;

/// How wide lines may get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width(pub(crate) usize);

/// Characters of an id that are shown.
const ID: usize = 24;

/// The summary, in lines.
pub(crate) fn text(report: &Report, paint: Paint, width: Width) -> String {
    let mut text = Lines { text: String::new(), paint };
    text.headline(report);
    if report.is_of_a_file {
        let columns = Columns::of(&report.summary.calls);
        for call in &report.summary.calls {
            text.call(call, &columns, width);
            text.findings(report, call, "       ");
        }
    } else if let Some(call) = report.summary.calls.first() {
        text.findings(report, call, "  ");
    }
    text.rest(report);
    text.text
}

struct Lines {
    text: String,
    paint: Paint,
}

impl Lines {
    /// A labelled line. The label is given in the colour it has.
    fn item(&mut self, indent: &str, label: &str, painted: fn(Paint, &str) -> String, what: &str) {
        let padding = " ".repeat(10usize.saturating_sub(label.len()));
        // Writing to a string can't fail.
        let _ = writeln!(self.text, "{indent}{}{padding}{what}", painted(self.paint, label));
    }

    fn headline(&mut self, report: &Report) {
        let summary = &report.summary;
        let verdict = match summary.verdict {
            Verdict::Clean => self.paint.good("clean"),
            Verdict::Violation => self.paint.bad("violation"),
            _ => self.paint.bad("unproven"),
        };
        let mut parts = vec![verdict];
        match summary.calls.as_slice() {
            calls if report.is_of_a_file => parts.extend(count_calls(calls)),
            [call] => parts.push(ending(call.ended.as_ref())),
            _ => {}
        }
        parts.push(units::microseconds(summary.wall_us));
        parts.extend(summary.cpu_us.map(|cpu| format!("cpu {}", units::microseconds(cpu))));
        parts.extend(summary.peak_memory_bytes.map(|peak| format!("peak {}", units::bytes(peak))));
        let refused = summary.refused.network + summary.refused.syscalls;
        parts.extend((refused > 0).then(|| self.paint.notable(&format!("{refused} refused"))));
        let found = summary.findings.len() as u64 + summary.findings_omitted;
        parts.extend((found > 0).then(|| self.paint.notable(&units::count(found, "finding"))));
        let _ = writeln!(self.text, "aurelian: {}", parts.join(" · "));
    }

    fn call(&mut self, call: &CallSummary, columns: &Columns, width: Width) {
        let id = call.tool_call_id.as_ref().map(id).unwrap_or_default();
        let ended = call.ended.as_ref();
        let ending = ending(ended);
        let bad = ended.is_none_or(|ended| ended.exit_code != 0);
        let painted = if bad { self.paint.notable(&ending) } else { ending.clone() };
        let mut line = format!("  {:>columns$}  ", call.call, columns = columns.number);
        pad(&mut line, &self.paint.faint(&id), id.chars().count(), columns.id);
        pad(&mut line, &painted, ending.chars().count(), columns.ending);
        line.push_str(&format!(
            "{:>8}",
            ended.map_or_else(String::new, |ended| units::microseconds(ended.wall_us))
        ));
        if columns.cpu {
            let cpu = ended.and_then(|ended| ended.cpu_us);
            line.push_str(&format!("  cpu {:>7}", cpu.map_or_else(|| "-".into(), units::microseconds)));
        }
        if columns.memory {
            let peak = ended.and_then(|ended| ended.peak_memory_bytes);
            line.push_str(&format!("  {:>9}", peak.map_or_else(|| "-".into(), units::bytes)));
        }
        let used = 2 + columns.width() + 2;
        let title = title(&call.command, width.0.saturating_sub(used).max(20));
        let _ = writeln!(self.text, "{line}  {title}");
    }

    /// What is worth a look about a call.
    fn findings(&mut self, report: &Report, call: &CallSummary, indent: &str) {
        for line in refused::lines(&call.refused) {
            self.item(indent, "refused", Paint::notable, &line);
        }
        for line in reached_lines(&call.reached) {
            self.item(indent, "reached", Paint::faint, &line);
        }
        for found in report.summary.findings.iter().filter(|found| found.call == Some(call.call)) {
            self.found(indent, &found.finding);
        }
        for limit in report.summary.limits.iter().filter(|limit| limit.call == Some(call.call)) {
            self.item(indent, "limit", Paint::notable, &limit_line(limit));
        }
        for planted in report.summary.planted.iter().filter(|planted| planted.call == Some(call.call)) {
            self.item(indent, "planted", Paint::bad, &format!("{}: {}", planted.path, planted.why));
        }
        let left = call.ended.as_ref().map_or(0, |ended| ended.processes_left);
        if left > 0 {
            let what = format!("{} behind, still booked to this call", units::count(left.into(), "process"));
            self.item(indent, "left", Paint::notable, &what);
        }
    }

    /// A finding, in the colour of its severity.
    fn found(&mut self, indent: &str, finding: &Finding) {
        let painted = match finding.severity {
            Severity::Critical | Severity::High => Paint::bad,
            Severity::Medium => Paint::notable,
            _ => Paint::faint,
        };
        let times = if finding.count > 1 { format!(" ({}×)", finding.count) } else { String::new() };
        let what = format!("{}: {}{times}", finding.rule, finding.message);
        self.item(indent, finding.severity.as_str(), painted, &what);
    }

    /// What was done, in the order of the steps, each with how long it took from the event or the request on.
    fn responses(&mut self, steps: &[ResponseStep]) {
        for step in steps.iter().filter(|step| step.step != Step::Notify || step.outcome == Outcome::Failed) {
            let why = step.rule.as_deref().unwrap_or(&step.by);
            let detail = step.detail.as_ref().map_or_else(String::new, |detail| format!(" · {detail}"));
            let (painted, outcome): (fn(Paint, &str) -> String, _) = match step.outcome {
                Outcome::Done => (Paint::notable, ""),
                Outcome::Already => (Paint::faint, " (was so)"),
                Outcome::Failed => (Paint::bad, " FAILED"),
            };
            let after = units::microseconds(step.latency_us);
            self.item("  ", step.step.as_str(), painted, &format!("{why} · after {after}{outcome}{detail}"));
        }
    }

    /// What is the run's and no call's.
    fn rest(&mut self, report: &Report) {
        let summary = &report.summary;
        for found in summary.findings.iter().filter(|found| found.call.is_none()) {
            self.found("  ", &found.finding);
        }
        if summary.findings_omitted > 0 {
            self.item("  ", "omitted", Paint::faint, &units::count(summary.findings_omitted, "finding"));
        }
        self.responses(&summary.responses);
        for line in refused::lines(&summary.refused_outside_calls) {
            self.item("  ", "refused", Paint::notable, &line);
        }
        for limit in summary.limits.iter().filter(|limit| limit.call.is_none()) {
            self.item("  ", "limit", Paint::notable, &limit_line(limit));
        }
        for planted in summary.planted.iter().filter(|planted| planted.call.is_none()) {
            self.item("  ", "planted", Paint::bad, &format!("{}: {}", planted.path, planted.why));
        }
        for call in &report.not_started {
            let id =
                call.tool_call_id.as_deref().map_or_else(String::new, |id| format!("{}: ", Text::from(id)));
            self.item("  ", "failed", Paint::bad, &format!("{id}{}", Text::from(call.reason.as_str())));
        }
        if let Some(signal) = report.ended_by_signal {
            self.item("  ", "ended", Paint::notable, &format!("by signal {signal} to aurelian"));
        }
        if report.not_reached > 0 {
            let what =
                format!("{} not started: the run had ended", units::count(report.not_reached as u64, "call"));
            self.item("  ", "missing", Paint::bad, &what);
        }
        self.doubts(report);
        self.traces(report);
    }

    /// Why the run is unproven.
    fn doubts(&mut self, report: &Report) {
        let summary = &report.summary;
        if !summary.proven {
            self.item("  ", "unproven", Paint::bad, "the boundary was not proven");
        }
        for gap in &summary.gaps {
            let lost = units::count(gap.lost, "observation");
            self.item("  ", "lost", Paint::bad, &format!("{lost}: {}: {}", gap.source, gap.reason));
        }
        if let Some(error) = &summary.record_error {
            self.item("  ", "lost", Paint::bad, &format!("the record could not be written: {error}"));
        }
    }

    /// Where more can be found.
    fn traces(&mut self, report: &Report) {
        let filtered: Vec<_> =
            report.filtered.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        if !filtered.is_empty() {
            self.item(
                "  ",
                "filtered",
                Paint::notable,
                &format!("from the terminal: {}", filtered.join(", ")),
            );
        }
        if let Some(kept) = &report.kept {
            let path = Text::from(kept.path.as_path());
            let mut what = format!("{path} · {}", units::count(kept.entries, "entry"));
            let _ = write!(what, ", {}", units::bytes(kept.bytes));
            if kept.left_out > 0 {
                let _ = write!(what, "; {} left out", kept.left_out);
            }
            self.item("  ", "kept", Paint::faint, &what);
        }
        let summary = &report.summary;
        let complete = summary.gaps.is_empty() && summary.record_error.is_none();
        let complete = if complete { "complete" } else { "incomplete" };
        let place = report
            .events_file
            .as_ref()
            .map_or_else(|| "stdout".into(), |path| Text::from(path.as_path()).to_string());
        self.item("  ", "events", Paint::faint, &format!("{} {complete} · {place}", summary.events));
    }
}

/// How wide the columns of the calls are, and which there are.
struct Columns {
    number: usize,
    id: usize,
    ending: usize,
    cpu: bool,
    memory: bool,
}

impl Columns {
    fn of(calls: &[CallSummary]) -> Self {
        let widest = |width: &dyn Fn(&CallSummary) -> usize| calls.iter().map(width).max().unwrap_or(0);
        let known = |is_known: &dyn Fn(&CallEnded) -> bool| {
            calls.iter().filter_map(|call| call.ended.as_ref()).any(is_known)
        };
        Self {
            number: widest(&|call| call.call.to_string().len()),
            id: widest(&|call| call.tool_call_id.as_ref().map_or(0, |text| id(text).chars().count())),
            ending: widest(&|call| ending(call.ended.as_ref()).chars().count()),
            cpu: known(&|ended| ended.cpu_us.is_some()),
            memory: known(&|ended| ended.peak_memory_bytes.is_some()),
        }
    }

    fn width(&self) -> usize {
        let optional = if self.cpu { 13 } else { 0 } + if self.memory { 11 } else { 0 };
        self.number + 2 + gap(self.id) + gap(self.ending) + 8 + optional
    }
}

/// A column and the space behind it.
fn gap(column: usize) -> usize {
    if column == 0 { 0 } else { column + 2 }
}

fn pad(line: &mut String, painted: &str, length: usize, column: usize) {
    line.push_str(painted);
    line.push_str(&" ".repeat(gap(column).saturating_sub(length)));
}

fn count_calls(calls: &[CallSummary]) -> Vec<String> {
    let failed =
        calls.iter().filter(|call| call.ended.as_ref().is_none_or(|ended| ended.exit_code != 0)).count();
    let mut parts = vec![units::count(calls.len() as u64, "call")];
    parts.extend((failed > 0).then(|| format!("{failed} failed")));
    parts
}

/// How a call ended, in a word or two.
fn ending(ended: Option<&CallEnded>) -> String {
    let Some(ended) = ended else { return "unfinished".to_owned() };
    match (ended.reason, ended.signal) {
        (EndReason::Exited, _) => format!("exit {}", ended.exit_code),
        (EndReason::Signalled, Some(signal)) => format!("signal {signal}"),
        (EndReason::Timeout, _) => "timeout".to_owned(),
        (EndReason::Killed, _) => "killed".to_owned(),
        (EndReason::Limit, _) => "limit".to_owned(),
        (EndReason::NotFound, _) => "not found".to_owned(),
        (EndReason::NotExecutable, _) => "not executable".to_owned(),
        _ => format!("exit {}", ended.exit_code),
    }
}

fn id(text: &Text) -> String {
    shorten(&text.to_string(), ID)
}

/// What a call is about: the first line of its script, where it is one, or its command.
pub(crate) fn title(command: &[Text], most: usize) -> String {
    let words: Vec<String> = match command {
        [shell, flag, script] if shell.as_bytes() == b"/bin/sh" && flag.as_bytes() == b"-c" => {
            let mut lines = script.as_bytes().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
            vec![Text::from(first.strip_prefix(b"# ").unwrap_or(first)).to_string()]
        }
        words => words.iter().map(Text::to_string).collect(),
    };
    shorten(&words.join(" "), most)
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Places that are named of one call.
const PLACES: usize = 8;

/// One line for each place, the first of them.
pub(super) fn reached_lines(reached: &Reached) -> Vec<String> {
    let mut lines: Vec<_> = reached.list.iter().take(PLACES).map(place_line).collect();
    let rest = reached.list.iter().skip(PLACES).map(|place| place.connections + place.failed);
    let more = rest.sum::<u64>() + reached.more;
    lines.extend((more > 0).then(|| units::count(more, "other connection")));
    lines
}

fn place_line(place: &Place) -> String {
    let host = shorten(&place.host.to_string(), ID * 2);
    let mut line = format!("{} {host}:{}", place.protocol, place.port);
    if place.connections > 0 {
        let (sent, received) = (units::bytes(place.sent_bytes), units::bytes(place.received_bytes));
        let often = if place.connections > 1 { format!("{}× ", place.connections) } else { String::new() };
        line = format!("{often}{line} · {sent} sent, {received} received");
    }
    if place.failed > 0 {
        let _ = write!(line, " · {} that failed", units::count(place.failed, "connection"));
    }
    line
}

fn limit_line(limit: &LimitSummary) -> String {
    let (name, bound) = limit_name(&limit.hit);
    let action = match limit.hit.action {
        LimitAction::Refused => "more was refused",
        LimitAction::Killed => "what was over it was killed",
        LimitAction::Throttled => "slowed down",
        LimitAction::Cut => "the connection was cut",
        _ => "held",
    };
    let often = if limit.count > 1 { format!(", {}×", limit.count) } else { String::new() };
    format!("{name} of {bound}: {action}{often}")
}

fn limit_name(hit: &LimitHit) -> (&'static str, String) {
    let name = match hit.limit {
        Limit::Memory => "memory",
        Limit::Pids => "pids",
        Limit::Cpus => "cpus",
        Limit::Time => "time",
        Limit::Scratch => "scratch",
        Limit::ScratchInodes => "scratch",
        Limit::OpenFiles => "open_files",
        Limit::Output => "output",
        Limit::Connections => "connections",
        Limit::NewPerSecond => "new_per_second",
        Limit::BytesOut => "bytes_out",
        Limit::FlowBytesOut => "flow_bytes_out",
        _ => "limit",
    };
    let bound = match hit.limit.unit() {
        LimitUnit::Bytes => units::bytes(hit.bound),
        LimitUnit::Processes => units::count(hit.bound, "process"),
        LimitUnit::Millicpus => format!("{} thousandths", hit.bound),
        LimitUnit::Milliseconds => units::microseconds(hit.bound.saturating_mul(1000)),
        LimitUnit::Inodes | LimitUnit::Files => units::count(hit.bound, "file"),
        LimitUnit::Connections => units::count(hit.bound, "connection"),
        _ => hit.bound.to_string(),
    };
    (name, bound)
}
