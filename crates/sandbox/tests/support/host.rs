//! The machine that the tests run on: who we are on it, what it lacks, and a process of our own to try things in.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Reports that a test, or a part of one, can't be done here. With `AURELIAN_SKIPPED` set, a line goes to the
/// file that it names, so that those who run the suite can count and print them.
pub(crate) fn skip(name: &str, reason: &str) {
    let line = format!("skipped: {name}: {reason}\n");
    // Past the capture of test output: a skip is always seen.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("AURELIAN_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("AURELIAN_SKIPPED names a writable file");
    }
}

/// A program that the suite can't do without.
pub(crate) fn require(candidates: &[&str], what: &str) -> PathBuf {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&search).collect();
    let places = candidates.iter().flat_map(|name| {
        let absolute = name.starts_with('/').then(|| PathBuf::from(name));
        absolute.into_iter().chain(folders.iter().map(move |folder| folder.join(name)))
    });
    let found = places.into_iter().find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("the tests of the boundary need {what}, which is not installed here"))
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A temporary folder, by its real path.
pub(crate) fn canonical_tempdir() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

/// Runs the test of this name again, in a process of its own with these variables. True in that process, where the
/// test goes on; false in the first, once the other has passed.
pub(crate) fn alone(test: &str, variables: &[(&str, &OsStr)]) -> bool {
    const MARK: &str = "AURELIAN_TEST_ALONE";
    if std::env::var_os(MARK).is_some_and(|name| name == test) {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(MARK, test);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{test} in a process of its own:\n{out}\n{err}"
    );
    false
}
