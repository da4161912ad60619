//! The store and the join of an investigation.
//!
//! Spans of tool calls on one side, records of a network on the other, tens of millions of them, on a machine that has other things to
//! do: they are kept as Parquet files, joined in bounded memory, handed out in pieces to whoever models causes, and open to an analyst's
//! SQL. The engine is DataFusion.
//!
//! ```no_run
//! use engine::{FlowRow, Options, Side, SlackRow, SpanRow, Store};
//!
//! # fn main() -> Result<(), engine::EngineError> {
//! let store = Store::open("investigation", Options::default())?;
//! if let Some(mut part) = store.part::<FlowRow>("eve.json.1")? {
//!     part.push(&FlowRow { flow: 0, kind: "flow".to_owned(), ..FlowRow::default() })?;
//!     part.finish()?;
//! }
//! // …and spans. Then, once clocks are known:
//! store.align(&[], &[SlackRow::new(Side::Flow, "logged", 60_000_000_000, 0)])?;
//! for shard in store.shards()? {
//!     let shard = shard?;
//!     let mut candidates = shard.candidates();
//!     while let Some((flow, spans)) = candidates.next() {
//!         println!("{:?}: {} candidates", shard.flows()[flow], spans.len());
//!     }
//! }
//! println!("{}", store.sql("SELECT tool, count(*) FROM spans GROUP BY tool", 100)?.table()?);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing in here knows a format, how clocks are estimated, or what a model makes of candidates.

#![forbid(unsafe_code)]

mod align;
mod answer;
mod attributed;
mod bucket;
mod catalog;
mod cell;
#[cfg(feature = "cluster")]
mod cluster;
mod error;
mod join;
mod key;
mod part;
mod pool;
mod query;
mod rows;
mod session;
mod shards;
mod store;
mod stretch;
mod sweep;
mod table;

pub use align::Aligned;
pub use answer::Answer;
pub use attributed::Attributed;
#[cfg(feature = "cluster-test")]
pub use cluster::LocalCluster;
#[cfg(feature = "cluster")]
pub use cluster::{Cluster, Objects, OnCluster};
pub use datafusion::arrow;
pub use error::EngineError;
pub use key::Key;
pub use part::Part;
pub use rows::{AttributionRow, ClockRow, FlowRow, Side, SlackRow, SpanRow};
pub use session::{Batches, Options};
pub use shards::{FlowPoint, Shard, Shards, SpanPoint};
pub use store::{Kept, Store};
pub use sweep::Candidates;
pub use table::Row;
