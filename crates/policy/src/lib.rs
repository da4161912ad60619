//! What is allowed: YAML to a checked, typed [`Policy`].
//!
//! A policy is written by an operator and read by people in a review. So it has one spelling for each thing, no
//! part of it is ever ignored, and an error points at the line and says what to write. [`Policy`] can only be
//! had through its checks; the crates that enforce it have nothing left to validate.
//!
//! The way from text: the module `yaml` makes a tree with places, each section reads its part of the tree, and
//! the module `host` finds the paths. All of them note what is wrong and go on, so that one run shows all problems.
//! This crate decides nothing about how a policy is enforced, and knows nothing of images and workspaces. Only what the rules of
//! [`network`] say to one flow is decided here, since `aurelian policy test` and the gateway must never differ.
//!
//! ```
//! let policy = policy::Policy::parse("version: 1\nlimits: { memory: 512MiB }", "policy.yaml")?;
//! assert_eq!(policy.limits().memory().as_u64(), 512 << 20);
//!
//! let error = policy::Policy::parse("version: 1\nlimits: { memory: 512M }", "policy.yaml").unwrap_err();
//! assert_eq!(error.problems()[0].help(), Some("write `512MiB`"));
//! assert_eq!((error.problems()[0].line(), error.problems()[0].column()), (2, 19));
//! # Ok::<(), policy::PolicyError>(())
//! ```
#![forbid(unsafe_code)]

mod digest;
mod environment;
mod filesystem;
mod forbidden;
mod host;
mod limits;
pub mod network;
mod policy;
mod problem;
mod response;
mod schema;
mod section;
mod syscalls;
mod text;
mod units;
mod yaml;

pub use digest::Digest;
pub use environment::Environment;
pub use filesystem::Filesystem;
pub use limits::Limits;
pub use network::Network;
pub use policy::Policy;
pub use problem::{PolicyError, Problem, ProblemKind};
pub use response::{Action, Response, Watch, Webhook};
pub use schema::schema;
pub use syscalls::{Loosening, Syscalls};
pub use text::DEFAULT_YAML;
pub use units::{Bytes, Cpus, UnitError, parse_duration};
