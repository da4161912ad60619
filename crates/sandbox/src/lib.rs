//! Where the agent runs.
#![deny(unsafe_code)]
mod broken;
mod cgroup;
mod channel;
pub mod errno;
pub mod host;
mod ids;
pub mod image;
mod landlock;
mod layout;
mod notify;
mod plan;
mod proof;
#[doc(hidden)]
pub mod protocol;
mod reactor;
pub mod seccomp;
mod spawner;
mod start;
mod supervisor;
mod sys;
mod toolchains;
mod witness;
mod workspace;
