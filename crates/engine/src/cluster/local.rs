//! A whole cluster in this process, for tests and to try one: a scheduler and two executors, each at a port of its own of this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use ballista_core::error::Result;
use ballista_core::serde::BallistaCodec;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::utils::{default_config_producer, default_session_builder};
use ballista_executor::new_standalone_executor_from_builder;
use ballista_scheduler::standalone::new_standalone_scheduler_with_builder;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use object_store::ObjectStore;
use tokio::runtime::Runtime;

use super::{Cluster, with_causes};
use crate::error::EngineError;

/// So many, that the parts of a stage needn't wait for each other.
const TASKS: usize = 8;

/// A scheduler and two executors, which end with it.
pub struct LocalCluster {
    cluster: Cluster,
    _runtime: Runtime,
}

impl LocalCluster {
    /// Starts one. What its executors write goes into the folder for temporary files.
    ///
    /// # Errors
    /// If no threads or no ports are to be had.
    pub fn start() -> std::result::Result<Self, EngineError> {
        Self::knowing(None)
    }

    /// One whose machines can read an object store.
    ///
    /// # Errors
    /// As [`LocalCluster::start`].
    pub fn knowing(
        objects: Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)>,
    ) -> std::result::Result<Self, EngineError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(EngineError::Threads)?;
        let started = runtime.block_on(start(objects));
        let failed =
            |detail| EngineError::Cluster { address: "127.0.0.1".to_owned(), detail: with_causes(&detail) };
        let address = started.map_err(failed)?.to_string();
        Ok(Self { cluster: Cluster { address }, _runtime: runtime })
    }

    /// What it is asked by.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

async fn start(objects: Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)>) -> Result<SocketAddr> {
    let environment = RuntimeEnvBuilder::new().build_arc()?;
    if let Some((url, store)) = objects {
        environment.register_object_store(url.as_ref(), store);
    }
    let scheduler = scheduler(Arc::clone(&environment)).await?;
    executor(scheduler, Arc::clone(&environment)).await?;
    executor(scheduler, environment).await?;
    Ok(scheduler)
}

async fn scheduler(environment: Arc<RuntimeEnv>) -> Result<SocketAddr> {
    let session = move |config| {
        let state = default_session_builder(config)?;
        Ok(SessionStateBuilder::new_from_existing(state).with_runtime_env(Arc::clone(&environment)).build())
    };
    let (config, codec) = (Arc::new(default_config_producer), BallistaCodec::default());
    new_standalone_scheduler_with_builder(Arc::new(session), config, codec).await
}

async fn executor(scheduler: SocketAddr, environment: Arc<RuntimeEnv>) -> Result<()> {
    let scheduler = SchedulerGrpcClient::connect(format!("http://{scheduler}")).await?;
    new_standalone_executor_from_builder(
        scheduler,
        TASKS,
        Arc::new(default_config_producer),
        Arc::new(move |_| Ok(Arc::clone(&environment))),
        BallistaCodec::default(),
        // All functions that Ballista's own executor has.
        (&default_session_builder(default_config_producer())?).into(),
    )
    .await
}
