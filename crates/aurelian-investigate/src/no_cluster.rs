//! In the place of `cluster`, in a program without Ballista: there is none.

use crate::cli::InvestigateOptions;
use crate::failure::Failure;

/// Nobody can be asked.
pub(crate) enum Remote {}

impl Remote {
    pub(crate) fn of(options: &InvestigateOptions) -> Result<Option<Self>, Failure> {
        let named = options.cluster.is_some() || options.cluster_tables.is_some();
        if named { Err(Failure::NoCluster) } else { Ok(None) }
    }

    #[cfg(feature = "sql")]
    pub(crate) fn answer(
        &self,
        _: &engine::Store,
        _: &[String],
        _: usize,
        _: impl FnMut(engine::Answer) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match *self {}
    }
}
