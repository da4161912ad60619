//! Captures of others read by us, and captures of ours read by others. What a machine lacks for it is said, and skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod labelled;
mod wireshark;

use std::io::Write;

/// Reports that a test can't be done here. With `AURELIAN_SKIPPED` set, a line goes to the file that it names.
fn skip(name: &str, reason: &str) {
    let line = format!("skipped: {name}: {reason}\n");
    // Past the capture of test output: a skip is always seen.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("AURELIAN_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("AURELIAN_SKIPPED names a writable file");
    }
}
