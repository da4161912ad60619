//! Paths of layer entries: what they may look like, and what the names of OCI's whiteouts mean.
//!
//! A path is taken as bytes. A leading `./`, repeated slashes and a trailing slash mean nothing, as
//! in every tar; `..` is refused wherever it stands, and so is a path that starts at `/` and goes on (a
//! bare `/` is how some builders write the root itself). The target of a *hard link* may start at `/`, since
//! the same builders write it so; it means the root of the image.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use thiserror::Error;

use super::limits::Limits;

/// A checked path below the root of the image: components without `.`, `..` and empty ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryPath {
    bytes: Vec<u8>,
    /// Where the last component begins.
    name: usize,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathFault {
    /// It has a `..` component.
    #[error("it has a .. component")]
    Parent,
    /// It starts at `/`.
    #[error("it is absolute")]
    Absolute,
    /// It has a NUL byte.
    #[error("it has a NUL byte")]
    Nul,
    /// It is longer than the limit.
    #[error("it is longer than {0} bytes")]
    Long(usize),
    /// It has more components than the limit, or a symbolic link leads deeper than it.
    #[error("it is deeper than {0} folders")]
    Deep(usize),
    /// It names no file where one must be named.
    #[error("it is the root itself")]
    Root,
    /// It is a whiteout of `.`, `..` or of nothing.
    #[error("it is a whiteout of nothing that could be removed")]
    Whiteout,
}

/// What the name of an entry says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark<'n> {
    /// An ordinary entry.
    None,
    /// Removes this name of the lower layers.
    Whiteout(&'n OsStr),
    /// Removes all that the lower layers have in the same folder.
    Opaque,
    /// Bookkeeping of AUFS, without meaning here.
    Bookkeeping,
}

impl EntryPath {
    /// Checks the path of an entry.
    pub(super) fn of_entry(path: &[u8], limits: &Limits) -> Result<Self, PathFault> {
        if path.first() == Some(&b'/') && path.iter().any(|&byte| byte != b'/') {
            return Err(PathFault::Absolute);
        }
        Self::new(path, limits)
    }

    /// Checks the target of a hard link.
    pub(super) fn of_link(path: &[u8], limits: &Limits) -> Result<Self, PathFault> {
        let target = Self::new(path, limits)?;
        if target.is_root() { Err(PathFault::Root) } else { Ok(target) }
    }

    fn new(path: &[u8], limits: &Limits) -> Result<Self, PathFault> {
        if path.len() > limits.path_bytes {
            return Err(PathFault::Long(limits.path_bytes));
        }
        if path.contains(&0) {
            return Err(PathFault::Nul);
        }
        let mut checked = Self { bytes: Vec::with_capacity(path.len()), name: 0 };
        let mut depth = 0;
        for component in path.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err(PathFault::Parent),
                _ => depth += 1,
            }
            if depth > limits.depth {
                return Err(PathFault::Deep(limits.depth));
            }
            checked.push(component);
        }
        Ok(checked)
    }

    fn push(&mut self, component: &[u8]) {
        if !self.bytes.is_empty() {
            self.bytes.push(b'/');
        }
        self.name = self.bytes.len();
        self.bytes.extend_from_slice(component);
    }

    /// Whether this is the root of the image.
    pub(super) fn is_root(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The last component; empty for the root.
    pub(super) fn name(&self) -> &OsStr {
        OsStr::from_bytes(&self.bytes[self.name..])
    }

    /// All but the last component; empty for what lies in the root.
    pub(super) fn parent(&self) -> &OsStr {
        OsStr::from_bytes(&self.bytes[..self.name.saturating_sub(1)])
    }

    /// What the name says. See "Whiteouts" in OCI's layer specification.
    pub(super) fn mark(&self) -> Result<Mark<'_>, PathFault> {
        if self.bytes.starts_with(b".wh..wh.") && self.name > 0 {
            return Ok(Mark::Bookkeeping);
        }
        let Some(hidden) = self.name().as_bytes().strip_prefix(b".wh.") else {
            return Ok(Mark::None);
        };
        match hidden {
            b".wh..opq" => Ok(Mark::Opaque),
            b"" | b"." | b".." => Err(PathFault::Whiteout),
            _ if hidden.starts_with(b".wh.") => Ok(Mark::Bookkeeping),
            _ => Ok(Mark::Whiteout(OsStr::from_bytes(hidden))),
        }
    }
}

impl From<&EntryPath> for OsString {
    fn from(path: &EntryPath) -> Self {
        Self::from_vec(path.bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str) -> Result<EntryPath, PathFault> {
        EntryPath::of_entry(path.as_bytes(), &Limits::default())
    }

    #[test]
    fn paths_are_split_into_parent_and_name() {
        for (path, parent, name) in
            [("./a//b/./c/", "a/b", "c"), ("c", "", "c"), ("./", "", ""), ("/", "", ""), ("", "", "")]
        {
            let path = entry(path).unwrap();
            assert_eq!((path.parent(), path.name()), (parent.as_ref(), name.as_ref()));
        }
    }

    #[test]
    fn paths_that_leave_are_refused() {
        assert_eq!(entry("/etc/passwd"), Err(PathFault::Absolute));
        assert_eq!(entry("a/../../b"), Err(PathFault::Parent));
        assert_eq!(entry(".."), Err(PathFault::Parent));
        assert_eq!(entry("a\0b"), Err(PathFault::Nul));
        assert_eq!(entry(&"a/".repeat(129)), Err(PathFault::Deep(128)));
        assert_eq!(entry(&"a".repeat(4096)), Err(PathFault::Long(4095)));
    }

    #[test]
    fn whiteouts_never_reach_their_own_folder() {
        assert_eq!(entry("d/.wh.x").unwrap().mark(), Ok(Mark::Whiteout("x".as_ref())));
        assert_eq!(entry("d/.wh..wh..opq").unwrap().mark(), Ok(Mark::Opaque));
        for path in ["d/.wh..wh.aufs", ".wh..wh.plnk", ".wh..wh.plnk/1.2"] {
            assert_eq!(entry(path).unwrap().mark(), Ok(Mark::Bookkeeping));
        }
        assert_eq!(entry("d/.wh....").unwrap().mark(), Ok(Mark::Whiteout("...".as_ref())));
        for path in ["d/.wh.", "d/.wh..", "d/.wh..."] {
            assert_eq!(entry(path).unwrap().mark(), Err(PathFault::Whiteout));
        }
    }

    proptest! {
        #[test]
        fn a_checked_path_stays_below_the_root(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(path) = EntryPath::of_entry(&bytes, &Limits::default()) {
                let path = OsString::from(&path);
                prop_assert!(!path.as_bytes().starts_with(b"/"));
                if !path.is_empty() {
                    for component in path.as_bytes().split(|&byte| byte == b'/') {
                        prop_assert!(!matches!(component, b"" | b"." | b".."));
                    }
                }
            }
        }
    }
}
