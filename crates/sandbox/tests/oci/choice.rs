//! Which of several images is opened.

use std::fs;

use sandbox::image::oci::{Digest, OciError, OciReference};
use serde_json::{Value, json};

use crate::builder::*;

fn image(layout: &Layout, content: &str) -> Value {
    let tar = Tar::default().file("f", content).bytes();
    layout.image(&[(layout.blob(LAYER, &tar), Digest::of(&tar))])
}

fn tagged(mut image: Value, tag: &str) -> Value {
    image["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    image
}

fn on(mut image: Value, os: &str, architecture: &str, variant: Option<&str>) -> Value {
    image["platform"] = json!({"os": os, "architecture": architecture});
    if let Some(variant) = variant {
        image["platform"]["variant"] = json!(variant);
    }
    image
}

fn content(opened: Result<sandbox::image::oci::OciImage, OciError>) -> String {
    fs::read_to_string(opened.unwrap().root.join("f")).unwrap()
}

#[test]
fn a_tag_or_a_digest_chooses_among_several() {
    let layout = Layout::new();
    let (one, two) = (tagged(image(&layout, "1"), "v1"), tagged(image(&layout, "2"), "host/app:v2"));
    layout.index(&[one.clone(), two]);
    let at = OciReference::layout(layout.path());
    assert_eq!(content(layout.open_as(&at.clone().with_tag("host/app:v2"))), "2");
    let digest = one["digest"].as_str().unwrap().parse().unwrap();
    assert_eq!(content(layout.open_as(&at.clone().with_digest(digest))), "1");
    let text = format!("oci:{}:v1", layout.path().display());
    assert_eq!(content(layout.open_as(&text.parse().unwrap())), "1");
    match layout.open_as(&at.clone().with_tag("v3")) {
        Err(OciError::NotFound { available, .. }) => assert_eq!(available, ["v1", "host/app:v2"]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(layout.open_as(&at), Err(OciError::Ambiguous { .. })));
}

#[test]
fn the_image_for_this_machine_is_found_in_nested_indexes() {
    let layout = Layout::new();
    let right = on(image(&layout, "right"), "linux", architecture(), None);
    let nested = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        on(image(&layout, "wrong os"), "windows", architecture(), None),
        on(image(&layout, "wrong machine"), "linux", "s390x", None),
        on(image(&layout, "special variant"), "linux", architecture(), Some("v3")),
        right,
        on(image(&layout, "attestation"), "unknown", "unknown", None),
    ]});
    let nested = layout.blob(INDEX, nested.to_string().as_bytes());
    let outer = json!({"schemaVersion": 2, "manifests": [nested]});
    let outer = tagged(layout.blob(INDEX, outer.to_string().as_bytes()), "latest");
    layout.index(std::slice::from_ref(&outer));
    let at = OciReference::layout(layout.path());
    assert_eq!(content(layout.open()), "right");
    assert_eq!(content(layout.open_as(&at.clone().with_tag("latest"))), "right");
    for chosen in [&nested, &right, &outer] {
        let digest = chosen["digest"].as_str().unwrap().parse().unwrap();
        assert_eq!(content(layout.open_as(&at.clone().with_digest(digest))), "right");
    }
}

#[test]
fn an_image_for_other_machines_is_refused_by_index_and_by_configuration() {
    let layout = Layout::new();
    layout.index(&[on(image(&layout, "x"), "linux", "s390x", None)]);
    match layout.open() {
        Err(OciError::NoPlatform { available, .. }) => assert_eq!(available, ["linux/s390x"]),
        other => panic!("{other:?}"),
    }
    layout.index(&[layout.image_for("s390x", json!({}), &[])]);
    assert!(matches!(layout.open(), Err(OciError::NoPlatform { .. })));
}

#[test]
fn indexes_that_multiply_end_in_an_error() {
    let layout = Layout::new();
    let mut inner = layout.blob(INDEX, json!({"schemaVersion": 2, "manifests": []}).to_string().as_bytes());
    for _ in 0..3 {
        let index = json!({"schemaVersion": 2, "manifests": vec![inner; 50]});
        inner = layout.blob(INDEX, index.to_string().as_bytes());
    }
    layout.index(&[inner]);
    assert!(matches!(layout.open(), Err(OciError::TooLarge { .. })));
}

#[test]
fn docker_media_types_are_understood() {
    let layout = Layout::new();
    let tar = Tar::default().file("f", "docker").bytes();
    let layer = layout.blob(DOCKER[3], &gzip(&tar));
    let config = json!({"os": "linux", "architecture": architecture(), "config": null,
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar).to_string()]}});
    let config = layout.blob(DOCKER[2], config.to_string().as_bytes());
    let manifest = json!({"schemaVersion": 2, "mediaType": DOCKER[1], "config": config, "layers": [layer]});
    let manifest = on(layout.blob(DOCKER[1], manifest.to_string().as_bytes()), "linux", architecture(), None);
    let list = json!({"schemaVersion": 2, "mediaType": DOCKER[0], "manifests": [manifest]});
    layout.index(&[layout.blob(DOCKER[0], list.to_string().as_bytes())]);
    assert_eq!(content(layout.open()), "docker");
}

#[test]
fn artifacts_and_unknown_layers_are_named_by_their_type() {
    let layout = Layout::new();
    let artifact =
        json!({"schemaVersion": 2, "config": layout.blob("application/x-chart", b"{}"), "layers": []});
    layout.index(&[layout.blob(MANIFEST, artifact.to_string().as_bytes())]);
    assert!(matches!(layout.open(), Err(OciError::MediaType { .. })));
    let tar = Tar::default().bytes();
    let layer = layout.blob("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", &tar);
    layout.index(&[layout.image(&[(layer, Digest::of(&tar))])]);
    assert!(matches!(layout.open(), Err(OciError::MediaType { .. })));
}
