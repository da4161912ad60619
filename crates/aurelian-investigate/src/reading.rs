//! Both sides are read into one incident.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::thread;

use intake::{Clock, Input, Problems};
use investigate::baseline::{self, Baseline};
use investigate::hosts::Hosts;
use investigate::incident::{Builder, Incident, Keep, KeepError};
use investigate::report::model::{InputSummary, ProblemSummary, Role};
use trace::ReadError;

use crate::cli::{InvestigateOptions, Side};
use crate::failure::Failure;
use crate::progress::Progress;

/// Flows in memory take one of so many parts of `--memory`: calls, names, and what is worked on are there too.
const FLOWS_SHARE: usize = 4;

/// What was read, and how that went.
pub(crate) struct Read {
    pub(crate) incident: Incident,
    pub(crate) inputs: Vec<InputSummary>,
}

pub(crate) fn all(options: &InvestigateOptions, progress: &mut Progress) -> Result<Read, Failure> {
    let mut inputs = Vec::new();
    let clock = |side: Side| Clock {
        zone: options.zone.iter().find(|(of, _)| *of == side).map(|(_, zone)| zone.clone()),
        year: options.year,
    };
    let (hosts, problems) = Hosts::read(&options.hosts, &clock(Side::Hosts))?;
    for file in &options.hosts {
        inputs.push(summary(
            Role::Hosts,
            file.display().to_string(),
            None,
            hosts.places().len() as u64,
            &problems,
        ));
    }
    let baseline = baseline(options, &hosts, &clock(Side::Flows), &mut inputs, progress)?;
    let keep = Keep { beyond: Some((options.memory / FLOWS_SHARE, options.out.clone())) };
    let mut builder = Builder::keeping(hosts, keep);
    baseline.into_iter().for_each(|baseline| builder.baseline(baseline));
    traces(options, &clock(Side::Traces), &mut builder, &mut inputs, progress)?;
    let side = (Role::Flows, &options.flows[..], clock(Side::Flows));
    flows(options, side, &mut inputs, progress, |format, flow| builder.flow(format, flow))?;
    let mut incident = builder.build()?;
    investigate::classify::classify(&mut incident)?;
    for (what, paths, none) in [
        ("calls with a time", &options.traces, incident.calls.is_empty()),
        ("flows", &options.flows, incident.flows.is_empty() && incident.left_out.gpus.without_begin == 0),
    ] {
        if none {
            return Err(nothing(what, paths));
        }
    }
    Ok(Read { incident, inputs })
}

fn traces(
    options: &InvestigateOptions,
    clock: &Clock,
    builder: &mut Builder,
    inputs: &mut Vec<InputSummary>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    for file in files(&options.traces)? {
        let mut spans = 0_u64;
        let input = Input::open(file.as_path()).map_err(ReadError::from)?;
        let reading = trace::Options {
            format: options.trace_format,
            clock: clock.clone(),
            columns: options.trace_columns.clone(),
        };
        let format = trace::detect(&input, &reading);
        let outcome = beside(
            move |take| trace::read_input(input, &reading, take),
            |span| {
                spans += 1;
                progress.tell(|| format!("reading {}: {spans} spans", file.display()));
                if let Some(format) = format {
                    builder.span(format, span);
                }
                Ok(())
            },
        )?;
        inputs.push(match outcome {
            Ok(outcome) => {
                let format = Some(outcome.format.name());
                summary(Role::Traces, file.display().to_string(), format, outcome.spans, &outcome.problems)
            }
            Err(error) => unread(Role::Traces, &file, spans, &error.to_string()),
        });
    }
    Ok(())
}

/// What is ordinary, if a baseline was named.
fn baseline(
    options: &InvestigateOptions,
    hosts: &Hosts,
    clock: &Clock,
    inputs: &mut Vec<InputSummary>,
    progress: &mut Progress,
) -> Result<Option<Baseline>, Failure> {
    if options.baseline.is_empty() {
        return Ok(None);
    }
    let mut reader = baseline::Reader::new(hosts.clone());
    let side = (Role::Baseline, &options.baseline[..], clock.clone());
    flows(options, side, inputs, progress, |format, flow| reader.flow(format, flow))?;
    let baseline = reader.finish()?;
    match baseline.records() {
        0 => Err(nothing("flows of a baseline", &options.baseline)),
        _ => Ok(Some(baseline)),
    }
}

fn flows(
    options: &InvestigateOptions,
    (role, paths, clock): (Role, &[PathBuf], Clock),
    inputs: &mut Vec<InputSummary>,
    progress: &mut Progress,
    mut take: impl FnMut(flows::Format, flows::Flow) -> Result<(), KeepError>,
) -> Result<(), Failure> {
    for file in files(paths)? {
        let mut count = 0_u64;
        let input = Input::open(file.as_path()).map_err(flows::ReadError::from)?;
        let reading = flows::Options {
            format: options.flow_format,
            clock: clock.clone(),
            columns: options.flow_columns.clone(),
        };
        let format = flows::detect(&input, &reading);
        let outcome = beside(
            move |give| flows::read_input(input, &reading, give),
            |flow| {
                count += 1;
                progress.tell(|| format!("reading {}: {count} flows", file.display()));
                format.map_or(Ok(()), |format| Ok(take(format, flow)?))
            },
        )?;
        inputs.push(match outcome {
            Ok(outcome) => {
                let format = Some(outcome.format.name());
                summary(role, file.display().to_string(), format, outcome.flows, &outcome.problems)
            }
            Err(error) => unread(role, &file, count, &error.to_string()),
        });
    }
    Ok(())
}

/// Reads on another processor than what takes it: parsing and keeping take about as long.
fn beside<T: Send + 'static, O: Send + 'static>(
    read: impl FnOnce(&mut dyn FnMut(T)) -> O + Send + 'static,
    mut take: impl FnMut(T) -> Result<(), Failure>,
) -> Result<O, Failure> {
    const BATCH: usize = 512;
    const AHEAD: usize = 8;
    let (sender, receiver) = sync_channel::<Vec<T>>(AHEAD);
    let reader = thread::spawn(move || {
        let mut batch = Vec::with_capacity(BATCH);
        let outcome = read(&mut |item| {
            batch.push(item);
            if batch.len() == BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                // Where nobody takes any more, the program ends.
                let _ = sender.send(full);
            }
        });
        let _ = sender.send(batch);
        outcome
    });
    for item in receiver.into_iter().flatten() {
        take(item)?;
    }
    // A panic in there is one here.
    Ok(reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

fn nothing(what: &'static str, paths: &[PathBuf]) -> Failure {
    let named = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Failure::Nothing { what, named }
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(intake::expand(path)?);
    }
    Ok(files)
}

fn summary(
    role: Role,
    file: String,
    format: Option<&str>,
    records: u64,
    problems: &Problems,
) -> InputSummary {
    InputSummary {
        role,
        file,
        format: format.map(str::to_owned),
        records,
        problems: ProblemSummary::all(problems),
    }
}

/// A file of which nothing, or no more, can be had: the others are read all the same.
fn unread(role: Role, file: &std::path::Path, records: u64, why: &str) -> InputSummary {
    let problem = ProblemSummary { what: why.to_owned(), count: 1, samples: Vec::new() };
    InputSummary { role, file: file.display().to_string(), format: None, records, problems: vec![problem] }
}
