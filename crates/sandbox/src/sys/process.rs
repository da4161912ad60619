//! Other processes: their memory, their descriptors, how they ended.

use super::check;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;

/// Reads memory of `task` at `address`. Gives how much could be read before the first hole.
pub(crate) fn read_memory(task: u32, address: u64, into: &mut [u8]) -> Result<usize, Errno> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: into.len() };
    let task = libc::pid_t::try_from(task).map_err(|_| Errno::SRCH)?;
    // SAFETY: `local` is a live, exclusive buffer; `remote` is only looked up in the other process.
    let read =
        check(unsafe { libc::process_vm_readv(task, &raw const local, 1, &raw const remote, 1, 0) }
            as libc::c_long)?;
    Ok(read as usize)
}

/// A copy of descriptor `number` of the process behind `pidfd` (pidfd_getfd(2)).
pub(crate) fn descriptor_of(pidfd: BorrowedFd<'_>, number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })?;
    // SAFETY: the kernel returned a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends a signal to the process behind a pidfd or behind an open folder of `/proc` (pidfd_send_signal(2)).
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    let nothing = core::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null information pointer is allowed: the kernel fills it as for kill(2).
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, nothing, 0) })
        .map(drop)
}

/// How the process behind a pidfd ended: the status word of wait(2). `None` where the kernel can't tell
/// anyone but the parent (before 6.15).
pub(crate) fn exit_status(pidfd: BorrowedFd<'_>) -> Option<i32> {
    const PIDFD_GET_INFO: libc::c_ulong = 0xc040_ff0b;
    const INFO_EXIT: u64 = 1 << 3;
    const EXIT_CODE: usize = 60;
    let mut information = [0u8; 64];
    information[..8].copy_from_slice(&INFO_EXIT.to_ne_bytes());
    // SAFETY: the buffer has the size that the request names and outlives the call.
    let answer = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, information.as_mut_ptr()) };
    let given = u64::from_ne_bytes(information[..8].try_into().ok()?);
    if answer != 0 || given & INFO_EXIT == 0 {
        return None;
    }
    Some(i32::from_ne_bytes(information[EXIT_CODE..].try_into().ok()?))
}

/// Sends a signal to a process group (kill(2)).
pub(crate) fn signal_group(group: rustix::process::Pid, signal: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::kill(-group.as_raw_nonzero().get(), signal) }.into()).map(drop)
}
