//! Writes tars and layouts, also such as no tool would write.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sandbox::image::oci::{self, Cache, Digest, Limits, OciError, OciImage, OciReference};
use serde_json::{Value, json};
use tar::{EntryType, Header};
use tempfile::TempDir;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const DOCKER: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// The architecture of this machine, as images call it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Whether this process is root, and not just in a user namespace of a few ids.
pub(crate) fn keeps_owners() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let ids: u64 =
        map.lines().map(|line| line.split_ascii_whitespace().nth(2).unwrap().parse::<u64>().unwrap()).sum();
    rustix::process::geteuid().is_root() && ids >= 65536
}

/// A tar in the making. Names and link targets go into the headers unchecked.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, name, "", 0o644, content.as_bytes())
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", 0o755, b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, 0o777, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, target, 0o644, b"")
    }

    pub(crate) fn entry(self, kind: EntryType, name: &str, target: &str, mode: u32, content: &[u8]) -> Self {
        self.with(kind, name, target, content, |header| header.set_mode(mode))
    }

    pub(crate) fn with(
        mut self,
        kind: EntryType,
        name: &str,
        target: &str,
        content: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_gnu();
        let raw = header.as_old_mut();
        raw.name[..name.len()].copy_from_slice(name.as_bytes());
        raw.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_mode(0o644);
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// A PAX header for the entry that follows.
    pub(crate) fn pax(self, key: &str, value: &str) -> Self {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while format!("{length}{rest}").len() != length {
            length += 1;
        }
        self.entry(EntryType::XHeader, "pax", "", 0o644, format!("{length}{rest}").as_bytes())
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A layout folder, and a cache to open its images with.
pub(crate) struct Layout {
    pub(crate) folder: TempDir,
    pub(crate) cache: TempDir,
}

impl Layout {
    pub(crate) fn new() -> Self {
        let layout = Self { folder: TempDir::new().unwrap(), cache: TempDir::new().unwrap() };
        fs::create_dir_all(layout.path().join("blobs/sha256")).unwrap();
        layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    /// A layout with one image of these layers, uncompressed.
    pub(crate) fn of(layers: impl IntoIterator<Item = Tar>) -> Self {
        let layout = Self::new();
        let layers: Vec<_> = layers.into_iter().map(Tar::bytes).collect();
        let layers: Vec<_> = layers.iter().map(|tar| (layout.blob(LAYER, tar), Digest::of(tar))).collect();
        let image = layout.image(&layers);
        layout.index(&[image]);
        layout
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        fs::File::create(self.path().join(name)).unwrap().write_all(content).unwrap();
    }

    /// Stores a blob, and returns its descriptor.
    pub(crate) fn blob(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(content);
        self.write(&format!("blobs/sha256/{}", digest.hex()), content);
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": content.len()})
    }

    pub(crate) fn blob_path(&self, descriptor: &Value) -> PathBuf {
        let hex = descriptor["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        self.path().join("blobs/sha256").join(hex)
    }

    /// Stores an image of these layers (descriptor and diff id) for this machine.
    pub(crate) fn image(&self, layers: &[(Value, Digest)]) -> Value {
        self.image_for(architecture(), json!({}), layers)
    }

    pub(crate) fn image_for(&self, architecture: &str, process: Value, layers: &[(Value, Digest)]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|(_, diff_id)| diff_id.to_string()).collect();
        let config = json!({
            "os": "linux", "architecture": architecture, "config": process,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let layers: Vec<_> = layers.iter().map(|(layer, _)| layer).collect();
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    pub(crate) fn index(&self, images: &[Value]) {
        self.write("index.json", json!({"schemaVersion": 2, "manifests": images}).to_string().as_bytes());
    }

    pub(crate) fn open(&self) -> Result<OciImage, OciError> {
        self.open_as(&OciReference::layout(self.path()))
    }

    /// Opens the only image, and keeps its folders while the result lives.
    pub(crate) fn opened(self) -> Opened {
        match self.open() {
            Ok(image) => Opened(image, self),
            Err(error) => panic!("{}", message(&error)),
        }
    }

    pub(crate) fn open_as(&self, reference: &OciReference) -> Result<OciImage, OciError> {
        oci::open(reference, &Cache::at(self.cache.path()))
    }

    pub(crate) fn open_within(&self, limits: &Limits) -> Result<OciImage, OciError> {
        oci::open_within(&OciReference::layout(self.path()), &Cache::at(self.cache.path()), limits)
    }

    /// What is in the cache besides locks.
    pub(crate) fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cache.path().join("rootfs")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
}

/// An image that was opened, with the folders it needs.
pub(crate) struct Opened(OciImage, #[expect(dead_code, reason = "held for its Drop")] Layout);

impl std::ops::Deref for Opened {
    type Target = OciImage;

    fn deref(&self) -> &OciImage {
        &self.0
    }
}

/// The message of an error with all of its causes.
pub(crate) fn message(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
