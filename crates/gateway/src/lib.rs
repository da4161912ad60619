//! The only way out: what a flow speaks is known before a byte of it leaves.

#![forbid(unsafe_code)]

pub mod capture;
pub mod flow;
pub mod identify;
pub mod names;
