//! Arbitrary bytes as a layer of an OCI image: whatever they say, nothing outside the root changes,
//! nothing inside has a privilege, and all of it can be removed.
#![no_main]

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sandbox::image::oci::fuzz_layer;

fuzz_target!(|bytes: &[u8]| {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(outside.path().join("victim"), "untouched").unwrap();
    let _ = fuzz_layer(bytes, &root);
    assert_eq!(fs::read_to_string(outside.path().join("victim")).unwrap(), "untouched");
    assert_eq!(fs::metadata(outside.path().join("victim")).unwrap().nlink(), 1);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
    assert_harmless(&root);
    fs::remove_dir_all(root).unwrap();
});

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
