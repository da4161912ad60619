//! Finding a policy's paths on this host.

use std::fs::{FileType, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::forbidden::{self, Grant};
use crate::problem::{Problem, ProblemKind, Problems, quoted};

/// `PATH_MAX` of Linux.
const LONGEST: usize = 4096;

/// The host as a policy sees it.
#[derive(Debug)]
pub(crate) struct Host {
    /// Where relative paths begin.
    base: PathBuf,
    /// What `~` stands for.
    home: Option<PathBuf>,
    /// The policy's own file, where it came from one.
    policy: Option<PathBuf>,
}

impl Host {
    /// This host, with paths relative to the folder of the file `name`.
    pub(crate) fn around(name: &Path) -> Self {
        let current = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let base = current.join(name.parent().unwrap_or(Path::new("")));
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let home = home.map(|home| home.canonicalize().unwrap_or(home));
        Self { base, home, policy: None }
    }

    /// This host, for the policy in the file `path`.
    pub(crate) fn of_file(path: &Path) -> Self {
        let host = Self::around(path);
        let policy = path.canonicalize().ok();
        Self { policy, ..host }
    }

    /// The policy's own file, where it came from one.
    pub(crate) fn policy(&self) -> Option<&Path> {
        self.policy.as_deref()
    }

    /// The real path of what a policy hides.
    pub(crate) fn hidden(&self, text: &str, span: &Range<usize>, problems: &mut Problems) -> Option<PathBuf> {
        let hidden = self.find(text, span).and_then(|(path, _)| {
            if !forbidden::is_kernel_or_root(&path) {
                return Ok(path);
            }
            let message = format!("{} can't be hidden: the sandbox lays it out itself", quoted(text));
            Err(Box::new(
                Problem::new(ProblemKind::Contradiction, span, message).with_help("remove the entry"),
            ))
        });
        hidden.map_err(|problem| problems.add(*problem)).ok()
    }

    /// The real path of what a policy grants.
    pub(crate) fn granted(
        &self,
        text: &str,
        grant: Grant,
        hidden: &[PathBuf],
        span: &Range<usize>,
        problems: &mut Problems,
    ) -> Option<PathBuf> {
        let granted = self.absolute(text, span).and_then(|path| {
            self.refuse_forbidden(text, &forbidden::lexical(&path), grant, hidden, span)?;
            let (path, metadata) = self.find(text, span)?;
            self.refuse_forbidden(text, &path, grant, hidden, span)?;
            refuse_kind(text, metadata.file_type(), span)?;
            Ok(path)
        });
        granted.map_err(|problem| problems.add(*problem)).ok()
    }

    /// The path with `~` and the base put in.
    fn absolute(&self, text: &str, span: &Range<usize>) -> Result<PathBuf, Box<Problem>> {
        let wrong = |message: String, help: &str| {
            Err(Box::new(Problem::new(ProblemKind::WrongValue, span, message).with_help(help)))
        };
        if text.is_empty() || text.contains('\0') {
            return wrong(format!("{} is not a path", quoted(text)), "write a file or a folder of this host");
        }
        if text.len() >= LONGEST {
            return wrong(
                format!("the path {} is too long", quoted(text)),
                "a path has less than 4096 bytes",
            );
        }
        let Some(tail) = text.strip_prefix('~') else {
            return Ok(self.base.join(text));
        };
        match (&self.home, tail) {
            (Some(home), "") => Ok(home.clone()),
            (Some(home), tail) if tail.starts_with('/') => Ok(home.join(tail.trim_start_matches('/'))),
            (None, tail) if tail.is_empty() || tail.starts_with('/') => wrong(
                format!("{} has no meaning here: there is no home folder", quoted(text)),
                "write it out",
            ),
            _ => wrong(
                format!("{} names another user's home, which is not looked up", quoted(text)),
                "write the path out; for a file whose name starts with `~`, write `./~…`",
            ),
        }
    }

    fn find(&self, text: &str, span: &Range<usize>) -> Result<(PathBuf, Metadata), Box<Problem>> {
        let path = self.absolute(text, span)?;
        let found = path.canonicalize().and_then(|real| Ok((real.metadata()?, real)));
        match found {
            Ok((metadata, real)) if real.to_str().is_some() => Ok((real, metadata)),
            Ok(_) => {
                let message = format!("{} leads to a path that is not UTF-8", quoted(text));
                Err(Box::new(
                    Problem::new(ProblemKind::WrongValue, span, message).with_help("rename the target"),
                ))
            }
            Err(error) => Err(Box::new(missing(text, &path, &error, span))),
        }
    }

    fn refuse_forbidden(
        &self,
        text: &str,
        path: &Path,
        grant: Grant,
        hidden: &[PathBuf],
        span: &Range<usize>,
    ) -> Result<(), Box<Problem>> {
        let covered = |secret: &Path| hidden.iter().any(|hide| secret.starts_with(hide));
        let open = |secret: &Path| secret.symlink_metadata().is_ok() && !covered(secret);
        let Some(reason) = forbidden::refusal(path, grant, self.home.as_deref(), open) else { return Ok(()) };
        let verb = if grant == Grant::Read { "read" } else { "written" };
        let message = format!("{} can't be {verb}: {reason}", quoted(text));
        let problem = Problem::new(ProblemKind::BreaksBoundary, span, message);
        let problem = problem.label("this would break the boundary");
        Err(Box::new(problem.with_help("name the files or folders that the agent needs, without this")))
    }
}

/// A socket or a pipe leads to whatever process holds its other end, a device to the hardware.
fn refuse_kind(text: &str, kind: FileType, span: &Range<usize>) -> Result<(), Box<Problem>> {
    let what = if kind.is_socket() {
        "a UNIX socket, and a process of the host listens on it"
    } else if kind.is_fifo() {
        "a named pipe, and a process of the host may hold its other end"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device of the host"
    } else {
        return Ok(());
    };
    let message = format!("{} can't be granted: it is {what}", quoted(text));
    let problem = Problem::new(ProblemKind::BreaksBoundary, span, message);
    Err(Box::new(problem.label("this would break the boundary").with_help("remove the entry")))
}

fn missing(text: &str, path: &Path, error: &io::Error, span: &Range<usize>) -> Problem {
    if error.kind() != io::ErrorKind::NotFound {
        let message = format!("{} can't be looked up: {error}", quoted(text));
        return Problem::new(ProblemKind::MissingPath, span, message)
            .with_help("give a path that the operator can reach");
    }
    let message = format!("{} does not exist", quoted(text));
    let problem = Problem::new(ProblemKind::MissingPath, span, message);
    let meant = if Path::new(text).is_absolute() {
        String::new()
    } else {
        format!("it means {}; ", quoted(&path.to_string_lossy()))
    };
    match path.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok()) {
        Some(there) if there == path => problem.with_help("it is a symbolic link that leads nowhere"),
        Some(there) => {
            problem.with_help(format!("{meant}the path is there up to {}", quoted(&there.to_string_lossy())))
        }
        None => problem.with_help("create it or remove the entry"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A home folder with `.ssh/`, `.cargo/` without credentials, `src/` and `creds`, a link to `.ssh`.
    fn host() -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        for name in [".ssh", ".cargo", "src"] {
            fs::create_dir(home.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(".ssh", home.join("creds")).unwrap();
        (folder, Host { base: home.join("src"), home: Some(home), policy: None })
    }

    fn granted(host: &Host, text: &str, grant: Grant, hidden: &[PathBuf]) -> Option<PathBuf> {
        host.granted(text, grant, hidden, &(0..0), &mut Problems::default())
    }

    #[test]
    fn a_tilde_is_the_home_of_the_operator() {
        let (folder, host) = host();
        let home = folder.path().canonicalize().unwrap();
        assert_eq!(granted(&host, "~/src", Grant::Write, &[]), Some(home.join("src")));
        assert_eq!(granted(&host, ".", Grant::Read, &[]), Some(home.join("src")));
        assert_eq!(granted(&host, "~//src/../.cargo", Grant::Read, &[]), Some(home.join(".cargo")));
        let homeless = Host { home: None, ..host };
        assert_eq!(granted(&homeless, "~/src", Grant::Read, &[]), None);
    }

    #[test]
    fn credentials_are_not_granted_under_any_name() {
        let (folder, host) = host();
        let home = folder.path().canonicalize().unwrap();
        for text in ["~/.ssh", "~/creds", "../creds", "~", "..", "~/src/../.ssh"] {
            assert_eq!(granted(&host, text, Grant::Read, &[]), None, "{text}");
        }
        assert_eq!(granted(&host, "~", Grant::Read, &[home.join(".ssh")]), Some(home.clone()));
        assert_eq!(granted(&host, "~", Grant::Write, &[home.join(".ssh")]), None);
        assert_eq!(granted(&host, "~/.aws", Grant::Read, &[]), None);
    }
}
