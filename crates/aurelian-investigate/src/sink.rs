//! Where what was converted goes: to standard output, or into a file that is written beside, and renamed when it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Takes bytes. A file that is not [finished](Sink::finish) never was.
pub(crate) enum Sink {
    Stdout(BufWriter<StdoutLock<'static>>),
    File(Beside),
}

/// A file that is not yet under its name.
pub(crate) struct Beside {
    writer: BufWriter<File>,
    beside: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl Sink {
    /// The file, or standard output if there is none.
    pub(crate) fn open(out: Option<&Path>) -> io::Result<Self> {
        match out {
            Some(path) => Beside::create(path).map(Self::File),
            None => Ok(Self::Stdout(BufWriter::new(io::stdout().lock()))),
        }
    }

    /// All is written: the file gets its name.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::File(file) => file.finish(),
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
            Self::File(file) => file.writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.writer.flush(),
        }
    }
}

impl Beside {
    fn create(path: &Path) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".partial");
        let beside = PathBuf::from(beside);
        let writer = BufWriter::with_capacity(1 << 20, File::create(&beside)?);
        Ok(Self { writer, beside, path: path.to_owned(), finished: false })
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.finished {
            // It is no result: whoever finds it must not take it for one. If it stays, its name says so.
            let _ = fs::remove_file(&self.beside);
        }
    }
}
