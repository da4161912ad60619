//! `aurelian investigate`: from files to answers.

use std::fs;
use std::process::ExitCode;

use investigate::attribution::{self, Attribution};
use investigate::incident::Incident;

use crate::cli::{InvestigateOptions, OutputFormat};
use crate::cluster::Remote;
use crate::failure::Failure;
use crate::outputs::{self, Written};
use crate::progress::Progress;
use crate::reading::{self, Read};
use crate::tables::Tables;
use crate::terminal::say;
use crate::workplace::Workplace;

pub(crate) fn run(options: &InvestigateOptions) -> Result<ExitCode, Failure> {
    let remote = Remote::of(options)?;
    let out = &options.out;
    fs::create_dir_all(out).map_err(|source| Failure::Output { path: out.clone(), source })?;
    let workplace = Workplace::claim(out)?;
    let mut progress = Progress::new();
    let Read { incident, inputs } = reading::all(options, &workplace, &mut progress)?;
    progress.begin("bringing clocks together, and learning what is usual");
    let found = attribution::attribute(&incident, options.skew)?;
    let wants_tables = options.format.contains(&OutputFormat::Parquet) || !options.sql.is_empty();
    let mut tables =
        wants_tables.then(|| Tables::begin(out, options.memory, &incident, &found)).transpose()?;
    let written = outputs::write(options, inputs, &incident, &found, tables.as_mut(), &mut progress)?;
    drop(progress);
    tell(&written, &incident, &found);
    if let Some(tables) = tables {
        let store = tables.finish(&incident, &found)?;
        store.ask(&options.sql, remote.as_ref())?;
    }
    workplace.complete();
    Ok(ExitCode::SUCCESS)
}

/// Pairs of clocks that are told of on the terminal.
const CLOCKS: usize = 20;

fn tell(written: &Written, incident: &Incident, found: &Attribution) {
    say!("{} calls of {} runs, {} flows", incident.calls.len(), incident.runs.len(), incident.flows.len());
    for input in &written.report.inputs {
        for problem in &input.problems {
            say!("{}: {} ({} times)", input.file, problem.what, problem.count);
        }
    }
    for pair in found.timeline.pairs.iter().take(CLOCKS) {
        let (trace, flows) = (incident.trace_clocks.text(pair.trace), incident.flow_clocks.text(pair.flows));
        match &pair.estimate {
            Ok(estimate) => say!(
                "clock of {flows} is {:.3} s ahead of {trace} (± {:.3} s, drift {:.1} ppm)",
                estimate.offset as f64 / 1e9,
                estimate.uncertainty as f64 / 1e9,
                estimate.drift_ppb as f64 / 1e3
            ),
            Err(refusal) => say!("clocks of {flows} and {trace}: {refusal}"),
        }
    }
    if let Some(more) = found.timeline.pairs.len().checked_sub(CLOCKS).filter(|more| *more > 0) {
        say!("{more} more pairs of clocks are in the report");
    }
    let Written { caused, untold, .. } = written;
    say!(
        "{caused} flows were caused by calls, {} by none, {untold} can't be told",
        incident.flows.len() - caused - untold
    );
    for culprit in written.report.culprits.iter().take(10) {
        let call = culprit.tool_call_id.as_deref().unwrap_or("a call without an id");
        let classes: Vec<&str> = culprit.classes.iter().map(|share| share.of.as_str()).collect();
        say!("{call} of {}: {} ({:.0} %)", culprit.run, classes.join(", "), 100.0 * culprit.probability);
    }
}
