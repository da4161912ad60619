//! The digest of a policy: what a ledger or a report names it by.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::policy::{Policy, VERSION};

/// The SHA-256 of a policy's canonical form; displays as `sha256:` and 64 hexadecimal digits.
///
/// The canonical form is JSON as in RFC 8785 (JCS): keys sorted, no spaces; paths as found on the host, sizes in
/// bytes, times in milliseconds, processors in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn of(policy: &Policy) -> Self {
        Self(Sha256::digest(canonical(policy)).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

// RFC 8785 wants the keys in order; these structs have their fields in that order, and no map decides it.
#[derive(Serialize)]
struct Canonical<'a> {
    environment: CanonicalEnvironment<'a>,
    filesystem: CanonicalFilesystem<'a>,
    limits: CanonicalLimits,
    syscalls: CanonicalSyscalls,
    version: u64,
}

#[derive(Serialize)]
struct CanonicalEnvironment<'a> {
    pass: Vec<&'a str>,
    set: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct CanonicalFilesystem<'a> {
    hide: Vec<&'a str>,
    read: Vec<&'a str>,
    write: Vec<&'a str>,
}

#[derive(Serialize)]
struct CanonicalLimits {
    cpus: u32,
    memory: u64,
    open_files: u64,
    output: u64,
    pids: u32,
    scratch: u64,
    time: Option<u64>,
}

#[derive(Serialize)]
struct CanonicalSyscalls {
    allow: Vec<&'static str>,
}

fn canonical(policy: &Policy) -> Vec<u8> {
    let (environment, filesystem, limits) = (policy.environment(), policy.filesystem(), policy.limits());
    let form = Canonical {
        environment: CanonicalEnvironment {
            pass: environment.pass().collect(),
            set: environment.set().collect(),
        },
        filesystem: CanonicalFilesystem {
            hide: texts(filesystem.hide()),
            read: texts(filesystem.read()),
            write: texts(filesystem.write()),
        },
        limits: CanonicalLimits {
            cpus: limits.cpus().as_milli(),
            memory: limits.memory().as_u64(),
            open_files: limits.open_files(),
            output: limits.output().as_u64(),
            pids: limits.pids(),
            scratch: limits.scratch().as_u64(),
            time: limits.time().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        },
        syscalls: CanonicalSyscalls { allow: sorted_names(policy) },
        version: VERSION,
    };
    // Texts and numbers only: serialising them to memory has nothing to fail at.
    serde_json::to_vec(&form).unwrap_or_default()
}

/// Paths of a [`Filesystem`](crate::Filesystem) are UTF-8 by construction.
fn texts(paths: &[PathBuf]) -> Vec<&str> {
    paths.iter().filter_map(|path| path.to_str()).collect()
}

fn sorted_names(policy: &Policy) -> Vec<&'static str> {
    let mut names: Vec<_> = policy.syscalls().allowed().map(crate::Loosening::name).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_is_rfc_8785() {
        let text = String::from_utf8(canonical(&Policy::default())).unwrap();
        insta::assert_snapshot!(text, @r#"{"environment":{"pass":["COLORTERM","LANG","LC_ALL","TERM","TZ"],"set":{}},"filesystem":{"hide":[],"read":[],"write":[]},"limits":{"cpus":2000,"memory":4294967296,"open_files":4096,"output":67108864,"pids":512,"scratch":2147483648,"time":1800000},"syscalls":{"allow":[]},"version":1}"#);
    }

    #[test]
    fn the_digest_of_the_defaults_does_not_drift() {
        insta::assert_snapshot!(Policy::default().digest(), @"sha256:8c60bbf34f468a8fc84ce7f2266f2760f0d4e70fa216c037362dd5b893e48a70");
    }
}
