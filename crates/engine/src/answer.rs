//! What a query gives, and how it is shown to a person.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::pretty::pretty_format_batches;

use crate::error::EngineError;
use crate::session::Batches;

/// The rows that a query gives.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The columns. There may be no batch to ask.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Whether there are more rows than were asked for.
    pub cut: bool,
}

impl Answer {
    /// The first `most` rows.
    pub(crate) fn of(batches: Batches<'_>, most: usize) -> Result<Self, EngineError> {
        let mut answer = Self { schema: batches.schema(), batches: Vec::new(), cut: false };
        let mut left = most;
        for batch in batches {
            let batch = batch?;
            let taken = batch.num_rows().min(left);
            answer.cut = batch.num_rows() > left;
            answer.batches.push(batch.slice(0, taken));
            left -= taken;
            if answer.cut {
                break;
            }
        }
        Ok(answer)
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// As a table for a terminal. Characters that a terminal obeys are shown by their numbers, since a text may be an agent's.
    ///
    /// # Errors
    /// If a value can't be shown.
    pub fn table(&self) -> Result<String, EngineError> {
        let failed =
            |error: ArrowError| EngineError::Query { what: "showing the answer", detail: error.to_string() };
        let mut batches = vec![RecordBatch::new_empty(Arc::clone(&self.schema))];
        batches.extend(self.batches.iter().cloned());
        let batches: Vec<_> = batches.iter().map(texts_visible).collect::<Result<_, _>>().map_err(failed)?;
        let table = pretty_format_batches(&batches).map_err(failed)?.to_string();
        // Once more for what is no plain text: names of columns, lists.
        Ok(table.lines().map(visible).collect::<Vec<_>>().join("\n"))
    }
}

/// The same with its texts visible, each on one line.
fn texts_visible(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(text_visible).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Ok(batch.clone());
    }
    let schema = batch.schema();
    let named = schema.fields().iter().zip(&columns);
    let fields = named.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)
}

fn text_visible(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if !matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return Ok(Arc::clone(column));
    }
    let column = cast(column, &DataType::Utf8)?;
    let texts: StringArray = column.as_string::<i32>().iter().map(|text| text.map(visible)).collect();
    Ok(Arc::new(texts))
}

/// A text without characters that a terminal obeys.
fn visible(text: &str) -> String {
    let obeyed = |character: char| {
        character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            _ if obeyed(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}
