//! Where what was converted goes: to standard output, or into a file.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

use crate::beside::Beside;
use crate::failure::Failure;

/// Takes bytes. A file that is not [finished](Sink::finish) never was.
pub(crate) enum Sink {
    Stdout(BufWriter<StdoutLock<'static>>),
    File(Beside),
}

impl Sink {
    /// The file, or standard output if there is none.
    pub(crate) fn open(out: Option<&Path>) -> Result<Self, Failure> {
        match out {
            Some(path) => Beside::begin(path.to_owned()).map(Self::File),
            None => Ok(Self::Stdout(BufWriter::new(io::stdout().lock()))),
        }
    }

    /// All is written: the file gets its name.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout(mut out) => out.flush().map_err(Failure::Stdout),
            Self::File(file) => file.complete(),
        }
    }
}

/// What it means that there can't be written: to the file, or to standard output if there is none.
pub(crate) fn failed(out: Option<&Path>) -> impl Fn(io::Error) -> Failure {
    move |source| match out {
        Some(path) => Failure::Output { path: path.to_owned(), source },
        None => Failure::Stdout(source),
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.to().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.to().flush(),
        }
    }
}
