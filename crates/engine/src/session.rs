//! DataFusion, set up for one store: how much it may use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::catalog::{self, Places};
use crate::error::EngineError;
use crate::key;
use crate::pool::Pool;

/// What an engine may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// About how much memory, in bytes. What doesn't fit is done in parts, or goes through files; below 64 MiB there is not even room
    /// for that.
    pub memory_bytes: usize,
    /// How many threads.
    pub threads: usize,
    /// Where files go that are needed for a while; by default a folder in the store.
    pub temporary: Option<PathBuf>,
}

impl Default for Options {
    /// 4 GiB, and as many threads as there are processors.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory_bytes: 4 << 30, threads, temporary: None }
    }
}

/// The engine of one store.
pub(crate) struct Session {
    threads: Runtime,
    pub(crate) environment: Arc<RuntimeEnv>,
    config: SessionConfig,
    /// What the engine may use, in bytes: half of all. The rest is for what is being read, written and handed out, and seldom for the
    /// other of the two pools.
    pub(crate) limit: usize,
}

impl Session {
    pub(crate) fn start(options: &Options, temporary: &Path) -> std::result::Result<Self, EngineError> {
        let limit = options.memory_bytes / 2;
        let workers = options.threads.max(1);
        let threads = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name("engine")
            .enable_all()
            .build()
            .map_err(EngineError::Threads)?;
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(Pool::new(limit)))
            .with_temp_file_path(temporary)
            .with_max_temp_directory_size(u64::MAX)
            // Parts come while a store is open: what is in a folder is looked up each time.
            .with_object_list_cache_limit(0)
            .build_arc()
            .map_err(EngineError::query("starting the engine", limit))?;
        let config = SessionConfig::new()
            .with_target_partitions(workers)
            // A sort must be able to hold some batches of rows, of some 200 bytes each, for each thread.
            .with_batch_size((limit / 3200).clamp(128, 8192))
            .with_information_schema(true)
            .set_bool("datafusion.execution.parquet.pushdown_filters", false)
            // The spans are the small side, and are hashed once for all threads, so that flows needn't be sorted out.
            .set_usize("datafusion.optimizer.hash_join_single_partition_threshold", limit / 4)
            .set_usize("datafusion.optimizer.hash_join_single_partition_threshold_rows", limit / 128)
            .set_usize(
                "datafusion.execution.sort_spill_reservation_bytes",
                (limit / 16 / workers).min(10 << 20),
            );
        Ok(Self { threads, environment, config, limit })
    }

    /// A context that knows the tables of the store in `folder`, and those of its times in `aligned`.
    pub(crate) fn context(&self, folder: &Path, aligned: &Path) -> Result<SessionContext> {
        let context = SessionContext::new_with_config_rt(self.config.clone(), Arc::clone(&self.environment));
        context.register_udf(key::function());
        catalog::register(&context, &Places::local(folder, aligned))?;
        Ok(context)
    }

    /// The same with the views.
    pub(crate) fn context_with_views(&self, folder: &Path, aligned: &Path) -> Result<SessionContext> {
        let context = self.context(folder, aligned)?;
        self.wait(catalog::register_views(&context, &catalog::candidates(aligned)))?;
        Ok(context)
    }

    /// What a future gives.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.threads.block_on(future)
    }

    /// What a plan gives, batch by batch.
    pub(crate) fn run(
        &self,
        plan: DataFrame,
        what: &'static str,
    ) -> std::result::Result<Batches<'_>, EngineError> {
        let stream = self.threads.block_on(plan.execute_stream());
        let stream = stream.map_err(EngineError::query(what, self.limit))?;
        Ok(Batches { session: self, stream, what, asked: None })
    }

    /// The same on the cluster at `address`.
    #[cfg(feature = "cluster")]
    pub(crate) fn run_on(
        &self,
        address: &str,
        plan: DataFrame,
    ) -> std::result::Result<Batches<'_>, EngineError> {
        let stream = self.wait(plan.execute_stream()).map_err(EngineError::cluster(address))?;
        Ok(Batches { session: self, stream, what: "the query", asked: Some(address.to_owned()) })
    }
}

/// What a query gives, batch by batch, as it is found.
pub struct Batches<'s> {
    session: &'s Session,
    stream: SendableRecordBatchStream,
    what: &'static str,
    /// The cluster that was asked, by its address.
    asked: Option<String>,
}

impl Batches<'_> {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }
}

impl Iterator for Batches<'_> {
    type Item = std::result::Result<RecordBatch, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.session.wait(self.stream.next())?;
        Some(batch.map_err(|error| match &self.asked {
            None => EngineError::query(self.what, self.session.limit)(error),
            Some(address) => EngineError::cluster(address)(error),
        }))
    }
}
