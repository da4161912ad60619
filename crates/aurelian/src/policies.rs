//! `aurelian policy`: check and print policies.

mod test;

use std::io::{self, Write};
use std::process::ExitCode;

use policy::Policy;

use crate::cli::PolicyAction;
use crate::failure::Failure;

pub(crate) fn run(action: &PolicyAction) -> Result<ExitCode, Failure> {
    let mut out = io::stdout().lock();
    match action {
        PolicyAction::Check { file } => {
            let policy = Policy::load(file)?;
            writeln!(out, "{}: ok, {}", file.display(), policy.digest())?;
        }
        PolicyAction::Test(options) => return test::run(options, &mut out),
        PolicyAction::Schema => writeln!(out, "{:#}", policy::schema())?,
        PolicyAction::Default => write!(out, "{}", policy::DEFAULT_YAML)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
