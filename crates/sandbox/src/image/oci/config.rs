//! How an image wants to be run, from its configuration. Advice: policy decides what of it is followed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::document::Process;
use super::error::{OciError, Part};

/// What an image says about the process to start in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Environment variables, in the image's order; names are not empty and nothing has a NUL.
    pub env: Vec<(OsString, OsString)>,
    /// The words before those of the command.
    pub entrypoint: Vec<OsString>,
    /// The command, where the caller gives none.
    pub cmd: Vec<OsString>,
    /// The folder to start in, absolute, inside the image; it may not exist, and may have `..`.
    pub working_dir: Option<PathBuf>,
    /// `user`, `uid`, `user:group` or `uid:gid`; names are those of the image's `/etc/passwd`.
    pub user: Option<String>,
}

impl ImageConfig {
    pub(super) fn of(process: &Process) -> Result<Self, OciError> {
        let texts = [&process.env, &process.entrypoint, &process.cmd].into_iter().flatten();
        if texts.chain([&process.working_dir, &process.user]).any(|text| text.contains('\0')) {
            return Err(invalid("has a NUL character in its environment, command, folder or user"));
        }
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            env: process.env.iter().map(|entry| variable(entry)).collect::<Result<_, _>>()?,
            entrypoint: process.entrypoint.iter().map(OsString::from).collect(),
            cmd: process.cmd.iter().map(OsString::from).collect(),
            working_dir: some(&process.working_dir).map(|dir| Path::new("/").join(dir)),
            user: some(&process.user),
        })
    }
}

fn variable(entry: &str) -> Result<(OsString, OsString), OciError> {
    match entry.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => {
            Err(invalid(&format!("has the environment entry {entry:?}, which is not of the form NAME=VALUE")))
        }
    }
}

fn invalid(problem: &str) -> OciError {
    OciError::Invalid { what: Part::Config, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(process: Process) -> Result<ImageConfig, OciError> {
        ImageConfig::of(&process)
    }

    #[test]
    fn values_may_have_equals_signs_and_folders_are_absolute() {
        let process = Process {
            env: vec!["A=b=c".into(), "B=".into()],
            working_dir: "app".into(),
            ..Process::default()
        };
        let config = of(process).unwrap();
        assert_eq!(config.env, [("A".into(), "b=c".into()), ("B".into(), "".into())]);
        assert_eq!(config.working_dir, Some("/app".into()));
        assert_eq!(config.user, None);
    }

    #[test]
    fn what_no_process_could_get_is_refused() {
        for entry in ["A", "=b", "A=\0"] {
            assert!(of(Process { env: vec![entry.into()], ..Process::default() }).is_err(), "{entry:?}");
        }
        assert!(of(Process { cmd: vec!["a\0b".into()], ..Process::default() }).is_err());
    }
}
