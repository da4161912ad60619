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
    let _ = fuzz_layer(&with_checksums(bytes), &root);
    assert_eq!(fs::read_to_string(outside.path().join("victim")).unwrap(), "untouched");
    assert_eq!(fs::metadata(outside.path().join("victim")).unwrap().nlink(), 1);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
    assert_harmless(&root);
    fs::remove_dir_all(root).unwrap();
});

/// The archive with the checksum of each header set right, which no fuzzer finds by chance.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    const SIZE: std::ops::Range<usize> = 124..135;
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let mut archive = bytes.to_vec();
    let mut place = 0;
    while let Some(header) = archive.get_mut(place..).and_then(|rest| rest.get_mut(..BLOCK)) {
        if header.iter().any(|byte| *byte != 0) {
            header[CHECKSUM].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let size = str::from_utf8(&header[SIZE]).ok().and_then(|size| usize::from_str_radix(size, 8).ok());
        place = place
            .saturating_add(BLOCK)
            .saturating_add(size.unwrap_or(0).div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    archive
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
