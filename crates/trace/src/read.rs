//! Reading one file.

use std::path::{Path, PathBuf};

use intake::{Clock, ColumnMap, Input, InputError, Problems};
use thiserror::Error;

use crate::formats;
use crate::{Format, Span};

/// What the operator told of the traces.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The format, if it isn't to be told by the content.
    pub format: Option<Format>,
    /// What is to be known to read their times.
    pub clock: Clock,
    /// Which of their columns is what, for [`Format::Csv`] and [`Format::Jsonl`].
    pub columns: ColumnMap,
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it was read as.
    pub format: Format,
    /// How many spans it gave.
    pub spans: u64,
    /// What in it could not be read.
    pub problems: Problems,
}

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// no format known
    #[error("{}: not a trace in any format that is known; name it with --trace-format, and with --trace-columns if it is csv or jsonl", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// cut off or broken in the middle
    #[error("{}: {source} (after {spans} spans)", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// How many spans had been read.
        spans: u64,
        /// What is wrong.
        source: std::io::Error,
    },
}

/// Reads `file`, and gives each span to `take`, in the order of the file.
///
/// # Errors
/// If the file can't be opened, is of no known format, or breaks off so that no more can be had of it. What was given to
/// `take` until then stands.
pub fn read(file: &Path, options: &Options, take: impl FnMut(Span)) -> Result<Outcome, ReadError> {
    read_input(Input::open(file)?, options, take)
}

/// What a file is read as: what was told, else what its content tells.
pub fn detect(input: &Input, options: &Options) -> Option<Format> {
    options.format.or_else(|| formats::detect(input, &options.columns))
}

/// The same for a file that was opened already.
///
/// # Errors
/// As [`read`].
pub fn read_input(input: Input, options: &Options, mut take: impl FnMut(Span)) -> Result<Outcome, ReadError> {
    let file = input.file().clone();
    let format = detect(&input, options).ok_or_else(|| ReadError::Unknown { path: file.to_path_buf() })?;
    let mut spans = 0;
    let mut reading = formats::Reading {
        file: file.clone(),
        clock: &options.clock,
        columns: &options.columns,
        problems: Problems::default(),
        take: &mut |span| {
            spans += 1;
            take(span);
        },
    };
    let done = formats::read(format, input, &mut reading);
    let problems = std::mem::take(&mut reading.problems);
    match done {
        Ok(()) => Ok(Outcome { format, spans, problems }),
        Err(source) => Err(ReadError::Broken { path: file.to_path_buf(), spans, source }),
    }
}
