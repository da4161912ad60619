//! A file, opened: decompressed if it is packed, with its beginning to tell its format by.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use decompress::Decompressed;
use thiserror::Error;

/// How much of a file is looked at to tell its format.
const HEAD: usize = 64 << 10;
const BUFFER: usize = 256 << 10;

/// A file to be read from its beginning.
pub struct Input {
    file: Arc<Path>,
    head: Vec<u8>,
    rest: Box<dyn Read + Send>,
}

/// {path}: {source}
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct InputError {
    /// What was to be read.
    pub path: PathBuf,
    /// Why it wasn't.
    pub source: io::Error,
}

impl Input {
    /// Opens a file. What is packed with gzip or Zstandard, by its first bytes whatever its name, is read unpacked.
    ///
    /// # Errors
    /// If it can't be opened, or what it is packed with is broken from the beginning on.
    pub fn open(file: impl Into<Arc<Path>>) -> Result<Self, InputError> {
        let file = file.into();
        let opened = File::open(&file).map(|opened| Box::new(opened) as Box<dyn Read + Send>);
        opened
            .and_then(|opened| Self::of(Arc::clone(&file), opened))
            .map_err(|source| InputError { path: file.to_path_buf(), source })
    }

    /// What `reader` gives, under the name `file`.
    ///
    /// # Errors
    /// The reader's.
    pub fn of(file: Arc<Path>, reader: impl Read + Send + 'static) -> io::Result<Self> {
        let mut rest = Decompressed::detect(BufReader::with_capacity(BUFFER, reader))?;
        let mut head = Vec::new();
        rest.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Self { file, head, rest: Box::new(rest) })
    }

    /// Its name.
    pub fn file(&self) -> &Arc<Path> {
        &self.file
    }

    /// Its beginning, up to 64 KiB, to tell its format by.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Its beginning alone, as if it ended there: what is compressed inside is not unpacked.
    #[must_use]
    pub fn beginning(self) -> Self {
        Self { rest: Box::new(io::empty()), ..self }
    }

    /// All of it.
    pub fn into_reader(self) -> impl BufRead + Send {
        BufReader::with_capacity(BUFFER, Cursor::new(self.head).chain(self.rest))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_from_its_beginning_after_its_head_was_looked_at() {
        let text = "line\n".repeat(100_000);
        let input = Input::of(Path::new("a.log").into(), Cursor::new(text.clone())).unwrap();
        assert_eq!(input.head().len(), HEAD);
        let mut read = String::new();
        input.into_reader().read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn a_beginning_is_no_more_than_the_head() {
        let text = "line\n".repeat(100_000);
        let input = Input::of(Path::new("a.log").into(), Cursor::new(text.clone())).unwrap();
        let mut read = String::new();
        input.beginning().into_reader().read_to_string(&mut read).unwrap();
        assert_eq!(read, text[..HEAD]);
    }

    #[test]
    fn what_is_not_there_is_an_error_that_names_it() {
        let error = Input::open(Path::new("/nonexistent.log")).err().map(|error| error.to_string()).unwrap();
        assert!(error.starts_with("/nonexistent.log: "), "{error}");
    }
}
