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

/// Binds a socket.
pub(crate) fn bind(socket: BorrowedFd<'_>, address: &[u8]) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(address.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the kernel reads `length` bytes of `address`, which outlives the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), length) }.into()).map(drop)
}

/// Takes a connection back (connect(2), `AF_UNSPEC`): a socket that was never connected stays as it is.
pub(crate) fn take_back(socket: BorrowedFd<'_>) {
    let _ = connect(socket, &[0; 16]);
}

/// Whether a TCP socket is neither connected nor about to be, nor listens.
pub(crate) fn is_closed(socket: BorrowedFd<'_>) -> bool {
    const TCP_CLOSE: u8 = 7;
    let mut state = 0u8;
    let mut length: libc::socklen_t = 1;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    let (value, size) = ((&raw mut state).cast(), &raw mut length);
    // SAFETY: the kernel writes at most `length` bytes of `struct tcp_info`, whose first byte is the state.
    let answer = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, value, size) };
    answer == 0 && length == 1 && state == TCP_CLOSE
}

/// The smoothed round-trip time in microseconds, and how many segments were sent again.
pub(crate) fn measures(socket: BorrowedFd<'_>) -> Option<(u32, u32)> {
    // SAFETY: numbers alone; all zeros is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    let (value, size) = ((&raw mut info).cast(), &raw mut length);
    // SAFETY: the kernel writes at most `length` bytes of `info`.
    let answer = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, value, size) };
    (answer == 0).then_some((info.tcpi_rtt, info.tcpi_total_retrans))
}
