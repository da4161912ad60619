//! Nothing is trusted, or left behind, that isn't what its digest says.

use std::fs;

use sandbox::image::oci::{Digest, Limits, OciError, Part};
use serde_json::json;

use crate::builder::*;

fn honest() -> (Layout, serde_json::Value, Vec<u8>) {
    let layout = Layout::new();
    let tar = Tar::default().file("f", "content").bytes();
    let layer = layout.blob(LAYER, &tar);
    let image = layout.image(&[(layer.clone(), Digest::of(&tar))]);
    layout.index(&[image]);
    (layout, layer, tar)
}

#[test]
fn an_altered_layer_is_refused_by_both_digests() {
    let (layout, layer, mut tar) = honest();
    tar[512] ^= 1;
    fs::write(layout.blob_path(&layer), &tar).unwrap();
    let error = layout.open().unwrap_err();
    assert!(matches!(error, OciError::WrongDigest { what: Part::Layer, .. }), "{error}");
    assert!(error.to_string().contains(layer["digest"].as_str().unwrap()), "{error}");
    assert!(error.to_string().contains(&Digest::of(&tar).to_string()), "{error}");
    assert_eq!(layout.cached(), [""; 0]);
}

#[test]
fn a_damaged_layer_is_called_wrong_by_digest_and_not_by_what_broke() {
    let layout = Layout::new();
    let tar = Tar::default().file("f", &"content".repeat(999)).bytes();
    let mut blob = gzip(&tar);
    let layer = layout.blob(LAYER, &blob);
    let image = layout.image(&[(layer.clone(), Digest::of(&tar))]);
    layout.index(&[image]);
    let middle = blob.len() / 2;
    blob[middle] ^= 0xff;
    fs::write(layout.blob_path(&layer), &blob).unwrap();
    assert!(matches!(layout.open(), Err(OciError::WrongDigest { what: Part::Layer, .. })));
}

#[test]
fn an_altered_manifest_or_configuration_is_refused() {
    for part in [Part::Manifest, Part::Config] {
        let (layout, _, _) = honest();
        let index: serde_json::Value =
            serde_json::from_slice(&fs::read(layout.path().join("index.json")).unwrap()).unwrap();
        let mut path = layout.blob_path(&index["manifests"][0]);
        if part == Part::Config {
            let manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            path = layout.blob_path(&manifest["config"]);
        }
        let altered = fs::read_to_string(&path).unwrap().replace("sha256:", "sha256;");
        fs::write(&path, altered).unwrap();
        match layout.open() {
            Err(OciError::WrongDigest { what, .. }) => assert_eq!(what, part),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_wrong_size_is_refused() {
    for difference in [-1_i64, 1] {
        let layout = Layout::new();
        let tar = Tar::default().file("f", "content").bytes();
        let mut layer = layout.blob(LAYER, &tar);
        layer["size"] = json!(tar.len() as i64 + difference);
        let image = layout.image(&[(layer, Digest::of(&tar))]);
        layout.index(&[image]);
        assert!(matches!(layout.open(), Err(OciError::Size { what: Part::Layer, .. })));
    }
}

#[test]
fn a_wrong_diff_id_is_refused() {
    let layout = Layout::new();
    let tar = Tar::default().file("f", "content").bytes();
    let image = layout.image(&[(layout.blob(LAYER, &gzip(&tar)), Digest::of(b"another"))]);
    layout.index(&[image]);
    let error = layout.open().unwrap_err();
    assert!(matches!(error, OciError::WrongDiffId { .. }), "{error}");
    assert!(error.to_string().contains(&Digest::of(&tar).to_string()), "{error}");
    assert_eq!(layout.cached(), [""; 0]);
}

#[test]
fn what_follows_the_end_of_the_tar_counts_for_the_diff_id() {
    let layout = Layout::new();
    let tar = Tar::default().file("f", "content").bytes();
    let longer = [&tar[..], &[0; 8192], b"trailer"].concat();
    let image = layout.image(&[(layout.blob(LAYER, &gzip(&longer)), Digest::of(&tar))]);
    layout.index(&[image]);
    assert!(matches!(layout.open(), Err(OciError::WrongDiffId { .. })));
    let image = layout.image(&[(layout.blob(LAYER, &gzip(&longer)), Digest::of(&longer))]);
    layout.index(&[image]);
    assert!(layout.open().is_ok());
}

#[test]
fn a_truncated_or_garbage_layer_is_refused() {
    let tar = Tar::default().file("f", &"content".repeat(9999)).bytes();
    let (packed, framed) = (gzip(&tar), zstd(&tar));
    for blob in [&packed[..packed.len() - 9], &framed[..framed.len() - 9], &[0xa5; 4096], &tar[..1024]] {
        let layout = Layout::new();
        let image = layout.image(&[(layout.blob(LAYER, blob), Digest::of(&tar))]);
        layout.index(&[image]);
        let error = layout.open().unwrap_err();
        assert!(matches!(error, OciError::Layer { .. }), "{error}");
        assert_eq!(layout.cached(), [""; 0]);
    }
}

#[test]
fn a_missing_blob_is_named() {
    let (layout, layer, _) = honest();
    fs::remove_file(layout.blob_path(&layer)).unwrap();
    let error = layout.open().unwrap_err();
    assert!(matches!(error, OciError::MissingBlob { what: Part::Layer, .. }), "{error}");
}

#[test]
fn a_fifo_in_place_of_a_blob_does_not_hang() {
    let (layout, layer, _) = honest();
    fs::remove_file(layout.blob_path(&layer)).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, layout.blob_path(&layer), fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert!(matches!(layout.open(), Err(OciError::Read { what: Part::Layer, .. })));
}

#[test]
fn layers_and_diff_ids_must_pair() {
    let layout = Layout::new();
    let tar = Tar::default().bytes();
    let (layer, diff_id) = (layout.blob(LAYER, &tar), Digest::of(&tar));
    let image = layout.image(&[(layer.clone(), diff_id)]);
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.blob_path(&image)).unwrap()).unwrap();
    manifest["layers"] = json!([layer, layer]);
    layout.index(&[layout.blob(MANIFEST, manifest.to_string().as_bytes())]);
    assert!(matches!(layout.open(), Err(OciError::Invalid { what: Part::Config, .. })));
}

#[test]
fn large_documents_are_not_read() {
    let (layout, _, _) = honest();
    let limits = Limits { document_bytes: 200, ..Limits::default() };
    assert!(matches!(layout.open_within(&limits), Err(OciError::TooLarge { .. })));
}

#[test]
fn other_versions_and_other_folders_are_no_layouts() {
    let (layout, _, _) = honest();
    layout.write("oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#);
    assert!(matches!(layout.open(), Err(OciError::LayoutVersion { .. })));
    fs::remove_file(layout.path().join("oci-layout")).unwrap();
    assert!(matches!(layout.open(), Err(OciError::NotALayout { file: "oci-layout", .. })));
}
