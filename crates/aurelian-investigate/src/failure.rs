//! Why something could not be done, and the exit code that says so.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use thiserror::Error;

use crate::terminal::say;

/// Something is wrong with what was asked for.
const REFUSED: u8 = 125;

/// Why a subcommand ends.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Paths(#[from] intake::PathsError),
    #[error(transparent)]
    Trace(#[from] trace::ReadError),
    #[error(transparent)]
    Flows(#[from] flows::ReadError),
    #[error(transparent)]
    Hosts(#[from] investigate::hosts::HostsError),
    #[error(transparent)]
    Simulate(#[from] investigate::simulate::SimulateError),
    #[error(transparent)]
    Truth(#[from] investigate::truth::TruthError),
    #[error(transparent)]
    Keep(#[from] investigate::incident::KeepError),
    #[error(transparent)]
    Save(#[from] investigate::incident::SaveError),
    #[error("{} is in use by another investigation: wait until that has ended, or name another folder with --out", .0.display())]
    InUse(PathBuf),
    #[cfg(feature = "sql")]
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    #[cfg(not(feature = "sql"))]
    #[error("{0} needs the engine, and this program was built without it (feature `sql`)")]
    NoEngine(&'static str),
    #[error("--to parquet needs --out FILE: a table can't be shown on a terminal")]
    NoOut,
    #[cfg(not(feature = "cluster"))]
    #[error("--cluster needs Ballista, and this program was built without it (feature `cluster`)")]
    NoCluster,
    #[error("{}: {source}", path.display())]
    Output { path: PathBuf, source: io::Error },
    #[error("no {what} in {named}: every file was empty or in no format that is known")]
    Nothing { what: &'static str, named: String },
    #[error("standard output: {0}")]
    Stdout(io::Error),
}

impl Failure {
    /// Says it, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if let Self::Stdout(error) = &self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS;
        }
        say!("{self}");
        ExitCode::from(REFUSED)
    }
}

/// What clap says: help is no failure.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // If even the terminal is gone, the exit code says it.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS }
}
