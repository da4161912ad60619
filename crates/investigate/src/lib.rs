//! Who did it: from spans of tool calls and records of a network to the calls that caused the traffic, how sure that is, and
//! what can't be told.
//!
//! How it works, and why so, is in ARCHITECTURE.md, "The investigation". All in here is pure computation over what others
//! read (`trace`, `flows`) and joined (`engine`); the program that puts it together is `aurelian-investigate`.
//!
//! - [`hosts`]: which address was whose, and when;
//! - [`clocks`]: how far two clocks are apart;
//! - [`command`]: what a command's text gives away;
//! - [`model`]: which call caused which flow;
//! - [`incident`]: all that was read, in a compact form;
//! - [`classify`]: what a flow is, as far as its record tells;
//! - [`baseline`]: what is ordinary, from the logs of better times;
//! - [`attribution`]: the whole way to an answer for each flow;
//! - [`behaviour`]: what the traffic goes together with;
//! - [`report`] shows what was found to people, [`export`] to other programs;
//! - [`simulate`] makes incidents whose answers are known, and [`truth`] measures answers against them.

#![forbid(unsafe_code)]

pub mod attribution;
pub mod baseline;
pub mod behaviour;
pub mod classify;
pub mod clocks;
pub mod command;
pub mod export;
pub mod hosts;
pub mod incident;
pub mod model;
mod parallel;
pub mod report;
pub mod simulate;
pub mod truth;
