//! Sockets, with addresses as the bytes that a program gave.

use super::check;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

/// Connects a socket to an address that was copied from a task: any family, any length that it gave.
pub(crate) fn connect(socket: BorrowedFd<'_>, address: &[u8]) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(address.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the kernel reads `length` bytes of `address`, which outlives the call.
    check(unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), length) }.into()).map(drop)
}

/// As [`connect`], by another user and group: the far side of a UNIX socket is told who connects. Linux keeps ids by
/// thread, and only this thread's effective ones change, for this one call.
pub(crate) fn connect_as(
    socket: BorrowedFd<'_>,
    address: &[u8],
    (uid, gid): (u32, u32),
) -> Result<(), Errno> {
    const KEEP: u32 = u32::MAX;
    let (own_uid, own_gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    set_ids(libc::SYS_setresgid, KEEP, gid)?;
    if let Err(errno) = set_ids(libc::SYS_setresuid, KEEP, uid) {
        restore(libc::SYS_setresgid, own_gid);
        return Err(errno);
    }
    let result = connect(socket, address);
    restore(libc::SYS_setresuid, own_uid);
    restore(libc::SYS_setresgid, own_gid);
    result
}

/// Changes this thread's effective id; libc's own function would change those of all threads.
fn set_ids(syscall: libc::c_long, keep: u32, id: u32) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(syscall, keep, id, keep) }).map(drop)
}

/// Takes our own id back. A supervisor that can't be itself again must not go on.
fn restore(syscall: libc::c_long, id: u32) {
    if set_ids(syscall, u32::MAX, id).is_err() {
        std::process::abort();
    }
}
