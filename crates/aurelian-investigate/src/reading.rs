//! Both sides are read into one incident.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

use intake::{Clock, Input, Problems};
use investigate::baseline::{self, Baseline};
use investigate::hosts::Hosts;
use investigate::incident::{Incident, KeepError};
use investigate::report::model::{InputSummary, ProblemSummary, Role};
use trace::ReadError;

use crate::cli::{InvestigateOptions, Side};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::resume::{FileRead, Session};
use crate::workplace::Workplace;

/// Flows in memory take one of so many parts of `--memory`: calls, names, and what is worked on are there too.
const FLOWS_SHARE: usize = 4;

/// What was read, and how that went.
pub(crate) struct Read {
    pub(crate) incident: Incident,
    pub(crate) inputs: Vec<InputSummary>,
}

pub(crate) fn all(
    options: &InvestigateOptions,
    workplace: &Workplace,
    progress: &mut Progress,
) -> Result<Read, Failure> {
    let (hosts, problems) = Hosts::read(&options.hosts, &clock(options, Side::Hosts))?;
    let places = hosts.places().len() as u64;
    let named = |file: &PathBuf| summary(Role::Hosts, file.display().to_string(), None, places, &problems);
    let mut inputs: Vec<_> = options.hosts.iter().map(named).collect();
    let baseline = baseline(options, &hosts, &mut inputs, progress)?;
    let files = both_sides(options)?;
    let memory = options.memory / FLOWS_SHARE;
    let (mut session, mut builder) = Session::begin(options, files, &hosts, memory, workplace)?;
    baseline.into_iter().for_each(|baseline| builder.baseline(baseline));
    while let Some((role, file)) = session.next() {
        let before = FileRead::of(role, &file);
        let input = match role {
            Role::Traces => trace(options, &file, progress, |format, span| builder.span(format, span))?,
            _ => log(options, role, &file, progress, |format, flow| builder.flow(format, flow))?,
        };
        session.read(before, input, &mut builder, progress);
    }
    inputs.extend(session.into_inputs());
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

fn clock(options: &InvestigateOptions, side: Side) -> Clock {
    Clock {
        zone: options.zone.iter().find(|(of, _)| *of == side).map(|(_, zone)| zone.clone()),
        year: options.year,
    }
}

/// All files, in the order in which they are read.
fn both_sides(options: &InvestigateOptions) -> Result<Vec<(Role, PathBuf)>, Failure> {
    let traces = files(&options.traces)?.into_iter().map(|file| (Role::Traces, file));
    let flows = logs(options, &options.flows)?.into_iter().map(|file| (Role::Flows, file));
    Ok(traces.chain(flows).collect())
}

/// Files of flows, first those that tell what addresses are called.
fn logs(options: &InvestigateOptions, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut logs = files(paths)?;
    if logs.len() > 1 {
        let reading = flow_options(options);
        // What can't be opened is told when it is read; what is no file can be opened only once.
        let tells_names =
            |file: &PathBuf| file.is_file() && flows::begins_with_lookups(file, &reading).unwrap_or(false);
        logs.sort_by_cached_key(|file| !tells_names(file));
    }
    Ok(logs)
}

fn flow_options(options: &InvestigateOptions) -> flows::Options {
    flows::Options {
        format: options.flow_format,
        clock: clock(options, Side::Flows),
        columns: options.flow_columns.clone(),
    }
}

fn trace(
    options: &InvestigateOptions,
    file: &Path,
    progress: &mut Progress,
    mut take: impl FnMut(trace::Format, trace::Span),
) -> Result<InputSummary, Failure> {
    let mut spans = 0_u64;
    let input = Input::open(file).map_err(ReadError::from)?;
    let reading = trace::Options {
        format: options.trace_format,
        clock: clock(options, Side::Traces),
        columns: options.trace_columns.clone(),
    };
    let format = trace::detect(&input, &reading);
    let outcome = read_ahead(
        move |give| trace::read_input(input, &reading, give),
        |span| {
            spans += 1;
            progress.tell(|| format!("reading {}: {spans} spans", file.display()));
            if let Some(format) = format {
                take(format, span);
            }
            Ok(())
        },
    )?;
    Ok(match outcome {
        Ok(outcome) => {
            let format = Some(outcome.format.name());
            summary(Role::Traces, file.display().to_string(), format, outcome.spans, &outcome.problems)
        }
        Err(error) => unread(Role::Traces, file, spans, &error.to_string()),
    })
}

/// What is ordinary, if a baseline was named.
fn baseline(
    options: &InvestigateOptions,
    hosts: &Hosts,
    inputs: &mut Vec<InputSummary>,
    progress: &mut Progress,
) -> Result<Option<Baseline>, Failure> {
    if options.baseline.is_empty() {
        return Ok(None);
    }
    let mut reader = baseline::Reader::new(hosts.clone());
    for file in logs(options, &options.baseline)? {
        let take = |format, flow| reader.flow(format, flow);
        inputs.push(log(options, Role::Baseline, &file, progress, take)?);
    }
    let baseline = reader.finish()?;
    match baseline.records() {
        0 => Err(nothing("flows of a baseline", &options.baseline)),
        _ => Ok(Some(baseline)),
    }
}

fn log(
    options: &InvestigateOptions,
    role: Role,
    file: &Path,
    progress: &mut Progress,
    mut take: impl FnMut(flows::Format, flows::Flow) -> Result<(), KeepError>,
) -> Result<InputSummary, Failure> {
    let mut count = 0_u64;
    let input = Input::open(file).map_err(flows::ReadError::from)?;
    let reading = flow_options(options);
    let format = flows::detect(&input, &reading);
    let outcome = read_ahead(
        move |give| flows::read_input(input, &reading, give),
        |flow| {
            count += 1;
            progress.tell(|| format!("reading {}: {count} flows", file.display()));
            format.map_or(Ok(()), |format| Ok(take(format, flow)?))
        },
    )?;
    Ok(match outcome {
        Ok(outcome) => {
            let format = Some(outcome.format.name());
            summary(role, file.display().to_string(), format, outcome.flows, &outcome.problems)
        }
        Err(error) => unread(role, file, count, &error.to_string()),
    })
}

/// Reads on another processor than what takes it: parsing and keeping take about as long.
fn read_ahead<T: Send + 'static, O: Send + 'static>(
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
fn unread(role: Role, file: &Path, records: u64, why: &str) -> InputSummary {
    let problem = ProblemSummary { what: why.to_owned(), count: 1, samples: Vec::new() };
    InputSummary { role, file: file.display().to_string(), format: None, records, problems: vec![problem] }
}
