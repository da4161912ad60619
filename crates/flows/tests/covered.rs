//! No format is added without what the others have: a golden test, and a fuzz target.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::Path;

use flows::Format;

/// What the files of a folder say.
fn texts(folder: &str) -> Vec<String> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    files.filter_map(|file| fs::read_to_string(file.unwrap().path()).ok()).collect()
}

#[test]
fn each_format_has_a_golden_test() {
    let told = texts("tests/snapshots");
    for format in Format::ALL {
        let is_told = |text: &String| text.lines().any(|line| line == format.name());
        assert!(told.iter().any(is_told), "{format}");
    }
}

#[test]
fn each_format_has_a_fuzz_target() {
    let targets = texts("../../fuzz/fuzz_targets");
    for format in Format::ALL {
        let call = format!("read_flows::read(Format::{format:?}, bytes)");
        assert!(targets.iter().any(|target| target.contains(&call)), "{format}");
    }
}
