//! Names of images on the command line: `oci:DIR`, `oci:DIR:TAG`, `oci:DIR@sha256:HEX`, and the
//! same after `oci-archive:` with a file.
//!
//! As elsewhere in this field the path ends at its first colon, so that a tag may be a complete
//! image name (`oci:layout:registry.example/team/app:1.2`). A path with a colon in it is given
//! through [`OciReference::layout`] or [`OciReference::archive`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use super::digest::{Digest, ParseDigestError};

/// Where an image lies, and which one of those that lie there is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciReference {
    location: Location,
    selector: Selector,
}

/// The two ways to store an OCI image layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// A folder.
    Layout(PathBuf),
    /// The same folder as a tar, plain or compressed.
    Archive(PathBuf),
}

/// Which image of an index is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selector {
    /// The only one there is for this platform.
    Only,
    /// The one with this `org.opencontainers.image.ref.name`.
    Tag(String),
    /// The one whose manifest, or whose index, has this digest.
    Digest(Digest),
}

/// Why a text is not a reference to an OCI image.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseReferenceError {
    /// Neither `oci:` nor `oci-archive:`.
    #[error("image reference {0:?} begins with neither oci: nor oci-archive:")]
    Transport(String),
    /// Nothing where the path should be.
    #[error("image reference {0:?} names no path after its prefix")]
    NoPath(String),
    /// A colon at the end, and no tag after it.
    #[error("image reference {0:?} ends in an empty tag; leave out the colon or name a tag")]
    EmptyTag(String),
    /// An `@` with something other than a digest after it.
    #[error("image reference {reference:?} has no valid digest after the @")]
    Digest {
        /// The complete reference.
        reference: String,
        /// What is wrong with the digest.
        source: ParseDigestError,
    },
}

impl OciReference {
    /// The only image of the layout folder `path`.
    pub fn layout(path: impl Into<PathBuf>) -> Self {
        Self { location: Location::Layout(path.into()), selector: Selector::Only }
    }

    /// The only image of the archive `path`.
    pub fn archive(path: impl Into<PathBuf>) -> Self {
        Self { location: Location::Archive(path.into()), selector: Selector::Only }
    }

    /// The image there that carries `tag`.
    #[must_use]
    pub fn with_tag(self, tag: impl Into<String>) -> Self {
        Self { selector: Selector::Tag(tag.into()), ..self }
    }

    /// The image there whose manifest, or whose index, has this digest.
    #[must_use]
    pub fn with_digest(self, digest: Digest) -> Self {
        Self { selector: Selector::Digest(digest), ..self }
    }

    /// The folder or the file.
    pub fn path(&self) -> &Path {
        match &self.location {
            Location::Layout(path) | Location::Archive(path) => path,
        }
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    pub(super) fn selector(&self) -> &Selector {
        &self.selector
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.location {
            Location::Layout(_) => "oci",
            Location::Archive(_) => "oci-archive",
        };
        write!(f, "{transport}:{}", self.path().display())?;
        match &self.selector {
            Selector::Only => Ok(()),
            Selector::Tag(tag) => write!(f, ":{tag}"),
            Selector::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl FromStr for OciReference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (transport, rest) =
            text.split_once(':').ok_or_else(|| ParseReferenceError::Transport(text.to_owned()))?;
        let (path, selector) = split_selector(text, rest)?;
        if path.is_empty() {
            return Err(ParseReferenceError::NoPath(text.to_owned()));
        }
        let location = match transport {
            "oci" => Location::Layout(path.into()),
            "oci-archive" => Location::Archive(path.into()),
            _ => return Err(ParseReferenceError::Transport(text.to_owned())),
        };
        Ok(Self { location, selector })
    }
}

fn split_selector<'t>(text: &str, rest: &'t str) -> Result<(&'t str, Selector), ParseReferenceError> {
    let (path, after) = match rest.split_once(':') {
        None => return Ok((rest, Selector::Only)),
        // The first colon belongs to `@sha256:`, or to any other algorithm, or ends the path.
        Some((before, after)) => match before.rsplit_once('@') {
            Some((path, algorithm)) if !algorithm.contains('/') => {
                let digest = format!("{algorithm}:{after}")
                    .parse()
                    .map_err(|source| ParseReferenceError::Digest { reference: text.to_owned(), source })?;
                return Ok((path, Selector::Digest(digest)));
            }
            _ => (before, after),
        },
    };
    if after.is_empty() {
        return Err(ParseReferenceError::EmptyTag(text.to_owned()));
    }
    Ok((path, Selector::Tag(after.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<OciReference, ParseReferenceError> {
        text.parse()
    }

    #[test]
    fn every_form_survives_the_round_trip() {
        let digest = Digest::of(b"x");
        let at = format!("oci:some/dir@{digest}");
        for (text, meant) in [
            ("oci:dir", OciReference::layout("dir")),
            ("oci:dir:v1", OciReference::layout("dir").with_tag("v1")),
            ("oci:/d:host/app:1.2", OciReference::layout("/d").with_tag("host/app:1.2")),
            ("oci-archive:a@b.tar", OciReference::archive("a@b.tar")),
            ("oci:home@work/dir:tag", OciReference::layout("home@work/dir").with_tag("tag")),
            (&at, OciReference::layout("some/dir").with_digest(digest)),
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&meant));
            assert_eq!(meant.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_reference_says_why() {
        assert!(matches!(parse("alpine"), Err(ParseReferenceError::Transport(_))));
        assert!(matches!(parse("docker:alpine"), Err(ParseReferenceError::Transport(_))));
        assert!(matches!(parse("oci:"), Err(ParseReferenceError::NoPath(_))));
        assert!(matches!(parse("oci:dir:"), Err(ParseReferenceError::EmptyTag(_))));
        assert!(matches!(parse("oci:dir@sha256:12"), Err(ParseReferenceError::Digest { .. })));
        assert!(matches!(parse("oci:dir@md5:12"), Err(ParseReferenceError::Digest { .. })));
    }
}
