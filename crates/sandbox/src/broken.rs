//! Controls that a test has switched off, to show that the proof notices.
//!
//! Only with the feature `break-controls`; otherwise nothing can be switched off and the environment isn't read.

/// Which control is off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Broken(#[cfg(feature = "break-controls")] Option<String>);

impl Broken {
    /// What `AURELIAN_BREAK` names.
    #[cfg(feature = "break-controls")]
    pub(crate) fn from_environment() -> Self {
        Self(std::env::var("AURELIAN_BREAK").ok())
    }

    /// Nothing.
    #[cfg(not(feature = "break-controls"))]
    pub(crate) const fn from_environment() -> Self {
        Self()
    }

    /// Whether `control` is off.
    #[cfg(feature = "break-controls")]
    pub(crate) fn is(&self, control: &str) -> bool {
        self.0.as_deref() == Some(control)
    }

    /// Whether `control` is off: never.
    #[cfg(not(feature = "break-controls"))]
    pub(crate) const fn is(&self, _control: &str) -> bool {
        false
    }
}
