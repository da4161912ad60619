//! The JSON documents of an image: `oci-layout`, index, manifest, configuration.
//!
//! Only the fields that decide something are read (OCI image-spec 1.1, and Docker's
//! image manifest v2 schema 2, which differs in its media types only). The `oci-spec` crate has all of
//! them, with builders, getters and a regular expression engine for what is a few structs here.
//!
//! A document that could be read both as an index and as a manifest is refused, so that nobody can
//! show one image to a scanner and another to us under the same digest (CVE-2021-41190).

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::digest::Digest;
use super::error::{OciError, Part};

/// The annotation that carries an image's tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// `oci-layout`.
#[derive(Debug, Deserialize)]
pub(super) struct Layout {
    #[serde(rename = "imageLayoutVersion")]
    pub(super) version: String,
}

/// What refers to a blob.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) platform: Option<Platform>,
    #[serde(default, deserialize_with = "null_is_empty")]
    annotations: BTreeMap<String, String>,
}

/// Go programs write an empty map or list as `null`.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An operating system and an architecture, in Go's names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    pub(super) os: String,
    pub(super) architecture: String,
    #[serde(default)]
    pub(super) variant: String,
}

/// A list of manifests or of further indexes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    media_type: Option<String>,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) manifests: Vec<Descriptor>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
}

/// One image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u32,
    media_type: Option<String>,
    pub(super) config: Descriptor,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) layers: Vec<Descriptor>,
    manifests: Option<IgnoredAny>,
}

/// The image configuration.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) os: String,
    #[serde(default)]
    pub(super) architecture: String,
    pub(super) rootfs: Rootfs,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) config: Process,
}

/// What the layers decompress to.
#[derive(Debug, Deserialize)]
pub(super) struct Rootfs {
    #[serde(rename = "type")]
    kind: String,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) diff_ids: Vec<Digest>,
}

/// How the image wants to be run.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Process {
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) env: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) entrypoint: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) working_dir: String,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) user: String,
}

/// What a descriptor of an index points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointee {
    Index,
    Manifest,
}

impl Layout {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OciError> {
        let layout: Self = parse(Part::Layout, bytes)?;
        if layout.version == "1.0.0" || layout.version.starts_with("1.0.") {
            Ok(layout)
        } else {
            Err(OciError::LayoutVersion { version: layout.version })
        }
    }
}

impl Descriptor {
    /// What this descriptor points to, from its media type.
    pub(super) fn pointee(&self) -> Option<Pointee> {
        match self.media_type.as_str() {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Some(Pointee::Index),
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json" => Some(Pointee::Manifest),
            _ => None,
        }
    }

    /// Whether this is a layer. How it is compressed is read from its first bytes, as other
    /// implementations do: exporters exist that label plain tars as gzip.
    pub(super) fn is_layer(&self) -> bool {
        let oci = self
            .media_type
            .strip_prefix("application/vnd.oci.image.layer.")
            .map(|rest| rest.strip_prefix("nondistributable.").unwrap_or(rest))
            .is_some_and(|rest| matches!(rest, "v1.tar" | "v1.tar+gzip" | "v1.tar+zstd"));
        let docker = self
            .media_type
            .strip_prefix("application/vnd.docker.image.rootfs.")
            .map(|rest| rest.strip_prefix("foreign.").unwrap_or(rest))
            .is_some_and(|rest| matches!(rest, "diff.tar" | "diff.tar.gzip" | "diff.tar.zstd"));
        oci || docker
    }

    /// Whether this is the configuration of a container image, and not of some other artifact.
    pub(super) fn is_config(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
        )
    }

    /// The tag, or the complete image name, under which the index lists this.
    pub(super) fn tag(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).map(String::as_str)
    }

    /// How a message calls this.
    pub(super) fn name(&self) -> String {
        self.tag().map_or_else(|| self.digest.to_string(), str::to_owned)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl Index {
    /// `index.json`, or the index that a descriptor of type `declared` points to.
    pub(super) fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Self, OciError> {
        let index: Self = parse(Part::Index, bytes)?;
        check_kind(Part::Index, index.schema_version, index.media_type.as_deref(), declared)?;
        if index.config.is_some() || index.layers.is_some() {
            return Err(invalid(Part::Index, "is also a manifest; such a document is refused"));
        }
        Ok(index)
    }
}

impl Manifest {
    /// The manifest that a descriptor of type `declared` points to.
    pub(super) fn parse(bytes: &[u8], declared: &str) -> Result<Self, OciError> {
        let manifest: Self = parse(Part::Manifest, bytes)?;
        check_kind(Part::Manifest, manifest.schema_version, manifest.media_type.as_deref(), Some(declared))?;
        if manifest.manifests.is_some() {
            return Err(invalid(Part::Manifest, "is also an index; such a document is refused"));
        }
        Ok(manifest)
    }
}

impl Config {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OciError> {
        let config: Self = parse(Part::Config, bytes)?;
        if config.rootfs.kind != "layers" {
            return Err(invalid(Part::Config, "has a rootfs.type other than \"layers\""));
        }
        Ok(config)
    }
}

fn parse<T: DeserializeOwned>(what: Part, bytes: &[u8]) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|source| OciError::Document { what, source })
}

fn check_kind(what: Part, schema: u32, own: Option<&str>, declared: Option<&str>) -> Result<(), OciError> {
    if schema != 2 {
        return Err(invalid(what, &format!("has schemaVersion {schema}, only 2 is supported")));
    }
    match own.zip(declared) {
        Some((own, declared)) if !own.is_empty() && own != declared => Err(invalid(
            what,
            &format!(
                "calls itself {own:?} where its descriptor says {declared:?}; such a document is refused"
            ),
        )),
        _ => Ok(()),
    }
}

fn invalid(what: Part, problem: &str) -> OciError {
    OciError::Invalid { what, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

    #[test]
    fn a_document_of_two_kinds_is_refused() {
        let both = format!(
            r#"{{"schemaVersion":2,"manifests":[],"layers":[],"config":{{"digest":"{}","size":0}}}}"#,
            Digest::of(b"")
        );
        assert!(matches!(Index::parse(both.as_bytes(), None), Err(OciError::Invalid { .. })));
        assert!(matches!(Manifest::parse(both.as_bytes(), MANIFEST), Err(OciError::Invalid { .. })));
    }

    #[test]
    fn a_document_of_another_kind_than_declared_is_refused() {
        let index = br#"{"schemaVersion":2,"mediaType":"application/x","manifests":[]}"#;
        assert!(Index::parse(index, None).is_ok());
        assert!(matches!(Index::parse(index, Some("application/y")), Err(OciError::Invalid { .. })));
    }

    #[test]
    fn null_lists_are_empty() {
        let config =
            br#"{"os":"linux","rootfs":{"type":"layers","diff_ids":null},"config":{"Env":null,"Cmd":["a"]}}"#;
        let config = Config::parse(config).unwrap();
        assert!(config.config.env.is_empty() && config.rootfs.diff_ids.is_empty());
        assert_eq!(config.config.cmd, ["a"]);
    }

    #[test]
    fn negative_sizes_do_not_parse() {
        let descriptor = format!(r#"{{"digest":"{}","size":-1}}"#, Digest::of(b""));
        assert!(serde_json::from_str::<Descriptor>(&descriptor).is_err());
    }
}
