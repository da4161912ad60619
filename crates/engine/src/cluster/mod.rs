//! Questions that a Ballista cluster answers in the place of this machine.
//!
//! The tables stay what they are, Parquet files: in the store's folder, if the machines of the cluster see it at the same path, or
//! copied to an object store. The SQL is the same, and so are the views. What a cluster would answer otherwise than we do,
//! without a word, is refused (`portable`). What needs no table isn't sent there.
//!
//! Aligning, and handing out what models work on, stay here.

mod copy;
#[cfg(feature = "cluster-test")]
mod local;
mod portable;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::{SessionConfigExt, SessionStateExt};
use ballista_core::serde::protobuf::GetJobStatusParams;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::align;
use crate::answer::Answer;
use crate::catalog::{self, Places};
use crate::error::EngineError;
use crate::query::reads_only;
use crate::session::Batches;
use crate::store::Store;

pub use copy::Objects;
#[cfg(feature = "cluster-test")]
pub use local::LocalCluster;

/// How long a scheduler may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Ballista cluster, by the address of its scheduler: `df://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    address: String,
}

impl FromStr for Cluster {
    type Err = EngineError;

    fn from_str(text: &str) -> std::result::Result<Self, EngineError> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
        let address = text.strip_prefix("df://").filter(|address| {
            let Some((host, port)) = address.rsplit_once(':') else { return false };
            !host.is_empty() && host.bytes().all(named) && port.parse().is_ok_and(|port: u16| port > 0)
        });
        let address = address.ok_or_else(|| EngineError::ClusterAddress(text.to_owned()))?;
        Ok(Self { address: address.to_owned() })
    }
}

/// As it was written.
impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "df://{}", self.address)
    }
}

impl Cluster {
    fn scheduler(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks the scheduler for what any knows, so that it is told at once, and plainly, if there is none.
    async fn reach(&self) -> std::result::Result<(), EngineError> {
        let unreached = |detail: String| EngineError::NoScheduler { address: self.to_string(), detail };
        let asked = async {
            let client = SchedulerGrpcClient::connect(self.scheduler()).await;
            let mut client = client.map_err(|error| unreached(with_causes(&error)))?;
            let status = client.get_job_status(GetJobStatusParams { job_id: "none".to_owned() }).await;
            status.map(drop).map_err(|error| unreached(error.message().to_owned()))
        };
        let late = |_| unreached(format!("Nothing came within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
    }
}

/// What an error says, and what those say that caused it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A store whose questions a cluster answers.
pub struct OnCluster<'s> {
    store: &'s Store,
    context: SessionContext,
    address: String,
}

impl Store {
    /// The same store, asked on a cluster. Its machines must see the folder at the same path; or else the tables, as they are now, are
    /// copied to an object store, and read there.
    ///
    /// # Errors
    /// If there is no such cluster, or the tables can't be copied.
    pub fn on(
        &self,
        cluster: &Cluster,
        objects: Option<&Objects>,
    ) -> std::result::Result<OnCluster<'_>, EngineError> {
        self.session.wait(cluster.reach())?;
        if let Some(objects) = objects {
            self.session.wait(objects.take(&self.folder))?;
        }
        let aligned = self.folder.join(align::FOLDER);
        let places = objects
            .map_or_else(|| Places::local(&self.folder, &aligned), |objects| Places::copied(objects.url()));
        let context = self.context_on(cluster, &places, &catalog::candidates(&aligned));
        let context = context.map_err(EngineError::cluster(&cluster.to_string()))?;
        Ok(OnCluster { store: self, context, address: cluster.to_string() })
    }

    fn context_on(&self, cluster: &Cluster, places: &Places, candidates: &str) -> Result<SessionContext> {
        // How much memory this machine may use says nothing of those, so that the settings are Ballista's.
        let state = SessionStateBuilder::new()
            .with_config(SessionConfig::new_with_ballista().with_information_schema(true))
            .with_runtime_env(Arc::clone(&self.session.environment))
            .with_default_features()
            .build();
        let context = SessionContext::new_with_state(state.upgrade_for_ballista(cluster.scheduler())?);
        catalog::register(&context, places)?;
        self.session.wait(catalog::register_views(&context, candidates))?;
        Ok(context)
    }
}

impl<'s> OnCluster<'s> {
    /// Answers a query, of `most` rows at most. See [`OnCluster::stream`].
    ///
    /// # Errors
    /// As [`OnCluster::stream`], or if the cluster fails.
    pub fn sql(&self, query: &str, most: usize) -> std::result::Result<Answer, EngineError> {
        Answer::of(self.stream(query)?, most)
    }

    /// Answers a query batch by batch, as [`Store::stream`] does.
    ///
    /// # Errors
    /// If it is wrong, would do more than read the tables, or is one that a cluster answers wrongly. Batches can fail too.
    pub fn stream(&self, query: &str) -> std::result::Result<Batches<'s>, EngineError> {
        let session = &self.store.session;
        let failed = || self.store.failed("the query");
        let state = self.context.state();
        let plan = session.wait(state.create_logical_plan(query)).map_err(failed())?;
        reads_only(&plan)?;
        // Optimised, since what turns out to be empty would come back without its columns.
        if !portable::reads_tables(&state.optimize(&plan).map_err(failed())?).map_err(failed())? {
            return self.store.stream(query);
        }
        portable::check(&plan)?;
        let plan = session.wait(self.context.execute_logical_plan(plan)).map_err(failed())?;
        session.run_on(&self.address, plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for text in ["df://localhost:50050", "df://[::1]:1", "df://scheduler.example.com:65535"] {
            assert_eq!(text.parse::<Cluster>().unwrap().to_string(), text);
        }
        for text in
            ["", "localhost:50050", "df://localhost", "df://:50050", "df://a:0", "df://a:65536", "df://a/b:1"]
        {
            assert!(matches!(text.parse::<Cluster>(), Err(EngineError::ClusterAddress(_))), "{text}");
        }
    }
}
