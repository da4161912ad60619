//! Who is told what happens in a sandbox.

use event::{CallId, Cause, Observation};

pub use crate::notify::Execution;

/// Is told everything that is seen of one sandbox, in order, mostly from the supervisor's one waiting thread:
/// what takes long belongs elsewhere.
pub trait Witness: Send + Sync {
    /// Something happened.
    fn see(&self, observation: Observation);

    /// A program is about to be executed, by a process of this call.
    fn execution(&self, cause: Cause, execution: Execution);

    /// No process of this call is left, not even one that it left behind: what happens later is not its doing.
    fn call_over(&self, _call: CallId) {}

    /// Whether more can be taken. While it can't, the sandbox's calls wait inside the system calls that would be
    /// seen: a slow witness slows the agent, and nothing is lost.
    fn is_ready(&self) -> bool {
        true
    }
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blind;

impl Witness for Blind {
    fn see(&self, _: Observation) {}

    fn execution(&self, _: Cause, _: Execution) {}
}
