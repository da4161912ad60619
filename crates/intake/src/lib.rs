//! What other systems wrote, taken in: files found and decompressed, lines and rows with their offsets, times with what is known
//! of their zone and resolution, and what could not be read, counted.
//!
//! Logs and traces of systems that never heard of us have the same troubles: they are many, packed, cut off, and keep
//! their times in local time to the second. Whoever reads a format (`trace`, `flows`) starts from here and brings only
//! what is particular to it. Nothing in here knows a format.
//!
//! Two things hold for all of it: **nothing a file says can stop the work** (a bad line is counted and sampled in
//! [`Problems`], a line without an end is skipped in bounded memory), and **nothing is made up** (a time without a zone
//! says so, instead of being taken for UTC).

#![forbid(unsafe_code)]

mod columns;
mod formats;
mod input;
mod lines;
mod origin;
mod paths;
mod problems;
mod stamp;
mod table;

pub use columns::{ColumnError, ColumnMap};
pub use formats::UnknownFormat;
pub use input::{Input, InputError};
pub use lines::{Line, Lines};
pub use origin::Origin;
pub use paths::{PathsError, expand};
pub use problems::{Problem, Problems, Sample};
pub use stamp::{Clock, Stamp, StampError, Zone};
pub use table::{Cells, Row, Table};
