//! The sandbox's pseudo-terminals, opened from outside.

use super::check;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;

/// The program's side of a terminal whose operator's side we hold (`TIOCGPTPEER`, ioctl_tty(2)): no path is
/// looked up, so nothing in the sandbox can stand in for it.
pub(crate) fn peer(operator_side: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::ioctl(operator_side.as_raw_fd(), libc::TIOCGPTPEER, flags) }.into())?;
    // SAFETY: the kernel returned a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
