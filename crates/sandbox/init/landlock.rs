//! The second wall: a Landlock domain that holds even if a mount was forgotten (landlock(7)).

use crate::sys::{self, AT_FDCWD, CStr, Errno, Fd};

/// A domain that is being written.
pub struct Ruleset(Fd);

impl Ruleset {
    /// Handles these rights: all that is not allowed by a rule is refused. Newer fields that are zero are
    /// left off, so that kernels of before their time take the call.
    pub fn new(files: u64, network: u64, scopes: u64) -> Result<Self, Errno> {
        let attributes = [files, network, scopes];
        let length = if scopes != 0 { 24 } else if network != 0 { 16 } else { 8 };
        let fd = sys::call(sys::NR_LANDLOCK_CREATE_RULESET, [attributes.as_ptr() as usize, length, 0, 0, 0, 0])?;
        Ok(Self(fd))
    }

    /// The domain of a call: it forbids nothing that isn't forbidden already, but sets the call's processes apart
    /// from those of other calls (landlock(7), "Ptrace restrictions").
    ///
    /// Every domain refuses to move and link files between folders unless a rule of its own allows it, whether it
    /// handles that right or not (landlock(7), `LANDLOCK_ACCESS_FS_REFER`): this one leaves it to the one outside.
    pub fn of_call() -> Result<Self, Errno> {
        const MAKE_BLOCK_DEVICE: u64 = 1 << 11;
        const REFER: u64 = 1 << 13;
        let ruleset = Self::new(MAKE_BLOCK_DEVICE | REFER, 0, 0)?;
        ruleset.allow(REFER, CStr::constant(b"/\0"))?;
        Ok(ruleset)
    }

    /// Allows `access` to `path` and what is below it. A path that does not exist needs no rule.
    pub fn allow(&self, access: u64, path: CStr<'_>) -> Result<(), Errno> {
        const RULE_PATH_BENEATH: usize = 1;
        const ENOENT: Errno = 2;
        let target = match sys::openat(AT_FDCWD, path, sys::O_PATH, 0) {
            Ok(target) => target,
            Err(ENOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        // `struct landlock_path_beneath_attr` is packed: 8 bytes of access, 4 of descriptor.
        let attributes = [access, target as u64];
        let result =
            sys::call(sys::NR_LANDLOCK_ADD_RULE, [self.0, RULE_PATH_BENEATH, attributes.as_ptr() as usize, 0, 0, 0]);
        sys::close(target);
        result.map(drop)
    }

    /// From here on the rules bind this process and all that it starts.
    pub fn enter(self) -> Result<(), Errno> {
        sys::call(sys::NR_LANDLOCK_RESTRICT_SELF, [self.0, 0, 0, 0, 0, 0])?;
        sys::close(self.0);
        Ok(())
    }
}
