//! A sandbox: one life of an agent behind a boundary that was proven.

use crate::call::{Call, CallError};
use crate::command::Command;
use crate::control::Control;
use crate::inside::Inside;
use crate::launch;
use crate::proof::Proof;
use crate::start::{self, Setup, StartError};
use crate::supervisor::Supervisor;
use crate::witness::Witness;
use rustix::fd::{AsFd, BorrowedFd};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A sandbox whose boundary stands: there is no other way to have one than [`Sandbox::start`], and that gives one
/// only when every probe of the proof was refused. Dropping it ends it, and all in it.
#[derive(Debug)]
pub struct Sandbox(Arc<Inside>);

/// What a sandbox uses, or used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time so far, in microseconds.
    pub cpu_us: Option<u64>,
    /// Memory in use, in bytes.
    pub memory_bytes: Option<u64>,
    /// The most memory that was in use at once, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Processes alive.
    pub processes: Option<u64>,
    /// Bytes in the scratch layer.
    pub scratch_bytes: Option<u64>,
}

impl Sandbox {
    /// Starts a sandbox and proves its boundary. `witness` is told everything that is seen in it.
    ///
    /// # Errors
    /// A control can't be established, or the proof found a hole: nothing of the agent was started, and the error
    /// names the control.
    pub fn start(
        supervisor: &Supervisor,
        setup: &Setup,
        witness: Arc<dyn Witness>,
    ) -> Result<Self, StartError> {
        let started = start::start(&supervisor.0, setup)?;
        let inside = Inside::attach(Arc::clone(&supervisor.0), setup, started, witness)
            .map_err(|source| StartError::Control { control: "init", source })?;
        Ok(Self::of(inside))
    }

    /// The handle of a sandbox that stands; its time begins.
    pub(crate) fn of(inside: Arc<Inside>) -> Self {
        inside.limit_time();
        Self(inside)
    }

    /// The proof of its boundary.
    pub fn proof(&self) -> &Proof {
        &self.0.proof
    }

    /// The home folder, inside.
    pub fn home(&self) -> &Path {
        &self.0.home
    }

    /// The process id of its init, on the host.
    pub fn init_pid(&self) -> u32 {
        self.0.child.pid
    }

    /// Starts a call. Calls may overlap, and be started from any thread. What a call leaves behind lives on and
    /// stays its own.
    ///
    /// # Errors
    /// The call could not be set up. That a command does not exist is no error but how the call ends.
    pub fn call(&self, command: Command) -> Result<Call, CallError> {
        let id = self.0.next_call()?;
        let call = launch::launch(&self.0, id, command)?;
        self.0.start_sampling();
        Ok(call)
    }

    /// A hold on it for others, which doesn't keep it alive.
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.0))
    }

    /// Stops every process, until [`Sandbox::thaw`].
    ///
    /// # Errors
    /// As for [`Control::freeze`].
    pub fn freeze(&self) -> io::Result<()> {
        self.control().freeze().map(drop)
    }

    /// Lets them run on.
    ///
    /// # Errors
    /// As for [`Control::thaw`].
    pub fn thaw(&self) -> io::Result<()> {
        self.control().thaw().map(drop)
    }

    /// Kills everything in it, its init first. May be called again, and at any time.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// What it uses now.
    pub fn usage(&self) -> Usage {
        self.0.usage()
    }

    /// The folder of the scratch layer on the host's side: `tmp`, `home`, `run`, `shm` and `var-tmp` are in it, and
    /// `root` where an image's root was written.
    pub fn scratch(&self) -> BorrowedFd<'_> {
        self.0.scratch.as_fd()
    }

    /// Kills what is left, waits until all of it is gone, and has the witness told the last of it.
    pub fn end(self) -> Usage {
        self.0.end()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.0.end();
    }
}
