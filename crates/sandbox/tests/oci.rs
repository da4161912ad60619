//! Black-box tests of OCI images: small images, honest and hostile, are written and opened.
//!
//! All of them run as root and as any other user; what differs then is said where it is asserted.

// Clippy knows test functions as tests, but not what they call.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "oci/archive.rs"]
mod archive;
#[path = "oci/builder.rs"]
mod builder;
#[path = "oci/cache.rs"]
mod cache;
#[path = "oci/choice.rs"]
mod choice;
#[path = "oci/hostile.rs"]
mod hostile;
#[path = "oci/layers.rs"]
mod layers;
#[path = "oci/root.rs"]
mod root;
#[path = "oci/sequences.rs"]
mod sequences;
#[path = "oci/verify.rs"]
mod verify;
