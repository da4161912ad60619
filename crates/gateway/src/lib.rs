//! The only way out: what a flow speaks is known before a byte of it leaves.
//!
//! [`Gateway`] gives sandboxes a network. What it is made of is pure, and stands by itself: what a conversation speaks
//! ([`identify`]), the shape of a flow ([`flow`]), names and addresses ([`names`]), captures ([`capture`]).

#![forbid(unsafe_code)]

mod budget;
pub mod capture;
mod facts;
pub mod flow;
pub mod identify;
mod live;
pub mod names;

pub use live::{Capture, Gateway};
