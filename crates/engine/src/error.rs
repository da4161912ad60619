//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use thiserror::Error;

/// Why something could not be kept, or not be answered.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A file or folder can't be made, read or written.
    #[error("can't {what} {}: {source}", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file holds no table, or can't be written as one.
    #[error("can't {what} the table {}: {source}", path.display())]
    Table {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: ParquetError,
    },
    /// Another program has the store open.
    #[error("{} is in use by another program: wait until that has ended, or name another folder", .0.display())]
    InUse(PathBuf),
    /// The name of a part is no name for a file.
    #[error(
        "{0:?} is no name for a part: use letters, digits, \"-\", \"_\" and \".\", 200 at most, and begin with none of those marks"
    )]
    PartName(String),
    /// A clock or a slack can't be what it says.
    #[error("the row {row} of the table {table:?} can't be used: {why}")]
    Alignment {
        /// Which table.
        table: &'static str,
        /// The row, for a person.
        row: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Clocks were not given yet.
    #[error("the times of this store are not aligned yet: align them first")]
    NotAligned,
    /// A query that would do more than read the tables.
    #[error("only queries that read the tables are answered (SELECT, WITH, EXPLAIN, DESCRIBE): {0}")]
    NotReading(String),
    /// More memory would be needed than may be used.
    #[error("{what} needs more memory than the {} MiB that it may use: allow more, or ask for less. {detail}", limit >> 20)]
    Memory {
        /// What was attempted.
        what: &'static str,
        /// What may be used, in bytes.
        limit: usize,
        /// What the engine says.
        detail: String,
    },
    /// The query is wrong, or failed.
    #[error("{what} failed: {detail}")]
    Query {
        /// What was attempted.
        what: &'static str,
        /// What the engine says.
        detail: String,
    },
    /// What was given is no address of a cluster.
    #[error(
        "{0:?} is no address of a Ballista scheduler: write one as df://HOST:PORT, for instance df://localhost:50050"
    )]
    ClusterAddress(String),
    /// Nobody answers at an address.
    #[error(
        "no Ballista scheduler answers at {address}: start one there (ballista-scheduler), or ask without a cluster. {detail}"
    )]
    NoScheduler {
        /// Where.
        address: String,
        /// What happened instead.
        detail: String,
    },
    /// A query that a cluster would answer wrongly, without a word.
    #[error("a cluster does not answer {0} rightly: ask without a cluster, or ask otherwise")]
    NotOnCluster(&'static str),
    /// A cluster has failed to answer.
    #[error("the query failed on the cluster at {address}: {detail}")]
    Cluster {
        /// The scheduler.
        address: String,
        /// What it, or an executor, says.
        detail: String,
    },
    /// Tables can't be copied to an object store.
    #[error("can't {what} {place}: {detail}")]
    Objects {
        /// What was attempted.
        what: &'static str,
        /// On what.
        place: String,
        /// Why it failed.
        detail: String,
    },
    /// There is something else where tables are to be copied to.
    #[error("{0} is there already and no part of these tables: name another place, with nothing below it")]
    Occupied(String),
    /// Threads for the engine could not be started.
    #[error("can't start the threads of the engine: {0}")]
    Threads(io::Error),
}

impl EngineError {
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { what, path: path.to_owned(), source }
    }

    pub(crate) fn table(what: &'static str, path: &Path) -> impl FnOnce(ParquetError) -> Self {
        move |source| Self::Table { what, path: path.to_owned(), source }
    }

    pub(crate) fn query(what: &'static str, limit: usize) -> impl FnOnce(DataFusionError) -> Self {
        move |error| {
            let detail = error.strip_backtrace();
            match error.find_root() {
                DataFusionError::ResourcesExhausted(_) => Self::Memory { what, limit, detail },
                _ => Self::Query { what, detail },
            }
        }
    }

    pub(crate) fn cluster(address: &str) -> impl FnOnce(DataFusionError) -> Self {
        move |error| Self::Cluster { address: address.to_owned(), detail: error.strip_backtrace() }
    }

    pub(crate) fn batch(what: &'static str, path: &Path) -> impl FnOnce(ArrowError) -> Self {
        move |source| Self::Table { what, path: path.to_owned(), source: source.into() }
    }
}
