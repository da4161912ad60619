//! A Ballista cluster within the test: a scheduler and executors, each at a port of its own of this machine.

#![allow(unreachable_pub, reason = "a module of a test")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use ballista_core::serde::BallistaCodec;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::utils::{default_config_producer, default_session_builder};
use ballista_executor::new_standalone_executor_from_builder;
use ballista_scheduler::standalone::new_standalone_scheduler_with_builder;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use engine::Cluster;
use object_store::ObjectStore;
use tokio::runtime::Runtime;

/// An object store that the machines of a cluster can read.
pub type Known = (ObjectStoreUrl, Arc<dyn ObjectStore>);

/// What executors write goes below the folder that is for tests: it is theirs, and they don't clean up.
static SCRATCH: LazyLock<()> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ballista");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    tempfile::env::override_temp_dir(&folder).unwrap();
});

/// A scheduler and two executors, which end with it.
pub struct Ballista {
    scheduler: SocketAddr,
    _runtime: Runtime,
}

impl Ballista {
    pub fn start() -> Self {
        Self::knowing(None)
    }

    /// One whose machines know an object store.
    pub fn knowing(known: Option<Known>) -> Self {
        LazyLock::force(&SCRATCH);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let environment = environment(known);
        let scheduler = runtime.block_on(scheduler(Arc::clone(&environment)));
        runtime.block_on(async {
            executor(scheduler, Arc::clone(&environment)).await;
            executor(scheduler, environment).await;
        });
        Self { scheduler, _runtime: runtime }
    }

    pub fn cluster(&self) -> Cluster {
        format!("df://{}", self.scheduler).parse().unwrap()
    }
}

fn environment(known: Option<Known>) -> Arc<RuntimeEnv> {
    let environment = RuntimeEnvBuilder::new().build_arc().unwrap();
    if let Some((url, store)) = known {
        environment.register_object_store(url.as_ref(), store);
    }
    environment
}

async fn scheduler(environment: Arc<RuntimeEnv>) -> SocketAddr {
    let session = move |config| {
        let state = default_session_builder(config)?;
        Ok(SessionStateBuilder::new_from_existing(state).with_runtime_env(Arc::clone(&environment)).build())
    };
    let (config, codec) = (Arc::new(default_config_producer), BallistaCodec::default());
    new_standalone_scheduler_with_builder(Arc::new(session), config, codec).await.unwrap()
}

async fn executor(scheduler: SocketAddr, environment: Arc<RuntimeEnv>) {
    let scheduler = SchedulerGrpcClient::connect(format!("http://{scheduler}")).await.unwrap();
    new_standalone_executor_from_builder(
        scheduler,
        // So many, that the parts of a stage needn't wait for each other.
        8,
        Arc::new(default_config_producer),
        Arc::new(move |_| Ok(Arc::clone(&environment))),
        BallistaCodec::default(),
        // All functions that Ballista's own executor has.
        (&default_session_builder(default_config_producer()).unwrap()).into(),
    )
    .await
    .unwrap();
}
