//! What the tests of the boundary share: a stage to act on, an agent to act, and a witness of what was seen.
//!
//! The agent is Python or C, because what it does must not be limited to what our own code can say. Both are declared
//! requirements of the suite: where one is missing, a test fails and names it. What a machine can't give is
//! reported by [`skip`], never passed over.
#![allow(dead_code, reason = "each family of tests uses its own part of this")]
#![allow(unused_imports, reason = "as above")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod agent;
mod host;
mod stage;
mod witness;

pub(crate) use agent::{Ran, compile, python};
pub(crate) use host::{alone, canonical_tempdir, is_root, require, skip};
pub(crate) use stage::{Background, Stage, policy, start, supervisor};
pub(crate) use witness::Collector;
