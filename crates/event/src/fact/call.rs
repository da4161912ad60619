//! The beginning and the end of a call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Io;
use crate::{Argv, Omitted, Text};

/// A call was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallStarted {
    /// The command, the first 1024 items and 64 KiB of it.
    pub command: Argv,
    /// How much of the command is not in `command`; absent when all of it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_omitted: Option<Omitted>,
    /// The folder it starts in, as a path inside the sandbox.
    pub cwd: Text,
    /// The time after which it is killed; absent when there is no bound of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl CallStarted {
    /// A call of this command in this folder, without a bound on its time. The command is cut to its bound.
    pub fn new<I>(command: I, cwd: impl Into<Text>) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let (command, command_omitted) = Argv::bounded(command);
        Self { command, command_omitted, cwd: cwd.into(), timeout_ms: None }
    }
}

/// A call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallEnded {
    /// The exit code as a shell gives it: the command's own, or 128 and the signal's number.
    pub exit_code: i32,
    /// The signal that ended it; absent when it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why it ended.
    pub reason: EndReason,
    /// From its start to the end of its first process.
    pub wall_us: u64,
    /// CPU time, user and system, of all its processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
    /// The most memory in use by its processes together; where calls overlap on a host without version 2 controllers,
    /// and where there are no control groups, by the largest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// What its processes read from storage and wrote to it until its first process ended: those that were waited for,
    /// those that are left, and, when no other call was alive, orphans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io: Option<Io>,
    /// What it printed.
    pub output_bytes: OutputBytes,
    /// Processes that it left alive.
    pub processes_left: u32,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// It exited by itself.
    Exited,
    /// A signal ended it that Aurelian did not send.
    Signalled,
    /// Its time was up.
    Timeout,
    /// Aurelian killed it: the operator, a response, or the end of the run.
    Killed,
    /// A limit ended it; `limit.hit` says which.
    Limit,
    /// There is no such program.
    NotFound,
    /// The program can't be executed.
    NotExecutable,
}

/// How much a call printed, whether or not it was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OutputBytes {
    /// On standard output; everything when the call had a terminal.
    pub stdout: u64,
    /// On standard error.
    pub stderr: u64,
}
