//! What can go wrong when an image is opened, and what the person at the terminal can do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::cache::CacheError;
use super::digest::Digest;
use super::layer::LayerError;

/// Why an image could not be opened. Nothing that failed is ever left in the cache as complete.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OciError {
    /// The folder or archive can't be opened.
    #[error("cannot open the image at {}; check the path and its permissions", path.display())]
    Open {
        /// The folder or file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The archive is not a readable tar.
    #[error("cannot read {} as a tar, plain or compressed by gzip or zstd; export the image again", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: io::Error,
    },
    /// A file that every layout has is missing.
    #[error("{} is no OCI image layout: it has no {file}; export the image as oci or oci-archive", path.display())]
    NotALayout {
        /// The folder or archive.
        path: PathBuf,
        /// What was looked for.
        file: &'static str,
    },
    /// The layout has a version that we don't know.
    #[error("image layout version {version:?} is not supported, only 1.0.x; export the image again")]
    LayoutVersion {
        /// The version found.
        version: String,
    },
    /// The index names a blob that the layout doesn't hold.
    #[error("the image lacks the {what} {digest}; copy the image again, with all of its blobs")]
    MissingBlob {
        /// Which part of the image.
        what: Part,
        /// Its name.
        digest: Digest,
    },
    /// A part of the image couldn't be read.
    #[error("cannot read the {what} of the image")]
    Read {
        /// Which part.
        what: Part,
        /// What the kernel said.
        source: io::Error,
    },
    /// A blob has a length other than its descriptor says.
    #[error(
        "the {what} {digest} has {actual} bytes where its descriptor says {expected}; copy the image again"
    )]
    Size {
        /// Which part.
        what: Part,
        /// Its name.
        digest: Digest,
        /// The length in the descriptor.
        expected: u64,
        /// The length found.
        actual: u64,
    },
    /// A blob's content is not what its name says.
    #[error(
        "the {what} has the digest {actual} where {expected} was expected; it was damaged or altered, \
         copy the image again from a source you trust"
    )]
    WrongDigest {
        /// Which part.
        what: Part,
        /// The digest that names it.
        expected: Digest,
        /// The digest of its content.
        actual: Digest,
    },
    /// A layer's content is not what the configuration says it decompresses to.
    #[error(
        "the layer {layer} decompresses to {actual} where the image configuration says {expected}; \
         the image contradicts itself, build it again"
    )]
    WrongDiffId {
        /// The layer's blob.
        layer: Digest,
        /// The entry of `rootfs.diff_ids`.
        expected: Digest,
        /// The digest of the decompressed layer.
        actual: Digest,
    },
    /// A JSON document doesn't parse.
    #[error("the {what} of the image is not valid")]
    Document {
        /// Which document.
        what: Part,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A document says something that makes no sense.
    #[error("the {what} of the image {problem}")]
    Invalid {
        /// Which document.
        what: Part,
        /// What it says.
        problem: String,
    },
    /// A document, or the number of documents or layers, is larger than the limits allow.
    #[error("the image has more than {limit} {what}; raise the limit if you trust it")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A part has a media type that isn't supported.
    #[error("the {what} has the media type {media_type:?}, which is not supported")]
    MediaType {
        /// Which part.
        what: Part,
        /// The media type.
        media_type: String,
    },
    /// No image of the index answers to the name or digest asked for.
    #[error("there is no image {wanted:?} there; there are: {}", list(available))]
    NotFound {
        /// The tag or the digest.
        wanted: String,
        /// The names of those that there are.
        available: Vec<String>,
    },
    /// None of the images is for this machine.
    #[error("there is no image for {wanted} there, only for: {}", list(available))]
    NoPlatform {
        /// This machine's platform.
        wanted: String,
        /// The platforms there are.
        available: Vec<String>,
    },
    /// Several images, and the reference doesn't say which.
    #[error("there are several images there; name one with :TAG or @DIGEST: {}", list(available))]
    Ambiguous {
        /// Their names.
        available: Vec<String>,
    },
    /// A layer couldn't be applied.
    #[error("cannot extract the layer {layer}")]
    Layer {
        /// The layer's blob.
        layer: Digest,
        /// What was wrong with it.
        source: LayerError,
    },
    /// The cache couldn't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// A part of an image, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The file `oci-layout`.
    Layout,
    /// `index.json`, or an index it refers to.
    Index,
    /// The manifest.
    Manifest,
    /// The image configuration.
    Config,
    /// A layer.
    Layer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layout => "file oci-layout",
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Config => "configuration",
            Self::Layer => "layer",
        })
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 16;
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text =
        names.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
