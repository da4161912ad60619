//! A Ballista cluster that answers questions in the place of this machine.

use engine::{Answer, Cluster, Objects, Store};

use crate::cli::InvestigateOptions;
use crate::failure::Failure;

/// Who is asked, and where it finds the tables.
pub(crate) struct Remote {
    cluster: Cluster,
    objects: Option<Objects>,
}

impl Remote {
    /// As the options name it, if they do.
    pub(crate) fn of(options: &InvestigateOptions) -> Result<Option<Self>, Failure> {
        let Some(address) = &options.cluster else { return Ok(None) };
        let objects = options.cluster_tables.as_deref().map(|url| Objects::at(url, environment()));
        Ok(Some(Self { cluster: address.parse()?, objects }))
    }

    /// Gives `show` the answers to questions about a store, of `most` rows at most each.
    pub(crate) fn answer(
        &self,
        store: &Store,
        questions: &[String],
        most: usize,
        mut show: impl FnMut(Answer) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let asked = store.on(&self.cluster, self.objects.as_ref())?;
        questions.iter().try_for_each(|question| show(asked.sql(question, most)?))
    }
}

/// What says how to get at an object store.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("AWS_"))
}
