//! What a call executes.

use event::Text;
use rustix::fd::OwnedFd;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A command to be called in a sandbox. Like [`std::process::Command`], but everything it starts from is the
/// sandbox's: the folders, the search path, the environment.
#[derive(Debug)]
#[must_use = "a command does nothing until it is called"]
pub struct Command {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
    pub(crate) terminal: Option<WindowSize>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) tool_call_id: Option<Text>,
}

/// Where a standard stream of a call leads.
#[derive(Debug, Default)]
pub enum Stdio {
    /// Nowhere.
    #[default]
    Null,
    /// To the caller.
    Pipe,
    /// To an open file. The agent gets this very file: never one that leads to the operator's terminal, a folder, or
    /// a socket of the host.
    File(OwnedFd),
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl Command {
    /// This program: a path inside, or a name to be searched for.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            arguments: vec![program.into()],
            environment: Vec::new(),
            folder: None,
            stdin: Stdio::Null,
            stdout: Stdio::Pipe,
            stderr: Stdio::Pipe,
            terminal: None,
            timeout: None,
            tool_call_id: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable, on top of those that the policy gives.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts in this folder, as it is called inside; by default in the workspace.
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Where standard input comes from; by default from nowhere.
    pub fn stdin(mut self, stdio: Stdio) -> Self {
        self.stdin = stdio;
        self
    }

    /// Where standard output goes; by default to the caller.
    pub fn stdout(mut self, stdio: Stdio) -> Self {
        self.stdout = stdio;
        self
    }

    /// Where standard error goes; by default to the caller.
    pub fn stderr(mut self, stdio: Stdio) -> Self {
        self.stderr = stdio;
        self
    }

    /// Gives it a terminal of its own, which is then all three standard streams.
    pub fn terminal(mut self, size: WindowSize) -> Self {
        self.terminal = Some(size);
        self
    }

    /// Kills it, with all that it started, after this time.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// The id that the caller knows this call by; it stands in the call's events.
    pub fn tool_call_id(mut self, id: impl Into<Text>) -> Self {
        self.tool_call_id = Some(id.into());
        self
    }
}
