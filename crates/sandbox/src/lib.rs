//! Where the agent runs.
#![deny(unsafe_code)]

mod broken;
mod call;
mod cgroup;
mod channel;
mod command;
mod environment;
pub mod errno;
pub mod host;
mod ids;
pub mod image;
mod inside;
mod inspection;
mod landlock;
mod launch;
mod layout;
mod notify;
mod oversight;
mod placeholder;
mod plan;
mod population;
mod proof;
#[doc(hidden)]
pub mod protocol;
mod reactor;
mod sandbox;
pub mod seccomp;
mod sources;
mod spawner;
mod start;
mod streams;
mod supervisor;
mod sys;
mod toolchains;
mod watch;
mod witness;
mod workspace;

pub use call::{Call, CallError, Ended};
pub use cgroup::Kind as CgroupKind;
pub use command::{Command, Stdio, WindowSize};
pub use layout::LayoutError;
pub use proof::Proof;
pub use sandbox::{Sandbox, Usage};
pub use start::{Setup, StartError};
pub use streams::{Input, Output, Terminal};
pub use supervisor::{Supervisor, SupervisorError};
pub use witness::{Blind, Execution, Witness};
pub use workspace::{Workspace, WorkspaceError};
