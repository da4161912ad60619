//! `aurelian doctor`: what this host gives to hold an agent with.
//!
//! What the host says it has is only half of an answer, so the other half is a sandbox that is started for real, with its
//! proof. That alone decides the exit code: 0 if sandboxes can be started, 125 if not.

mod checks;
mod trial;

use std::io::{self, Write};
use std::process::ExitCode;

use event::Text;
use event::fact::{ControlState, ProbeResult};
use sandbox::Supervisor;
use serde::Serialize;

use crate::cli::DoctorOptions;
use crate::failure::{Failure, NOTHING_STARTED};
use crate::style::Paint;
use crate::summary;
use checks::Check;
use trial::Trial;

/// The version of the JSON below. It changes when a reader of the old one could no longer read the new.
const SCHEMA: &str = "urn:aurelian:schema:doctor:1";

/// What was found.
#[derive(Debug, Serialize)]
struct Diagnosis {
    schema: &'static str,
    version: &'static str,
    kernel: String,
    machine: String,
    user: String,
    rootless: bool,
    /// Whether sandboxes can be started.
    ready: bool,
    checks: Vec<Check>,
    trial: Trial,
}

pub(crate) fn run(options: DoctorOptions) -> Result<ExitCode, Failure> {
    let supervisor = Supervisor::new()?;
    let host = supervisor.host();
    let trial = trial::run(&supervisor);
    let diagnosis = Diagnosis {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        kernel: host.kernel.clone(),
        machine: rustix::system::uname().machine().to_string_lossy().into_owned(),
        user: host.user.clone(),
        rootless: !host.privileged,
        ready: matches!(trial, Trial::Started { .. }),
        checks: checks::all(&supervisor),
        trial,
    };
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{}", summary::json(&diagnosis)?)?;
    } else {
        diagnosis.tell(&mut out, Paint::for_stdout())?;
    }
    out.flush()?;
    Ok(if diagnosis.ready { ExitCode::SUCCESS } else { ExitCode::from(NOTHING_STARTED) })
}

impl Diagnosis {
    fn tell(&self, out: &mut impl Write, paint: Paint) -> io::Result<()> {
        let kind = if self.rootless { "without root" } else { "with root's rights" };
        writeln!(
            out,
            "aurelian {} on Linux {} {}, as {} {kind}\n",
            self.version, self.kernel, self.machine, self.user
        )?;
        for check in &self.checks {
            let (word, painted) = match check.state {
                ControlState::On => ("ok", paint.good("ok")),
                ControlState::Reduced => ("reduced", paint.notable("reduced")),
                ControlState::Off => ("missing", paint.bad("missing")),
            };
            writeln!(out, "  {painted}{}{:<18}{}", " ".repeat(9 - word.len()), check.name, check.found)?;
            for line in [&check.means, &check.remedy].into_iter().flatten() {
                writeln!(out, "{}{}", " ".repeat(29), paint.faint(line))?;
            }
        }
        writeln!(out)?;
        self.trial.tell(out, paint)
    }
}

impl Trial {
    fn tell(&self, out: &mut impl Write, paint: Paint) -> io::Result<()> {
        match self {
            Self::Started { start_us, probes, proof_us } => {
                let count = |wanted| probes.iter().filter(|probe| probe.result == wanted).count();
                let (held, skipped) = (count(ProbeResult::Held), count(ProbeResult::Skipped));
                writeln!(
                    out,
                    "{}: a sandbox was started in {:.1} ms; {held} ways out were tried in {:.1} ms and refused, {skipped} skipped",
                    paint.good("ready"),
                    *start_us as f64 / 1000.0,
                    *proof_us as f64 / 1000.0,
                )?;
                for probe in probes {
                    let word = if probe.result == ProbeResult::Held { "held" } else { "skipped" };
                    let detail = probe.detail.as_deref().unwrap_or_default();
                    writeln!(out, "  {word:<9}{:<26}{:<20}{detail}", probe.name, probe.control)?;
                }
                Ok(())
            }
            Self::Failed { reason, .. } => {
                writeln!(
                    out,
                    "{}: no sandbox can be started: {}",
                    paint.bad("not ready"),
                    Text::from(reason.as_str())
                )
            }
        }
    }
}
