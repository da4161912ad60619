//! `aurelian events`: describe the events of a run.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::EventsAction;
use crate::failure::Failure;

pub(crate) fn run(action: &EventsAction) -> Result<ExitCode, Failure> {
    let EventsAction::Schema = action;
    let mut out = io::stdout().lock();
    writeln!(out, "{:#}", event::schema())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
