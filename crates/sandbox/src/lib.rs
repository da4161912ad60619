//! Where the agent runs.
pub mod seccomp;
