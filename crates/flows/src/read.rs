//! Reading one file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use intake::{Clock, ColumnMap, Input, InputError, Problems};
use thiserror::Error;

use crate::formats;
use crate::words::Words;
use crate::{Flow, FlowKind, Format};

/// What the operator told of the records.
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
    /// How many flows it gave.
    pub flows: u64,
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
    #[error("{}: not a log in any format that is known; name it with --flow-format, and with --flow-columns if it is csv or jsonl", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// cut off or broken in the middle
    #[error("{}: {source} (after {flows} flows)", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// How many flows had been read.
        flows: u64,
        /// What is wrong.
        source: std::io::Error,
    },
}

/// Reads `file`, and gives each flow to `take`, in the order of the file.
///
/// # Errors
/// If the file can't be opened, is of no known format, or breaks off so that no more can be had of it. What was given to
/// `take` until then stands.
pub fn read(file: &Path, options: &Options, take: impl FnMut(Flow)) -> Result<Outcome, ReadError> {
    read_input(Input::open(file)?, options, take)
}

/// What a file is read as: what was told, else what its content tells.
pub fn detect(input: &Input, options: &Options) -> Option<Format> {
    options.format.or_else(|| formats::detect(input, &options.columns))
}

/// Whether lookups are all that a file begins with: it tells what addresses are called that other files have flows to.
///
/// # Errors
/// If it can't be opened.
pub fn begins_with_lookups(file: &Path, options: &Options) -> Result<bool, ReadError> {
    let head = Input::open(file)?.beginning();
    let (mut lookups, mut others) = (0_u64, 0_u64);
    // That the last line is cut is no matter here, nor is a format that nobody knows.
    let _ = read_input(head, options, |flow| match flow.kind {
        FlowKind::Lookup => lookups += 1,
        _ => others += 1,
    });
    Ok(lookups > 0 && others == 0)
}

/// Reads what is already open, as [`read`] does.
///
/// # Errors
/// As [`read`].
pub fn read_input(input: Input, options: &Options, mut take: impl FnMut(Flow)) -> Result<Outcome, ReadError> {
    let file = input.file().clone();
    let format = detect(&input, options).ok_or_else(|| ReadError::Unknown { path: file.to_path_buf() })?;
    let mut flows = 0;
    let mut reading = formats::Reading {
        file: Arc::clone(&file),
        clock: &options.clock,
        columns: &options.columns,
        problems: Problems::default(),
        words: Words::default(),
        take: &mut |flow| {
            flows += 1;
            take(flow);
        },
    };
    let done = formats::read(format, input, &mut reading);
    let problems = std::mem::take(&mut reading.problems);
    match done {
        Ok(()) => Ok(Outcome { format, flows, problems }),
        Err(source) => Err(ReadError::Broken { path: file.to_path_buf(), flows, source }),
    }
}
