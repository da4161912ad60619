//! Mounts that a privileged supervisor prepares (open_tree(2), mount_setattr(2)), and what Landlock can do.

use super::check;
use core::ffi::CStr;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;

#[repr(C)]
#[derive(Default)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    namespace: u64,
}

/// A detached copy of the mount at an open path, with what is mounted below it.
pub(crate) fn detached_copy(of: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | libc::AT_RECURSIVE as u32
        | libc::AT_EMPTY_PATH as u32;
    // SAFETY: an empty path with AT_EMPTY_PATH; the string outlives the call.
    let fd = check(unsafe { libc::syscall(libc::SYS_open_tree, of.as_raw_fd(), c"".as_ptr(), flags) })?;
    // SAFETY: the kernel returned a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Shows the ids on a detached mount as the ids of a user namespace (mount_setattr(2), "ID-mapped mounts"), and if
/// `below`, also those on what is mounted below it.
pub(crate) fn map_ids(
    mount: BorrowedFd<'_>,
    user_namespace: BorrowedFd<'_>,
    below: bool,
) -> Result<(), Errno> {
    let attributes = Attributes {
        set: libc::MOUNT_ATTR_IDMAP,
        namespace: user_namespace.as_raw_fd() as u64,
        ..Attributes::default()
    };
    let flags = libc::AT_EMPTY_PATH | if below { libc::AT_RECURSIVE } else { 0 };
    let path: &CStr = c"";
    // SAFETY: the attribute block has the kernel's layout and outlives the call, as does the path.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    })
    .map(drop)
}

/// The version of Landlock that the kernel has; 0 if none.
pub(crate) fn landlock_version() -> u32 {
    const VERSION: u32 = 1;
    let nothing = core::ptr::null::<u8>();
    // SAFETY: with this flag the kernel takes no attributes.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0usize, VERSION) };
    u32::try_from(answer).unwrap_or(0)
}
