//! A table with a header.

use std::io;

use intake::{Input, Row, Table};

use super::{COLUMNS, ENDS, Record};
use crate::formats::Reading;

pub(in crate::formats) fn is(head: &[u8]) -> bool {
    has(head, "time") && ENDS.into_iter().any(|end| has(head, end))
}

/// Whether the header has a column.
pub(super) fn has(head: &[u8], column: &str) -> bool {
    !head.trim_ascii_start().starts_with(b"{")
        && Table::new(head).is_ok_and(|table| table.column(column).is_some())
}

pub(in crate::formats) fn read(input: Input, reading: &mut Reading<'_>) -> io::Result<()> {
    let mut table = Table::new(input.into_reader())?;
    let columns = columns(&table, reading)?;
    while let Some(Row { offset, cells }) = table.next_row()? {
        let Some(cells) = cells else {
            reading.problem("a row that is too long", offset, b"");
            continue;
        };
        let values = columns.map(|column| Some(String::from_utf8_lossy(cells.cell(column?)?)));
        Record { values, offset, text: cells.text() }.give(reading);
    }
    Ok(())
}

/// Where the columns stand. One that was mapped and isn't there is a problem; without one of times nothing can be read.
fn columns<R: io::BufRead>(
    table: &Table<R>,
    reading: &mut Reading<'_>,
) -> io::Result<[Option<usize>; super::COUNT]> {
    let mut columns = [None; super::COUNT];
    for (column, ours) in columns.iter_mut().zip(COLUMNS) {
        let theirs = reading.columns.theirs(ours);
        *column = table.column(theirs);
        if column.is_none() && theirs != *ours {
            reading.problem("a column of the map that the table lacks", 0, theirs.as_bytes());
        }
    }
    if columns.first().is_none_or(Option::is_none) {
        let theirs = reading.columns.theirs("time");
        let there = table.columns().join(", ");
        let why =
            format!("no column {theirs:?} for the time, only {there}; map one with --flow-columns time=…");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(columns)
}
