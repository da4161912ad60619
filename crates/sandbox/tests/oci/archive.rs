//! The same images from a tar of their layout.

use std::fs;
use std::path::Path;

use sandbox::image::oci::{OciError, OciReference};

use crate::builder::*;

/// The layout as a tar, with or without `./` before the names.
fn pack(layout: &Layout, prefix: &str) -> Vec<u8> {
    let mut files = vec!["oci-layout".to_owned(), "index.json".to_owned()];
    let blobs = fs::read_dir(layout.path().join("blobs/sha256")).unwrap();
    files.extend(blobs.map(|blob| format!("blobs/sha256/{}", blob.unwrap().file_name().to_str().unwrap())));
    let start = Tar::default().folder(&format!("{prefix}blobs/"));
    let tar = files.iter().rev().fold(start, |tar, name| {
        let content = fs::read(layout.path().join(name)).unwrap();
        tar.entry(tar::EntryType::Regular, &format!("{prefix}{name}"), "", 0o644, &content)
    });
    tar.bytes()
}

fn open(layout: &Layout, file: &Path) -> Result<String, OciError> {
    let opened = layout.open_as(&OciReference::archive(file))?;
    Ok(fs::read_to_string(opened.root.join("f")).unwrap())
}

#[test]
fn archives_plain_and_compressed_hold_the_same_image() {
    type Pack = fn(&[u8]) -> Vec<u8>;
    let packs: [(&str, Pack); 3] = [("", <[u8]>::to_vec), ("./", gzip), ("", zstd)];
    for (prefix, pack_as) in packs {
        let layout = Layout::of([Tar::default().file("f", "1"), Tar::default().file("f", "2")]);
        let file = layout.path().join("image.tar");
        fs::write(&file, pack_as(&pack(&layout, prefix))).unwrap();
        assert_eq!(open(&layout, &file).unwrap(), "2");
        assert_eq!(layout.cached().len(), 2);
        assert_eq!(open(&layout, &file).unwrap(), "2");
    }
}

#[test]
fn a_damaged_archive_is_refused() {
    let layout = Layout::of([Tar::default().file("f", &"content".repeat(999))]);
    let file = layout.path().join("image.tar");
    let whole = pack(&layout, "");
    let at = whole.windows(14).position(|window| window == b"contentcontent").unwrap();
    let mut altered = whole.clone();
    altered[at] ^= 1;
    fs::write(&file, altered).unwrap();
    assert!(matches!(open(&layout, &file), Err(OciError::WrongDigest { .. })));
    for cut in [600, whole.len() / 2] {
        fs::write(&file, &whole[..cut]).unwrap();
        assert!(open(&layout, &file).is_err());
    }
    let packed = gzip(&whole);
    fs::write(&file, &packed[..packed.len() - 20]).unwrap();
    assert!(matches!(open(&layout, &file), Err(OciError::Archive { .. })));
    fs::write(&file, [0x5a; 2048]).unwrap();
    assert!(matches!(open(&layout, &file), Err(OciError::Archive { .. })));
    fs::write(&file, Tar::default().bytes()).unwrap();
    assert!(matches!(open(&layout, &file), Err(OciError::NotALayout { .. })));
    assert!(matches!(open(&layout, &layout.path().join("none")), Err(OciError::Open { .. })));
}

#[test]
fn an_archive_of_links_reads_nothing_of_the_host() {
    let layout = Layout::of([Tar::default().file("f", "1")]);
    let file = layout.path().join("image.tar");
    let tar = Tar::default()
        .symlink("index.json", "/etc/hostname")
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    fs::write(&file, tar.bytes()).unwrap();
    assert!(matches!(open(&layout, &file), Err(OciError::NotALayout { file: "index.json", .. })));
}
