//! Seccomp user notifications (seccomp_unotify(2)).

use super::check;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

/// A system call that a task of a call wants to make, while it waits for the answer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    /// The task (thread) in our pid namespace.
    pub(crate) task: u32,
    flags: u32,
    pub(crate) number: i32,
    pub(crate) architecture: u32,
    instruction: u64,
    pub(crate) arguments: [u64; 6],
}

#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// What the task gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The system call returns this value without having happened.
    Value(i64),
    /// It fails.
    Fail(Errno),
    /// It happens, with the arguments that it has by then. Never an enforcement.
    Continue,
}

const RECV: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const ID_VALID: libc::c_ulong = 0x4008_2102;
const SET_FLAGS: libc::c_ulong = 0x4008_2104;
const SYNC_WAKE_UP: libc::c_ulong = 1;
const FLAG_CONTINUE: u32 = 1;

/// Takes the next notification. `Err(NOENT)`: the task was killed meanwhile.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> Result<Notification, Errno> {
    let mut notification = Notification {
        id: 0,
        task: 0,
        flags: 0,
        number: 0,
        architecture: 0,
        instruction: 0,
        arguments: [0; 6],
    };
    // SAFETY: the buffer has the kernel's layout (80 bytes), is zeroed as it must be, and outlives the call.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), RECV, &raw mut notification) }.into())?;
    Ok(notification)
}

/// Answers a notification. `Err(NOENT)`: the task is gone.
pub(crate) fn respond(listener: BorrowedFd<'_>, id: u64, answer: Answer) -> Result<(), Errno> {
    let (value, error, flags) = match answer {
        Answer::Value(value) => (value, 0, 0),
        Answer::Fail(errno) => (0, -errno.raw_os_error(), 0),
        Answer::Continue => (0, 0, FLAG_CONTINUE),
    };
    let mut response = Response { id, value, error, flags };
    // SAFETY: the buffer has the kernel's layout (24 bytes) and outlives the call.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw mut response) }.into()).map(drop)
}

/// Whether the task of notification `id` still waits: what was read of it until now was its own.
pub(crate) fn is_valid(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the kernel reads 8 bytes of `id`, which outlives the call.
    unsafe { libc::ioctl(listener.as_raw_fd(), ID_VALID, &raw const id) == 0 }
}

/// Asks the kernel to hand the processor over with each notification and answer. Kernels before 6.6 can't:
/// then the round trip is slower, nothing else.
pub(crate) fn wake_synchronously(listener: BorrowedFd<'_>) {
    // SAFETY: takes a number.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) };
}
