//! Pipes to splice through. A flow has one only while there is something in it; one that finds none left copies.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::descriptors::{Descriptors, Pair};

/// Pipes that are kept for the next one.
const KEPT: usize = 16;
/// Bytes that a pipe is to hold. An ordinary user's pipes get less once there are many.
const SIZE: usize = 1 << 20;

/// An empty pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
    _descriptors: Pair,
}

/// The pipes of one gateway.
#[derive(Debug)]
pub(super) struct Pipes {
    kept: RefCell<Vec<Pipe>>,
    descriptors: Descriptors,
}

impl Pipes {
    pub(super) fn new(descriptors: Descriptors) -> Self {
        Self { kept: RefCell::default(), descriptors }
    }

    /// An empty pipe.
    pub(super) fn take(&self) -> Result<Pipe, Errno> {
        if let Some(pipe) = self.kept.borrow_mut().pop() {
            return Ok(pipe);
        }
        let descriptors = self.descriptors.take().ok_or(Errno::MFILE)?;
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one does as well, in more steps.
        let _ = fcntl_setpipe_size(&write, SIZE);
        Ok(Pipe { read, write, _descriptors: descriptors })
    }

    /// Takes a pipe back that is empty again.
    pub(super) fn put(&self, pipe: Pipe) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT {
            kept.push(pipe);
        }
    }
}
