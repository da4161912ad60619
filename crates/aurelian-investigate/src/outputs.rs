//! What an investigation leaves in `--out`. Each file is written beside, and renamed when it is complete.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use event::Timestamp;
use investigate::attribution::{Answer, Attribution as Found};
use investigate::export::ocsf::Finding;
use investigate::export::timesketch::{Call, Timeline};
use investigate::export::{Attribution, JsonLines};
use investigate::incident::{FlowRow, Incident};
use investigate::report::gather::{Case, Sums, Told, gather};
use investigate::report::model::{InputSummary, Report};

use crate::beside::Beside;
use crate::cli::{InvestigateOptions, OutputFormat};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::tables::{Rows, Tables};

/// What was written, and what is told of it.
pub(crate) struct Written {
    pub(crate) report: Report,
    /// Flows that a call most probably caused.
    pub(crate) caused: u64,
    /// Flows of which nothing is said.
    pub(crate) untold: u64,
}

/// Writes what was asked for. What has a line for each flow is written part by part as the flows are judged, and the rest from
/// what was added up meanwhile.
pub(crate) fn write(
    options: &InvestigateOptions,
    inputs: Vec<InputSummary>,
    incident: &Incident,
    found: &Found,
    mut tables: Option<&mut Tables>,
    progress: &mut Progress,
) -> Result<Written, Failure> {
    let case = Case::of(incident, found);
    let mut lines = begin(options, OutputFormat::Jsonl, "attribution.jsonl")?;
    let mut timeline = begin(options, OutputFormat::Timesketch, "timeline.timesketch.jsonl")?;
    if let Some(timeline) = &mut timeline {
        timeline.write(|to| calls(to, incident, found))?;
    }
    let wanted = (lines.is_some(), timeline.is_some(), tables.is_some());
    let (mut sums, mut caused, mut untold) = (Sums::default(), 0, 0);
    found.each(
        incident,
        |flows, answers| Part::of(case, flows, answers, wanted, (incident, found)),
        |part| {
            let part = part.map_err(|source| Failure::Output { path: options.out.clone(), source })?;
            (caused, untold) = (caused + part.caused, untold + part.untold);
            progress.tell(|| format!("judging: {caused} flows were caused by calls so far"));
            sums.add(part.sums);
            for (file, bytes) in [(&mut lines, part.lines), (&mut timeline, part.timeline)] {
                if let Some(file) = file {
                    file.write(|to| to.write_all(&bytes))?;
                }
            }
            tables.as_mut().zip(part.rows).map_or(Ok(()), |(tables, rows)| tables.add(&rows))
        },
    )?;
    lines.map(Beside::complete).transpose()?;
    timeline.map(Beside::complete).transpose()?;
    progress.begin("writing the report");
    let name = options.out.file_name().unwrap_or(options.out.as_os_str()).to_string_lossy().into_owned();
    let report = gather(Told { title: name, made_at: Timestamp::now(), inputs }, case, sums)?;
    show(options, &report)?;
    Ok(Written { report, caused, untold })
}

/// A file, if its format was asked for.
fn begin(options: &InvestigateOptions, format: OutputFormat, name: &str) -> Result<Option<Beside>, Failure> {
    options.format.contains(&format).then(|| Beside::begin(options.out.join(name))).transpose()
}

/// Writes the report, in each form that was asked for.
fn show(options: &InvestigateOptions, report: &Report) -> Result<(), Failure> {
    type Form = fn(&mut BufWriter<File>, &Report) -> io::Result<()>;
    let forms: [(OutputFormat, &str, Form); 3] = [
        (OutputFormat::Html, "report.html", |to, report| {
            to.write_all(investigate::report::html(report).as_bytes())
        }),
        (OutputFormat::Json, "report.json", |to, report| Ok(serde_json::to_writer_pretty(to, report)?)),
        (OutputFormat::Ocsf, "findings.ocsf.jsonl", findings),
    ];
    for (format, name, form) in forms {
        if let Some(mut file) = begin(options, format, name)? {
            file.write(|to| form(to, report))?;
            file.complete()?;
        }
    }
    Ok(())
}

/// What is made of a part of the flows.
struct Part {
    sums: Sums,
    caused: u64,
    untold: u64,
    lines: Vec<u8>,
    timeline: Vec<u8>,
    rows: Option<Rows>,
}

impl Part {
    /// Lines and rows are made only where they are wanted.
    fn of(
        case: Case<'_>,
        flows: &[FlowRow],
        answers: &[Answer],
        (lines, timeline, rows): (bool, bool, bool),
        (incident, found): (&Incident, &Found),
    ) -> io::Result<Self> {
        let count =
            |is_so: &dyn Fn(&Answer) -> bool| answers.iter().filter(|answer| is_so(answer)).count() as u64;
        let mut part = Self {
            sums: Sums::of(case, flows, answers),
            caused: count(&|answer| answer.best().is_some()),
            untold: count(&|answer| answer.untold.is_some()),
            lines: Vec::new(),
            timeline: Vec::new(),
            rows: if rows { Rows::of(incident, flows, answers) } else { None },
        };
        if !lines && !timeline {
            return Ok(part);
        }
        let (mut into_lines, mut into_timeline) =
            (JsonLines::new(&mut part.lines), Timeline::new(&mut part.timeline));
        for (flow, answer) in flows.iter().zip(answers) {
            let told = Attribution::of(incident, flow, answer).corrected(flow, &found.timeline);
            if lines {
                into_lines.write(&told)?;
            }
            if timeline {
                into_timeline.flow(&told)?;
            }
        }
        Ok(part)
    }
}

fn calls(to: &mut BufWriter<File>, incident: &Incident, found: &Found) -> io::Result<()> {
    let mut timeline = Timeline::new(to);
    incident.calls.iter().try_for_each(|call| timeline.call(&Call::of(incident, call, &found.timeline, None)))
}

fn findings(to: &mut BufWriter<File>, report: &Report) -> io::Result<()> {
    let mut lines = JsonLines::new(to);
    report.culprits.iter().try_for_each(|culprit| lines.write(&Finding::of(culprit, report)))
}
