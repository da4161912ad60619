//! What conversations are found to be: recorded ones of real programs, written ones of every dialect, and hostile ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod conversation;
mod evasion;
mod invariance;
mod mining;
mod recorded;
mod written;
