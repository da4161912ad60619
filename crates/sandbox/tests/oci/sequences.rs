//! Random sequences of entries over few names, so that links, replacements and whiteouts meet.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use proptest::prelude::*;
use sandbox::image::oci::fuzz_layer;
use tar::EntryType;
use tempfile::TempDir;

use crate::builder::*;

const NAMES: [&str; 16] = [
    "a",
    "b",
    "c",
    "a/b",
    "b/a",
    "a/b/c",
    "c/a",
    "c/victim",
    "b/c/a",
    "a/victim",
    "./",
    "a/.wh.b",
    ".wh.a",
    "b/.wh..wh..opq",
    ".wh..wh..opq",
    "c/.wh.victim",
];
const TARGETS: [&str; 12] = [
    "a",
    "b",
    "c",
    "a/b",
    "..",
    "../..",
    "/",
    "../../a",
    "OUTSIDE",
    "/proc/self/cwd",
    "a/../../b",
    "OUTSIDE/victim",
];
const KINDS: [EntryType; 8] = [
    EntryType::Regular,
    EntryType::Directory,
    EntryType::Symlink,
    EntryType::Symlink,
    EntryType::Link,
    EntryType::Char,
    EntryType::Fifo,
    EntryType::GNUSparse,
];

fn outside(folder: &Path) -> BTreeMap<String, (u64, u64, i64, u32)> {
    let entries =
        fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "root");
    entries
        .map(|entry| {
            let found = entry.metadata().unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, (found.ino(), found.nlink(), found.ctime_nsec(), found.mode()))
        })
        .collect()
}

fn assert_harmless(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        let kind = found.file_type();
        assert!(!kind.is_block_device() && !kind.is_char_device() && !kind.is_fifo() && !kind.is_socket());
        assert!(kind.is_symlink() || found.mode() & 0o6000 == 0);
        if kind.is_dir() {
            assert_harmless(&entry.path());
        }
    }
}

fn entries() -> impl Strategy<Value = Vec<(usize, usize, usize, u32)>> {
    prop::collection::vec((0..KINDS.len(), 0..NAMES.len(), 0..TARGETS.len(), 0..0o10000_u32), 1..24)
}

proptest! {
    #[test]
    fn no_sequence_of_entries_reaches_outside(entries in entries(), cut in 0_usize..4096, flip in any::<u8>()) {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(folder.path().join("victim"), "untouched").unwrap();
        let before = outside(folder.path());
        let tar = entries.iter().fold(Tar::default(), |tar, &(kind, name, target, mode)| {
            let linked = matches!(KINDS[kind], EntryType::Symlink | EntryType::Link);
            let target = TARGETS[target].replace("OUTSIDE", folder.path().to_str().unwrap());
            let content: &[u8] = if KINDS[kind] == EntryType::Regular { b"hit" } else { b"" };
            tar.entry(KINDS[kind], NAMES[name], if linked { &target } else { "" }, mode, content)
        });
        let mut bytes = tar.bytes();
        // Whether a sequence is refused is not the question here.
        let _ = fuzz_layer(&bytes, &root);
        prop_assert_eq!(&outside(folder.path()), &before);
        assert_harmless(&root);
        let at = cut % bytes.len();
        bytes[at] ^= flip;
        let _ = fuzz_layer(&bytes, &root);
        prop_assert_eq!(&outside(folder.path()), &before);
        assert_harmless(&root);
        fs::remove_dir_all(root).unwrap();
    }
}
