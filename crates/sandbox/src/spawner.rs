//! The thread that starts inits.
//!
//! The kernel kills an init when the thread that made it ends (`PR_SET_PDEATHSIG`), not the process: so all are
//! made by one thread that lives as long as the supervisor, whichever threads ask for sandboxes.

use crate::sys::clone::{self, Child, Start};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::ffi::CString;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// A program to start; see [`Start`].
pub(crate) struct Request {
    pub(crate) program: Arc<OwnedFd>,
    pub(crate) arguments: Vec<CString>,
    pub(crate) socket: OwnedFd,
    pub(crate) namespaces: u64,
    pub(crate) cgroup: Option<OwnedFd>,
}

/// Asks the thread.
#[derive(Clone, Debug)]
pub(crate) struct Spawner(Sender<(Request, SyncSender<Result<Child, Errno>>)>);

impl Spawner {
    /// Starts the thread; it ends with the last copy of what is returned.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, requests) = channel::<(Request, SyncSender<Result<Child, Errno>>)>();
        thread::Builder::new().name("aurelian-spawner".into()).spawn(move || {
            for (request, reply) in requests {
                let _ = reply.send(run(&request));
            }
        })?;
        Ok(Self(sender))
    }

    /// Starts a program, and waits until it executes.
    pub(crate) fn spawn(&self, request: Request) -> Result<Child, Errno> {
        self.order(request).wait()
    }

    /// Has a program started while the caller goes on.
    pub(crate) fn order(&self, request: Request) -> Ordered {
        let (reply, answer) = sync_channel(1);
        // If the thread is gone, so is the reply's sender, and waiting tells.
        let _ = self.0.send((request, reply));
        Ordered(answer)
    }
}

/// A program that is being started.
#[must_use = "a program that nobody waits for runs on"]
pub(crate) struct Ordered(Receiver<Result<Child, Errno>>);

impl Ordered {
    pub(crate) fn wait(self) -> Result<Child, Errno> {
        self.0.recv().map_err(|_| Errno::CANCELED)?
    }
}

fn run(request: &Request) -> Result<Child, Errno> {
    let arguments: Vec<_> = request.arguments.iter().map(CString::as_c_str).collect();
    clone::start(&Start {
        program: request.program.as_fd(),
        arguments: &arguments,
        socket: request.socket.as_fd(),
        namespaces: request.namespaces,
        cgroup: request.cgroup.as_ref().map(AsFd::as_fd),
    })
}
