//! A task that waits for an answer: its registers, its memory, its descriptors, and who it is.

use crate::sys::process::{descriptor_of, read_memory};
use crate::sys::seccomp::{Notification, is_valid};
use event::Process;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;

/// The longest path that the kernel takes, with its NUL.
const PATH_MAX: usize = 4096;
const PAGE: u64 = 4096;

/// A waiting task.
pub(crate) struct Tracee<'a> {
    listener: BorrowedFd<'a>,
    notification: &'a Notification,
}

impl<'a> Tracee<'a> {
    pub(crate) fn new(listener: BorrowedFd<'a>, notification: &'a Notification) -> Self {
        Self { listener, notification }
    }

    pub(crate) fn notification(&self) -> &Notification {
        self.notification
    }

    /// An argument, from the register: it can't change any more.
    pub(crate) fn argument(&self, index: usize) -> u64 {
        self.notification.arguments.get(index).copied().unwrap_or_default()
    }

    /// The task, by its id on the host.
    pub(crate) fn task(&self) -> u32 {
        self.notification.task
    }

    /// Copies memory: all of `into`, or an error.
    pub(crate) fn copy(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        let length = into.len();
        let read = read_memory(self.task(), address, into)?;
        self.still_waits()?;
        if read == length { Ok(()) } else { Err(Errno::FAULT) }
    }

    /// Copies a string without its NUL: an error if it is longer than `most`, or ends in a hole.
    pub(crate) fn copy_string(&self, address: u64, most: usize) -> Result<Vec<u8>, Errno> {
        let mut string = Vec::new();
        while string.len() < most {
            let from = address.wrapping_add(string.len() as u64);
            let to_page_end = (PAGE - from % PAGE) as usize;
            let mut chunk = [0; PAGE as usize];
            let chunk = chunk.get_mut(..to_page_end.min(most - string.len())).unwrap_or_default();
            let read = read_memory(self.task(), from, chunk)?;
            let chunk = chunk.get(..read).unwrap_or_default();
            if let Some(end) = chunk.iter().position(|byte| *byte == 0) {
                string.extend(chunk.get(..end).unwrap_or_default());
                self.still_waits()?;
                return Ok(string);
            }
            if chunk.is_empty() {
                return Err(Errno::FAULT);
            }
            string.extend(chunk);
        }
        Err(Errno::NAMETOOLONG)
    }

    /// Copies a path.
    pub(crate) fn copy_path(&self, address: u64) -> Result<Vec<u8>, Errno> {
        self.copy_string(address, PATH_MAX)
    }

    /// A copy of one of its descriptors: the same open file.
    pub(crate) fn descriptor(&self, number: RawFd) -> Result<OwnedFd, Errno> {
        let process = self.open()?;
        let descriptor = descriptor_of(process.as_fd(), number)?;
        self.still_waits()?;
        Ok(descriptor)
    }

    /// The task by a descriptor. Kernels before 6.9 know processes only, and not their threads.
    fn open(&self) -> Result<OwnedFd, Errno> {
        const THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::PIDFD_THREAD);
        let pid = |number: u32| Pid::from_raw(number.cast_signed()).ok_or(Errno::SRCH);
        match pidfd_open(pid(self.task())?, THREAD) {
            Err(Errno::INVAL) => {
                pidfd_open(pid(Status::of(self.task()).ok_or(Errno::SRCH)?.group)?, PidfdFlags::empty())
            }
            opened => opened,
        }
    }

    /// While it waits, its id can't have gone to another task: what was read until now is its own.
    fn still_waits(&self) -> Result<(), Errno> {
        if is_valid(self.listener, self.notification.id) { Ok(()) } else { Err(Errno::SRCH) }
    }

    /// Who it is.
    pub(crate) fn process(&self) -> Process {
        describe(self.task())
    }
}

/// What `/proc` says of a task.
pub(crate) fn describe(task: u32) -> Process {
    let Some(status) = Status::of(task) else { return Process::new(task) };
    let link = |name: &str| fs::read_link(format!("/proc/{task}/{name}")).ok().map(event::Text::from);
    Process {
        pid: status.inner,
        parent: status.parent,
        exe: link("exe"),
        cwd: link("cwd"),
        uid: status.uid,
        ..Process::new(status.group)
    }
}

/// Lines of `/proc/TASK/status` (proc_pid_status(5)).
struct Status {
    group: u32,
    parent: Option<u32>,
    inner: Option<u32>,
    uid: Option<u32>,
}

impl Status {
    fn of(task: u32) -> Option<Self> {
        let status = fs::read(format!("/proc/{task}/status")).ok()?;
        let line = |name: &[u8]| {
            let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
            std::str::from_utf8(line).ok()
        };
        let number = |text: &str| text.trim().parse().ok();
        Some(Self {
            group: number(line(b"Tgid:")?)?,
            parent: line(b"PPid:").and_then(number),
            inner: line(b"NStgid:").and_then(|ids| number(ids.split_whitespace().last()?)),
            uid: line(b"Uid:").and_then(|ids| number(ids.split_whitespace().nth(1)?)),
        })
    }
}
