//! Questions in SQL: those of an analyst, which may read the tables and nothing else, and our own.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SQLOptions, SessionContext};

use crate::align;
use crate::answer::Answer;
use crate::error::EngineError;
use crate::session::Batches;
use crate::store::Store;
use crate::table::Row;

impl Store {
    /// Answers a query, of `most` rows at most. See [`Store::stream`] for what it can read.
    ///
    /// # Errors
    /// If it is wrong, would do more than read the tables, or needs more memory than the engine may use.
    pub fn sql(&self, query: &str, most: usize) -> Result<Answer, EngineError> {
        Answer::of(self.stream(query)?, most)
    }

    /// Answers a query batch by batch. It can read the tables `spans`, `flows`, `attribution`, `clocks`, `slack`, the views
    /// `spans_at` and `flows_at`, and, once times are aligned, `candidates`; it can't write, set or read anything else.
    ///
    /// # Errors
    /// If it is wrong, or would do more than read the tables. Batches can fail too.
    pub fn stream(&self, query: &str) -> Result<Batches<'_>, EngineError> {
        let what = "the query";
        let failed = || self.failed(what);
        let context = self.context_with_views(what)?;
        let plan = self.session.wait(context.state().create_logical_plan(query)).map_err(failed())?;
        reads_only(&plan)?;
        let plan = self.session.wait(context.execute_logical_plan(plan)).map_err(failed())?;
        self.session.run(plan, what)
    }

    pub(crate) fn context_with_views(&self, what: &'static str) -> Result<SessionContext, EngineError> {
        let aligned = self.folder.join(align::FOLDER);
        self.session.context_with_views(&self.folder, &aligned).map_err(self.failed(what))
    }

    /// Runs a query of our own.
    pub(crate) fn run(
        &self,
        context: &SessionContext,
        query: &str,
        what: &'static str,
    ) -> Result<Batches<'_>, EngineError> {
        let plan = self.session.wait(context.sql(query)).map_err(self.failed(what))?;
        self.session.run(plan, what)
    }

    /// Runs queries of our own, one after the other.
    pub(crate) fn run_all<'s>(
        &'s self,
        context: SessionContext,
        queries: impl Iterator<Item = String> + 's,
        what: &'static str,
    ) -> impl Iterator<Item = Result<RecordBatch, EngineError>> + 's {
        queries.flat_map(move |query| -> Box<dyn Iterator<Item = _> + 's> {
            match self.run(&context, &query, what) {
                Ok(batches) => Box::new(batches),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        })
    }

    /// Gives `take` the rows of a query of our own, which has just the columns of `R`.
    pub(crate) fn each_row<R: Row>(
        &self,
        context: &SessionContext,
        query: &str,
        what: &'static str,
        mut take: impl FnMut(R) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        for batch in self.run(context, query, what)? {
            let (batch, mut rows) = (batch?, 0);
            R::rows(&batch).inspect(|_| rows += 1).try_for_each(&mut take)?;
            if rows != batch.num_rows() {
                let detail = format!("a row is missing what it can't be without: {}", batch.schema());
                return Err(EngineError::Query { what, detail });
            }
        }
        Ok(())
    }

    pub(crate) fn failed(&self, what: &'static str) -> impl FnOnce(DataFusionError) -> EngineError {
        EngineError::query(what, self.session.limit)
    }
}

/// Refuses a plan that would do more than read.
pub(crate) fn reads_only(plan: &LogicalPlan) -> Result<(), EngineError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|error| EngineError::NotReading(error.strip_backtrace()))
}
