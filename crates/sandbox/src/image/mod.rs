//! What the sandbox's root is made of.

pub mod host;
pub mod oci;

use oci::OciImage;

/// The image of a sandbox.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Image {
    /// The host's programs and libraries, read-only, and nothing else of the host.
    #[default]
    Host,
    /// An OCI image, as [`oci::open`] has verified and extracted it: read-only under a root that belongs to the scratch
    /// layer.
    Oci(Box<OciImage>),
}

impl Image {
    /// Whether its root can be written: to the scratch layer, which lies over it.
    pub(crate) fn is_written(&self) -> bool {
        matches!(self, Self::Oci(_))
    }

    /// The digest of its contents; the host's programs have none.
    pub fn digest(&self) -> Option<String> {
        match self {
            Self::Host => None,
            Self::Oci(image) => Some(image.digest.to_string()),
        }
    }
}

impl From<OciImage> for Image {
    fn from(image: OciImage) -> Self {
        Self::Oci(Box::new(image))
    }
}
