//! placeholder
#![forbid(unsafe_code)]

/// The root file system that a sandbox starts from.
pub mod image {
    pub mod oci;
}
