//! `aurelian investigate simulate` and `evaluate`: incidents with known answers, and how good ours are.

use std::io::{BufRead, BufReader, Write};
use std::process::ExitCode;

use investigate::simulate::{self, Options};
use investigate::truth;

use crate::cli::{EvaluateOptions, Log, SimulateOptions};
use crate::failure::Failure;
use crate::terminal::say;

pub(crate) fn run(asked: &SimulateOptions) -> Result<ExitCode, Failure> {
    let usual = Options::default();
    let options = Options {
        seed: asked.seed.unwrap_or(usual.seed),
        workers: asked.workers.unwrap_or(usual.workers),
        sandboxes: asked.sandboxes.unwrap_or(usual.sandboxes),
        nat: asked.nat.unwrap_or(usual.nat),
        episodes: asked.episodes.unwrap_or(usual.episodes),
        calls: asked.calls.unwrap_or(usual.calls),
        flows: asked.flows.or(usual.flows),
        malice: asked.malice.unwrap_or(usual.malice),
        lookalikes: asked.lookalikes.unwrap_or(usual.lookalikes),
        commands: asked.commands.clone().or(usual.commands),
        offset_seconds: asked.offset.or(usual.offset_seconds),
        drift_ppm: asked.drift.or(usual.drift_ppm),
        local: asked.local.unwrap_or(usual.local),
        lost: asked.lost.unwrap_or(usual.lost),
        whole_seconds: asked.whole_seconds || usual.whole_seconds,
        logs: if asked.log.is_empty() {
            usual.logs
        } else {
            asked.log.iter().map(|log| (*log).into()).collect()
        },
        ..usual
    };
    let made = simulate::run(&asked.out, &options)?;
    say!(
        "{}: {} episodes, {} calls, {} flows ({} malicious), {} more in no log",
        asked.out.display(),
        made.episodes,
        made.calls,
        made.flows,
        made.malicious,
        made.lost
    );
    Ok(ExitCode::SUCCESS)
}

impl From<Log> for simulate::Log {
    fn from(log: Log) -> Self {
        match log {
            Log::Eve => Self::Eve,
            Log::Zeek => Self::Zeek,
            Log::Firewall => Self::Firewall,
        }
    }
}

pub(crate) fn evaluate(options: &EvaluateOptions) -> Result<ExitCode, Failure> {
    let mut evaluator = truth::Evaluator::open(&options.incident)?;
    let failed = |source| Failure::Output { path: options.attribution.clone(), source };
    let file = std::fs::File::open(&options.attribution).map_err(failed)?;
    for line in BufReader::new(file).lines() {
        match serde_json::from_str(&line.map_err(failed)?) {
            Ok(answer) => evaluator.judge(&answer),
            Err(_) => evaluator.unreadable(),
        }
    }
    let evaluation = evaluator.finish();
    let naive = truth::naive(&options.incident, truth::Correction::True)?;
    let text = if options.json {
        let both = serde_json::json!({ "found": evaluation, "nearest_in_time": naive });
        format!("{both}\n")
    } else {
        format!("{evaluation}\nthe last call before the flow, with right clocks:\n{naive}\n")
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::Stdout)?;
    Ok(ExitCode::SUCCESS)
}
