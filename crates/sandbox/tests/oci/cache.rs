//! An image is extracted once, whoever asks, and whatever happened before.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Barrier;

use sandbox::image::oci::{Cache, CacheError, OciError};

use crate::builder::*;

fn layout() -> Layout {
    Layout::of([(0..50).fold(Tar::default(), |tar, at| tar.file(&format!("d/f{at}"), "content"))])
}

#[test]
fn a_second_open_extracts_nothing() {
    let layout = layout();
    let first = layout.open().unwrap();
    let inode = fs::metadata(&first.root).unwrap().ino();
    fs::remove_dir_all(layout.path().join("blobs/sha256")).ok();
    assert!(layout.open().is_err(), "the manifest is read and verified each time");
    let layout = Layout { cache: layout.cache, ..self::layout() };
    let second = layout.open().unwrap();
    assert_eq!((&second, fs::metadata(&second.root).unwrap().ino()), (&first, inode));
}

#[test]
fn many_who_open_at_once_get_one_root() {
    let layout = layout();
    let start = Barrier::new(8);
    let images: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let image = layout.open().unwrap();
                    let inode = fs::metadata(&image.root).unwrap().ino();
                    assert_eq!(fs::read_dir(image.root.join("d")).unwrap().count(), 50);
                    (image, inode)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(images.iter().all(|image| *image == images[0]));
    assert_eq!(layout.cached().len(), 2);
}

#[test]
fn what_a_crash_leaves_is_not_taken_for_a_root() {
    let layout = layout();
    let key = layout.open().unwrap().root;
    let beside = |suffix: &str| {
        let mut path = key.clone().into_os_string();
        path.push(suffix);
        path
    };
    // Before the stamp was written: a folder of the right name, half full.
    fs::remove_file(beside(".complete")).unwrap();
    fs::remove_file(key.join("d/f1")).unwrap();
    fs::create_dir_all(std::path::Path::new(&beside(".partial")).join("d")).unwrap();
    fs::write(beside(".partial-stamp"), "x").unwrap();
    let other = layout.cache.path().join("rootfs/sha256-00.partial");
    fs::create_dir_all(other.join("x/y")).unwrap();
    assert!(layout.open().unwrap().root.join("d/f1").exists());
    assert_eq!(layout.cached().len(), 2);
}

#[test]
fn a_root_that_was_exchanged_or_changed_at_its_top_is_extracted_again() {
    let layout = layout();
    let root = layout.open().unwrap().root;
    fs::write(root.join("added"), "").unwrap();
    assert!(!layout.open().unwrap().root.join("added").exists());
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir(&root).unwrap();
    assert!(layout.open().unwrap().root.join("d/f1").exists());
}

#[test]
fn an_image_can_not_bring_its_own_stamp() {
    let layout = Layout::of([Tar::default().file(".complete", "{}")]);
    assert!(layout.open().unwrap().root.join(".complete").exists());
}

#[test]
fn the_cache_is_for_its_owner_only() {
    let layout = layout();
    let root = layout.open().unwrap().root;
    assert_eq!(fs::metadata(root.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(layout.cache.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(layout.open(), Err(OciError::Cache(CacheError::Foreign { .. }))));
}

#[test]
fn the_cache_can_be_removed_without_privileges() {
    let tar = Tar::default().entry(tar::EntryType::Directory, "d", "", 0o000, b"").file("d/f", "x");
    let layout = Layout::of([tar]);
    layout.open().unwrap();
    fs::remove_dir_all(layout.cache.path().join("rootfs")).unwrap();
}

#[test]
fn a_cache_is_made_where_there_is_none() {
    let layout = layout();
    let nested = layout.cache.path().join("not/yet/there");
    let reference = sandbox::image::oci::OciReference::layout(layout.path());
    let opened = sandbox::image::oci::open(&reference, &Cache::at(&nested)).unwrap();
    assert!(opened.root.starts_with(&nested));
    assert_eq!(fs::metadata(nested).unwrap().permissions().mode() & 0o777, 0o700);
}
