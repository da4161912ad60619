//! The folder of an investigation: what was read once, and needn't be read again.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::align;
use crate::catalog;
use crate::error::EngineError;
use crate::part::{Part, UNFINISHED};
use crate::rows::{AttributionRow, FlowRow, SpanRow};
use crate::session::{Options, Session};
use crate::table::Row;

const TEMPORARY: &str = "temporary";
const LOCK: &str = "lock";
const LONGEST_NAME: usize = 200;

/// The tables of one investigation, in a folder, and the engine that joins and queries them.
///
/// A table is written in parts, one for each thing that was read. A part that is there is not written again, so that work that
/// was interrupted goes on where it was.
pub struct Store {
    pub(crate) folder: PathBuf,
    pub(crate) session: Session,
    pub(crate) options: Options,
    /// Held as long as the store is open.
    _lock: File,
}

impl Store {
    /// Opens the store in `folder`, and makes it if there is none.
    ///
    /// # Errors
    /// If the folder can't be used, or another program uses it.
    pub fn open(folder: impl Into<PathBuf>, options: Options) -> Result<Self, EngineError> {
        let folder = folder.into();
        make(&folder)?;
        let folder = folder.canonicalize().map_err(EngineError::file("open", &folder))?;
        let lock = lock(&folder)?;
        for table in catalog::WRITTEN {
            let table = folder.join(table);
            make(&table)?;
            remove_unfinished(&table)?;
        }
        align::make_tables(&folder.join(align::FOLDER))?;
        let temporary = temporary(&folder, &options)?;
        let session = Session::start(&options, &temporary)?;
        Ok(Self { folder, session, options, _lock: lock })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A part of the table of `R`, to be written; `None` if it is there already. `name` says what it holds (a digest of what is read, for
    /// instance).
    ///
    /// # Errors
    /// If `name` can't be a file's name, or the file can't be made.
    pub fn part<R: Kept>(&self, name: &str) -> Result<Option<Part<R>>, EngineError> {
        let file = self.file::<R>(name)?;
        if file.exists() { Ok(None) } else { Part::create(file).map(Some) }
    }

    /// Takes a part out of its table, if it is there.
    ///
    /// # Errors
    /// If `name` can't be a file's name, or the file can't be removed.
    pub fn remove<R: Kept>(&self, name: &str) -> Result<(), EngineError> {
        let file = self.file::<R>(name)?;
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(EngineError::file("remove", &file)(error))
            }
            _ => Ok(()),
        }
    }

    /// The names of the parts that the table of `R` has, in their order.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn parts<R: Kept>(&self) -> Result<Vec<String>, EngineError> {
        let folder = self.folder.join(R::TABLE);
        let entries = fs::read_dir(&folder).map_err(EngineError::file("read", &folder))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(EngineError::file("read", &folder))?.file_name();
            names.extend(name.to_str().and_then(|name| name.strip_suffix(".parquet")).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    fn file<R: Kept>(&self, name: &str) -> Result<PathBuf, EngineError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins || name.len() > LONGEST_NAME || !name.bytes().all(fits) {
            return Err(EngineError::PartName(name.to_owned()));
        }
        Ok(self.folder.join(R::TABLE).join(format!("{name}.parquet")))
    }
}

/// A table that is written from outside.
pub trait Kept: Row {}

impl Kept for SpanRow {}
impl Kept for FlowRow {}
impl Kept for AttributionRow {}

pub(crate) fn make(folder: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(folder).map_err(EngineError::file("make", folder))
}

/// Removes a folder and all that is in it, if it is there.
pub(crate) fn clear(folder: &Path) -> Result<(), EngineError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(EngineError::file("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Removes what a killed program was writing.
fn remove_unfinished(table: &Path) -> Result<(), EngineError> {
    for entry in fs::read_dir(table).map_err(EngineError::file("read", table))? {
        let file = entry.map_err(EngineError::file("read", table))?.path();
        if file.extension().is_some_and(|extension| extension == UNFINISHED) {
            fs::remove_file(&file).map_err(EngineError::file("remove", &file))?;
        }
    }
    Ok(())
}

/// The folder for files that are needed for a while. Our own is emptied: a killed program may have left gigabytes there.
fn temporary(folder: &Path, options: &Options) -> Result<PathBuf, EngineError> {
    let own = folder.join(TEMPORARY);
    clear(&own)?;
    let temporary = options.temporary.clone().unwrap_or(own);
    make(&temporary)?;
    Ok(temporary)
}

fn lock(folder: &Path) -> Result<File, EngineError> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(EngineError::file("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(EngineError::file("lock", &path)(error)),
    }
}
