//! The join in SQL, over the whole store, in bounded memory.
//!
//! A hash join holds all of one side, and can't put it into files. That side are the spans; where they are too many, places are
//! taken some at a time.

use datafusion::arrow::array::RecordBatch;

use crate::align;
use crate::catalog::candidates;
use crate::error::EngineError;
use crate::store::Store;
use crate::stretch::{CountRow, stretches};

/// What a row of the hashed side takes, in bytes: its columns, its hash and its place in the chain, twice, since a table grows by doubling.
const HASHED: usize = 160;

/// How many spans each place has, in buckets or wide.
const PLACES: &str = "
    SELECT arrow_cast(place, 'UInt64') AS key, count(*) AS rows
    FROM (SELECT place FROM span_buckets UNION ALL SELECT place FROM span_wide)
    GROUP BY place ORDER BY place";

impl Store {
    /// All pairs of a flow and a span that can have caused it, as columns `flow` and `span`, each once and in no order. It is the view
    /// `candidates`, but never of more memory than there is, as long as no place alone has too many spans.
    ///
    /// # Errors
    /// If times were not aligned, or the engine fails. Batches can fail too.
    pub fn pairs(&self) -> Result<impl Iterator<Item = Result<RecordBatch, EngineError>> + '_, EngineError> {
        self.pairs_by((self.session.limit / HASHED) as i64)
    }

    /// The text of the join, for another engine over the same files: it names `flow_times`, `span_buckets` and, where there are
    /// any, `span_wide`, which are folders of Parquet files in `aligned`.
    pub fn candidates_sql(&self) -> String {
        candidates(&self.folder.join(align::FOLDER))
    }

    /// [`Store::pairs`] with `most` rows hashed at a time.
    fn pairs_by(
        &self,
        most: i64,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, EngineError>> + '_, EngineError> {
        let what = "the join";
        if !self.is_aligned() {
            return Err(EngineError::NotAligned);
        }
        let folder = self.folder.join(align::FOLDER);
        let context = self.session.context(&self.folder, &folder).map_err(self.failed(what))?;
        let mut places = Vec::new();
        self.each_row(&context, PLACES, what, |place: CountRow| {
            places.push(place);
            Ok(())
        })?;
        let (text, stretches) = (self.candidates_sql(), stretches(&places, most));
        let all = stretches.len() == 1;
        let queries = stretches
            .into_iter()
            .map(move |(first, last)| if all { text.clone() } else { restricted(&text, first, last) });
        Ok(self.run_all(context, queries, what))
    }
}

/// The query, for some places.
fn restricted(query: &str, first: u64, last: u64) -> String {
    let range =
        format!("WHERE f.place BETWEEN {first} AND {last} AND s.place BETWEEN {first} AND {last} AND ");
    query.replace("WHERE ", &range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_restricts_each_part_of_the_query() {
        let query = restricted("SELECT 1 WHERE a UNION ALL SELECT 2 WHERE b", 3, 4);
        assert_eq!(query.matches("f.place BETWEEN 3 AND 4 AND s.place BETWEEN 3 AND 4 AND").count(), 2);
    }
}
