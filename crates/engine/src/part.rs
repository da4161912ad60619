//! One file of a table, written row by row and there as a whole or not at all.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;

use crate::error::EngineError;
use crate::store::Kept;
use crate::table::sealed::Columns;
use crate::table::{Row, sealed::Sealed};

/// How a file ends that is not finished: no query reads it.
pub(crate) const UNFINISHED: &str = "part";
/// How many rows, or bytes, are gathered before they are handed on to be encoded.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 8 << 20;
/// How many rows, or encoded bytes, a row group has at most.
const GROUP_ROWS: usize = 128 << 10;
const GROUP_BYTES: usize = 32 << 20;

/// A part of a table that is being written, or a [table of its own](Part::alone). It is there once it is [finished](Part::finish); if it
/// is dropped before, it never was.
pub struct Part<R: Row> {
    columns: <R as Sealed>::Columns,
    rows: usize,
    bytes: usize,
    total: u64,
    /// `None` once all is written.
    writer: Option<ArrowWriter<File>>,
    beside: PathBuf,
    file: PathBuf,
    finished: bool,
}

impl<R: Kept> Part<R> {
    /// A table of its own that will be at `file`, in no store.
    ///
    /// # Errors
    /// If the file can't be made.
    pub fn alone(file: impl Into<PathBuf>) -> Result<Self, EngineError> {
        Self::create(file.into())
    }
}

impl<R: Row> Part<R> {
    /// A part that will be at `file`.
    pub(crate) fn create(file: PathBuf) -> Result<Self, EngineError> {
        let beside = beside(&file);
        // A new one, in the place of one that broke off: a link that somebody laid there is not followed.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(EngineError::file("write", &beside)(error));
            }
            _ => {}
        }
        let made = File::create_new(&beside).map_err(EngineError::file("write", &beside))?;
        let writer = ArrowWriter::try_new(made, R::schema(), Some(properties(&R::schema())))
            .map_err(EngineError::table("write", &beside))?;
        let columns = <R as Sealed>::Columns::default();
        Ok(Self { columns, rows: 0, bytes: 0, total: 0, writer: Some(writer), beside, file, finished: false })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn push(&mut self, row: &R) -> Result<(), EngineError> {
        self.bytes += self.columns.push(row);
        self.rows += 1;
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the part, and puts it into its table. Returns how many rows it has.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn finish(mut self) -> Result<u64, EngineError> {
        self.flush()?;
        let Some(writer) = self.writer.take() else { return Ok(self.total) };
        let written = writer.into_inner().map_err(EngineError::table("write", &self.beside))?;
        written.sync_all().map_err(EngineError::file("write", &self.beside))?;
        fs::rename(&self.beside, &self.file).map_err(EngineError::file("write", &self.file))?;
        self.finished = true;
        Ok(self.total)
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        let batch = self.columns.take();
        self.total += std::mem::take(&mut self.rows) as u64;
        self.bytes = 0;
        self.write(&batch)
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), EngineError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write(batch).map_err(EngineError::table("write", &self.beside))
    }
}

impl<R: Row> Drop for Part<R> {
    fn drop(&mut self) {
        if !self.finished {
            // What is left behind is not read, and is written over the next time.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// What is written before it is complete: whatever the file's name ends with, it is another.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    name.into()
}

fn properties(schema: &Schema) -> WriterProperties {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .set_created_by("aurelian".to_owned());
    let ascending = schema.fields().iter().filter(|field| ascends(field));
    let properties = ascending.fold(properties, |properties, field| {
        let column = ColumnPath::from(field.name().as_str());
        properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED)
    });
    properties.build()
}

/// Whether a column has hardly a value twice, and most follow those before them: a dictionary of it would be built in vain.
fn ascends(field: &Field) -> bool {
    let name = field.name().as_str();
    name.ends_with("_ns") || matches!(name, "flow" | "span" | "bucket" | "byte_offset")
}

/// Writes a whole table of one part.
pub(crate) fn write_all<R: Row>(file: &Path, rows: &[R]) -> Result<(), EngineError> {
    let mut part = Part::create(file.to_owned())?;
    rows.iter().try_for_each(|row| part.push(row))?;
    part.finish().map(drop)
}
