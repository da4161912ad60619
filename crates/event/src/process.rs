//! The process behind an event.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Argv, Omitted, Text};

/// The process behind an event. What could not be learned, often because the process was gone, is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Its id inside the sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its id on the host.
    pub host_pid: u32,
    /// The id, on the host, of its parent at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The file it executes, as a path inside the sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<Text>,
    /// Its argument vector, the first 1024 items and 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<Argv>,
    /// How much of the argument vector is not in `argv`; absent when all of it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv_omitted: Option<Omitted>,
    /// Its current folder, as a path inside the sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Text>,
    /// Its user id inside the sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Process {
    /// A process of which only the id on the host is known.
    pub fn new(host_pid: u32) -> Self {
        Self { host_pid, ..Self::default() }
    }

    /// The same process with this argument vector, cut to its bound.
    pub fn with_argv<I>(self, items: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let (argv, argv_omitted) = Argv::bounded(items);
        Self { argv: Some(argv), argv_omitted, ..self }
    }
}
