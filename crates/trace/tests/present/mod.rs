//! Real trajectories, where they lie beside the repository. Every file there is read by the test of its format, so that a new one is
//! counted, or shows that nobody counts it.

#![allow(dead_code, reason = "a test need not use all of it")]

use std::path::{Path, PathBuf};

use intake::Input;
use trace::{Format, Options, Span};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/trajectories");

/// All that are of a format, at least one; `None` where there are no samples.
pub(crate) fn samples(wanted: Format) -> Option<Vec<PathBuf>> {
    let mut files = all()?;
    files.retain(|file| format(file) == Some(wanted));
    assert!(!files.is_empty(), "no sample of {wanted} in {SAMPLES}");
    Some(files)
}

/// All there are, but what tells people about them.
pub(crate) fn all() -> Option<Vec<PathBuf>> {
    let Ok(mut files) = intake::expand(Path::new(SAMPLES)) else {
        eprintln!("skipped: no samples at {SAMPLES}");
        return None;
    };
    files.retain(|file| file.extension().is_none_or(|ending| ending != "md"));
    Some(files)
}

pub(crate) fn format(file: &Path) -> Option<Format> {
    trace::detect(&Input::open(file).unwrap(), &Options::default())
}

/// Its spans; nothing in it may be amiss.
pub(crate) fn read(file: &Path) -> Vec<Span> {
    let mut spans = Vec::new();
    let outcome = trace::read(file, &Options::default(), |span| spans.push(span)).unwrap();
    let problems: Vec<_> = outcome.problems.each().map(|problem| format!("{problem:?}")).collect();
    assert_eq!(problems, [""; 0], "{}", file.display());
    spans
}
