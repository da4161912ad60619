//! `aurelian-investigate`: what `aurelian investigate` and `aurelian trace` execute.
//!
//! A program of its own, so that nothing of an investigation (readers of foreign formats, an SQL engine) is in the process that holds
//! agents. One module per subcommand, and wiring only.
#![forbid(unsafe_code)]

mod beside;
mod cli;
#[cfg_attr(not(feature = "cluster"), path = "no_cluster.rs")]
mod cluster;
mod convert;
mod failure;
mod investigate;
mod outputs;
mod progress;
mod reading;
mod resume;
mod simulate;
mod sink;
#[cfg(feature = "sql")]
mod span_table;
#[cfg_attr(not(feature = "sql"), path = "no_tables.rs")]
mod tables;
mod terminal;
mod trace;
mod workplace;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error),
    };
    let done = match cli.command {
        cli::Command::Investigate(options) => match &options.action {
            Some(cli::Action::Simulate(simulation)) => simulate::run(simulation),
            Some(cli::Action::Evaluate(evaluation)) => simulate::evaluate(evaluation),
            None => investigate::run(&options),
        },
        cli::Command::Trace(action) => trace::run(&action),
    };
    done.unwrap_or_else(|failure| failure.report())
}
