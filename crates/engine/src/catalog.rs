//! Which tables and views a query can read, wherever their files lie.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::{DataFusionError, Result};
use datafusion::parquet::file::reader::{FileReader, SerializedFileReader};
use datafusion::prelude::SessionContext;

use crate::align;
use crate::rows::{
    AttributionRow, BucketRow, ClockRow, FlowRow, FlowTimeRow, SlackRow, SpanRow, SpanTimeRow, WideRow,
};
use crate::table::Row;

/// The first and the last moment that is taken for a time, in nanoseconds: 1823 and 2116. Between them and what an `i64`
/// holds there is room for every correction.
pub(crate) const FIRST: i64 = i64::MIN / 2;
pub(crate) const LAST: i64 = i64::MAX / 2;

/// The join, where no span is wide. The same text runs on other engines, over the same tables.
const CANDIDATES: &str = include_str!("sql/candidates.sql");
/// The join with wide spans.
const CANDIDATES_WIDE: &str = include_str!("sql/candidates_wide.sql");

/// The tables that are written from outside.
pub(crate) const WRITTEN: [&str; 3] = [SpanRow::TABLE, FlowRow::TABLE, AttributionRow::TABLE];
/// The tables that come of aligning.
pub(crate) const ALIGNED: [&str; 6] = [
    ClockRow::TABLE,
    SlackRow::TABLE,
    FlowTimeRow::TABLE,
    SpanTimeRow::TABLE,
    BucketRow::TABLE,
    WideRow::TABLE,
];

/// Where the folders of tables are: paths, or URLs of an object store.
pub(crate) struct Places {
    /// Of what is written from outside.
    written: String,
    /// Of what comes of aligning.
    aligned: String,
}

impl Places {
    pub(crate) fn local(folder: &Path, aligned: &Path) -> Self {
        Self { written: folder.display().to_string(), aligned: aligned.display().to_string() }
    }

    /// A copy of a store.
    #[cfg(feature = "cluster")]
    pub(crate) fn copied(url: &str) -> Self {
        Self { written: url.to_owned(), aligned: format!("{url}/{}", align::FOLDER) }
    }
}

/// Makes all tables known.
pub(crate) fn register(context: &SessionContext, places: &Places) -> Result<()> {
    let Places { written, aligned } = places;
    table::<SpanRow>(context, written)?;
    table::<FlowRow>(context, written)?;
    table::<AttributionRow>(context, written)?;
    table::<ClockRow>(context, aligned)?;
    table::<SlackRow>(context, aligned)?;
    table::<FlowTimeRow>(context, aligned)?;
    table::<SpanTimeRow>(context, aligned)?;
    table::<BucketRow>(context, aligned)?;
    table::<WideRow>(context, aligned)
}

/// Makes the views known, once the tables are. `candidates` is the text of the join.
pub(crate) async fn register_views(context: &SessionContext, candidates: &str) -> Result<()> {
    view(context, "flow_intervals", include_str!("sql/flow_intervals.sql")).await?;
    view(context, "span_intervals", include_str!("sql/span_intervals.sql")).await?;
    view(context, "flows_at", include_str!("sql/flows_at.sql")).await?;
    view(context, "spans_at", include_str!("sql/spans_at.sql")).await?;
    view(context, "candidates", candidates).await
}

/// The join, for what there is in `aligned`.
pub(crate) fn candidates(aligned: &Path) -> String {
    // Without wide spans, the flows needn't be read twice.
    let wide = rows_in(&align::file::<WideRow>(aligned)) > 0;
    if wide { format!("{CANDIDATES} UNION ALL {CANDIDATES_WIDE}") } else { CANDIDATES.to_owned() }
}

/// How many rows a file has; none if it isn't there.
fn rows_in(file: &Path) -> i64 {
    let reader = File::open(file).ok().and_then(|file| SerializedFileReader::new(file).ok());
    reader.map_or(0, |reader| reader.metadata().file_metadata().num_rows())
}

async fn view(context: &SessionContext, name: &str, text: &str) -> Result<()> {
    let text = text.replace("{first}", &FIRST.to_string()).replace("{last}", &LAST.to_string());
    context.register_table(name, context.sql(&text).await?.into_view())?;
    Ok(())
}

fn table<R: Row>(context: &SessionContext, folder: &str) -> Result<()> {
    // With a slash at its end, so that it is a folder also while it is empty.
    let folder = format!("{folder}/{}/", R::TABLE);
    let Ok(url) = ListingTableUrl::parse(&folder) else {
        return Err(DataFusionError::Configuration(format!("{folder} can't be read as a table")));
    };
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(R::schema());
    context.register_table(R::TABLE, Arc::new(ListingTable::try_new(config)?))?;
    Ok(())
}
