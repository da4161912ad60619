//! What the sandbox's root is made of.

pub mod host;

/// The image of a sandbox.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Image {
    /// The host's programs and libraries, read-only, and nothing else of the host.
    #[default]
    Host,
}

impl Image {
    /// As it is named in events and on the command line.
    pub fn reference(&self) -> String {
        match self {
            Self::Host => "host".to_owned(),
        }
    }
}
