//! The system calls that a call may make.
//!
//! [`rules`] says what each system call gets; [`compile`] turns that into the kernel's filter programs. The
//! filter is an allow-list: a system call that nobody thought of, or that is newer than we are, answers
//! `ENOSYS`. Attempts worth knowing about are handed to the supervisor, which records and refuses them.

pub(crate) mod compile;
pub(crate) mod names;
pub(crate) mod rules;

use std::collections::BTreeSet;

/// A filter, as the kernel takes it: 8 bytes an instruction.
#[derive(Clone, Debug)]
pub(crate) struct Filter(Vec<u8>);

impl Filter {
    /// The filter of a call, with the loosenings that a policy asked for. `bounds_memory`: a control group bounds the
    /// memory of the sandbox; without one, memory that belongs to no process is refused.
    pub(crate) fn for_calls(bounds_memory: bool, loosened: &BTreeSet<policy::Loosening>) -> Self {
        Self(compile::compile(&rules::rules(bounds_memory, loosened)))
    }

    /// A filter that lets everything through: what the proof must notice.
    pub(crate) fn open() -> Self {
        Self(compile::open())
    }

    /// The instructions.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
