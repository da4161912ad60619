//! Which manifest of an index is meant, and which of several platforms.
//!
//! Within one image, that is within an index that a tag, a digest or the top index points to, the first
//! manifest for this platform counts, as OCI asks; a plain variant (amd64, arm64/v8) before a special
//! one (amd64/v3), since we don't ask the processor. Between several images nothing is guessed.

use std::cell::Cell;

use super::digest::Digest;
use super::document::{Descriptor, Index, Platform, Pointee};
use super::error::{OciError, Part};
use super::limits::Limits;
use super::reference::Selector;
use super::source::Source;

/// Indexes within indexes.
const DEPTH: usize = 4;
/// Indexes read for one image. Without this, a few small ones that refer to each other many times would take forever.
const INDEXES: usize = 256;

/// Looks for a manifest.
pub(super) struct Search<'s> {
    source: &'s Source,
    limits: &'s Limits,
    platform: Platform,
    indexes: Cell<usize>,
}

impl<'s> Search<'s> {
    /// A search in `source` for an image for this machine.
    pub(super) fn new(source: &'s Source, limits: &'s Limits) -> Self {
        Self { source, limits, platform: host_platform(), indexes: Cell::new(INDEXES) }
    }

    /// The platform that is looked for.
    pub(super) fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The descriptor of the manifest that `selector` means.
    pub(super) fn manifest(&self, selector: &Selector) -> Result<Descriptor, OciError> {
        let top = Index::parse(&self.source.file(Part::Index, "index.json", self.limits)?, None)?;
        match selector {
            Selector::Only => self.only(&top),
            Selector::Tag(tag) => self.tagged(&top, tag),
            Selector::Digest(digest) => {
                self.with_digest(&top, *digest, DEPTH)?.ok_or_else(|| not_found(digest.to_string(), &top))
            }
        }
    }

    fn only(&self, top: &Index) -> Result<Descriptor, OciError> {
        let mut found: Vec<(Descriptor, &Descriptor)> = Vec::new();
        for image in by_preference(&top.manifests) {
            if let Some(manifest) = self.runnable(image, DEPTH)?
                && !found.iter().any(|(other, _)| same_image(other, &manifest))
            {
                found.push((manifest, image));
            }
        }
        match found.len() {
            0 => Err(self.no_platform(&top.manifests)),
            1 => Ok(found.swap_remove(0).0),
            _ => {
                Err(OciError::Ambiguous { available: found.iter().map(|(_, image)| image.name()).collect() })
            }
        }
    }

    fn tagged(&self, top: &Index, tag: &str) -> Result<Descriptor, OciError> {
        let tagged: Vec<Descriptor> =
            top.manifests.iter().filter(|image| image.tag() == Some(tag)).cloned().collect();
        if tagged.is_empty() {
            return Err(not_found(tag.to_owned(), top));
        }
        self.first_runnable(&tagged, DEPTH)?.ok_or_else(|| self.no_platform(&tagged))
    }

    fn with_digest(
        &self,
        index: &Index,
        digest: Digest,
        depth: usize,
    ) -> Result<Option<Descriptor>, OciError> {
        for image in &index.manifests {
            if image.digest == digest {
                let runnable = match image.pointee() {
                    Some(Pointee::Manifest) => Some(image.clone()),
                    _ => self.runnable(image, depth)?,
                };
                return runnable.map(Some).ok_or_else(|| self.no_platform(std::slice::from_ref(image)));
            }
        }
        for image in &index.manifests {
            if image.pointee() == Some(Pointee::Index)
                && let Some(found) = self.with_digest(&self.index(image, depth)?, digest, depth - 1)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn first_runnable(&self, images: &[Descriptor], depth: usize) -> Result<Option<Descriptor>, OciError> {
        for image in by_preference(images) {
            if let Some(manifest) = self.runnable(image, depth)? {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }

    /// The manifest for this platform that `image` is or leads to. One that doesn't name its platform
    /// counts; its configuration will tell.
    fn runnable(&self, image: &Descriptor, depth: usize) -> Result<Option<Descriptor>, OciError> {
        let fits = image.platform.as_ref().is_none_or(|platform| self.fits(platform));
        match image.pointee() {
            Some(Pointee::Manifest) if fits => Ok(Some(image.clone())),
            Some(Pointee::Index) => self.first_runnable(&self.index(image, depth)?.manifests, depth - 1),
            _ => Ok(None),
        }
    }

    fn fits(&self, platform: &Platform) -> bool {
        platform.os == self.platform.os && platform.architecture == self.platform.architecture
    }

    fn index(&self, descriptor: &Descriptor, depth: usize) -> Result<Index, OciError> {
        let left = self.indexes.get().checked_sub(1).filter(|_| depth > 0);
        let too_large = OciError::TooLarge { what: "indexes, or levels of them", limit: INDEXES as u64 };
        self.indexes.set(left.ok_or(too_large)?);
        let bytes = self.source.document(Part::Index, descriptor, self.limits)?;
        Index::parse(&bytes, Some(&descriptor.media_type))
    }

    fn no_platform(&self, images: &[Descriptor]) -> OciError {
        let mut available = Vec::new();
        self.platforms(images, DEPTH, &mut available);
        available.dedup();
        OciError::NoPlatform { wanted: self.platform.to_string(), available }
    }

    /// What there is, for a message: what can't be read is left out.
    fn platforms(&self, images: &[Descriptor], depth: usize, into: &mut Vec<String>) {
        for image in images {
            match (image.pointee(), &image.platform) {
                (Some(Pointee::Index), _) => {
                    if let Ok(index) = self.index(image, depth) {
                        self.platforms(&index.manifests, depth - 1, into);
                    }
                }
                (_, Some(platform)) if platform.os != "unknown" => into.push(platform.to_string()),
                (Some(_), _) => {}
                (None, _) => into.push(image.media_type.clone()),
            }
        }
    }
}

/// This machine's platform, in the names that images use.
fn host_platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        same => same,
    };
    Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: String::new() }
}

/// `images` in their order, plain variants first.
fn by_preference(images: &[Descriptor]) -> impl Iterator<Item = &Descriptor> {
    let special = |image: &&Descriptor| {
        image.platform.as_ref().is_some_and(|platform| !matches!(platform.variant.as_str(), "" | "v1" | "v8"))
    };
    images.iter().filter(move |image| !special(image)).chain(images.iter().filter(special))
}

/// Whether two manifests are one image: the same one, or variants of it for this platform.
fn same_image(one: &Descriptor, other: &Descriptor) -> bool {
    let variants = |one: &Platform, other: &Platform| one.variant != other.variant;
    one.digest == other.digest
        || (one.tag() == other.tag()
            && one
                .platform
                .as_ref()
                .zip(other.platform.as_ref())
                .is_some_and(|(one, other)| variants(one, other)))
}

fn not_found(wanted: String, index: &Index) -> OciError {
    OciError::NotFound { wanted, available: index.manifests.iter().map(Descriptor::name).collect() }
}
