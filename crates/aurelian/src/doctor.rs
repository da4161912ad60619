//! wip
use crate::cli::DoctorOptions;
use crate::failure::Failure;
use std::process::ExitCode;
pub(crate) fn run(_: DoctorOptions) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
