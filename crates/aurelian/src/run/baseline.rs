//! What calls usually do, kept between runs in a file of the operator's.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use detect::Baselines;

use super::record::Writable;
use crate::failure::Failure;

/// Bytes of the largest file.
const LARGEST: u64 = 1 << 30;

/// The baselines of a file.
#[derive(Debug)]
pub(crate) struct Baseline {
    path: PathBuf,
    known: Arc<Mutex<Baselines>>,
}

impl Baseline {
    /// Reads the file; one that isn't there yet is empty.
    pub(crate) fn open(path: PathBuf, writable: &Writable) -> Result<Self, Failure> {
        writable.refuse(&path, "the baseline", "--baseline")?;
        let wrong = |why: String| Failure::Baseline { path: path.clone(), why };
        let text = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Ok(metadata) if metadata.len() > LARGEST => return Err(wrong("it is too large".to_owned())),
            _ => Some(fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?),
        };
        let known = text.map(|text| Baselines::from_json(&text)).transpose().map_err(wrong)?;
        Ok(Self { known: Arc::new(Mutex::new(known.unwrap_or_default())), path })
    }

    /// What is known, shared with who learns more.
    pub(crate) fn known(&self) -> Arc<Mutex<Baselines>> {
        Arc::clone(&self.known)
    }

    /// Writes the file anew, whole or not at all.
    pub(crate) fn save(&self) -> io::Result<()> {
        let text = self.known.lock().unwrap_or_else(PoisonError::into_inner).to_json();
        let beside = self.path.with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::File::create(&beside)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
        fs::rename(&beside, &self.path)
    }
}
