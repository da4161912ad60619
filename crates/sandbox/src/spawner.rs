//! The thread that starts inits.
//!
//! The kernel kills an init when the thread that made it ends (`PR_SET_PDEATHSIG`), not the process: so all are
//! made by one thread that lives as long as the supervisor, whichever threads ask for sandboxes.
//!
//! A network namespace is the dearest part of a start. As root the thread makes one ahead, while it has nothing else to do;
//! a user can't, because it would have to belong to the sandbox's own user namespace. One that was made ahead belongs to
//! the host's, which gives the sandbox no right over it.

use crate::sys::clone::{self, Child, Start};
use crate::sys::{network, process};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::ffi::CString;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// A program to start; see [`Start`].
pub(crate) struct Request {
    pub(crate) program: Arc<OwnedFd>,
    pub(crate) arguments: Vec<CString>,
    pub(crate) socket: OwnedFd,
    pub(crate) namespaces: u64,
    pub(crate) cgroup: Option<OwnedFd>,
    /// Whether its network namespace has to belong to its own user namespace.
    pub(crate) rules_network: bool,
}

type Order = (Request, SyncSender<Result<Child, Errno>>);

/// Asks the thread.
#[derive(Clone, Debug)]
pub(crate) struct Spawner(Sender<Order>);

impl Spawner {
    /// Starts the thread; it ends with the last copy of what is returned.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, orders) = channel();
        thread::Builder::new().name("aurelian-spawner".into()).spawn(move || serve(&orders))?;
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

fn serve(orders: &Receiver<Order>) {
    let mut networks = rustix::process::geteuid().is_root().then(Networks::new).and_then(Result::ok);
    let mut order = orders.recv().ok();
    while let Some((request, reply)) = order {
        let started = run(&request, networks.as_mut());
        // The program has its end of the socket now; with a second one here nobody would be told of its end.
        drop(request);
        let _ = reply.send(started);
        // Before the first sandbox comes there is nothing yet to take the processor from.
        let calm =
            if networks.as_ref().is_some_and(|networks| networks.used == 0) { Duration::ZERO } else { CALM };
        order = match orders.recv_timeout(calm) {
            Err(RecvTimeoutError::Timeout) => {
                if let Some(networks) = &mut networks {
                    networks.make_one_ahead();
                }
                orders.recv().ok()
            }
            received => received.ok(),
        };
    }
}

/// How long the thread leaves its processor to what it has just started.
const CALM: Duration = Duration::from_millis(5);

fn run(request: &Request, networks: Option<&mut Networks>) -> Result<Child, Errno> {
    let arguments: Vec<_> = request.arguments.iter().map(CString::as_c_str).collect();
    let mut start = Start {
        program: request.program.as_fd(),
        arguments: &arguments,
        socket: request.socket.as_fd(),
        namespaces: request.namespaces,
        cgroup: request.cgroup.as_ref().map(AsFd::as_fd),
    };
    let wants_network = request.namespaces & NEW_NETWORK != 0;
    let networks = networks.map(|networks| networks.counted(wants_network));
    match networks.filter(|networks| wants_network && !request.rules_network && networks.ready.is_some()) {
        Some(networks) => {
            start.namespaces &= !NEW_NETWORK;
            networks.within_the_next(|| clone::start(&start))
        }
        None => clone::start(&start),
    }
}

const NEW_NETWORK: u64 = libc::CLONE_NEWNET as u64;

/// Network namespaces that are made ahead, with their loopback up.
struct Networks {
    home: OwnedFd,
    ready: Option<OwnedFd>,
    /// How many sandboxes were started.
    used: u32,
}

impl Networks {
    fn new() -> Result<Self, Errno> {
        Ok(Self { home: network::current()?, ready: None, used: 0 })
    }

    fn counted(&mut self, is_used: bool) -> &mut Self {
        self.used = self.used.saturating_add(is_used.into());
        self
    }

    /// Starts a process in the namespace that is ready, which nobody else gets.
    fn within_the_next(&mut self, start: impl FnOnce() -> Result<Child, Errno>) -> Result<Child, Errno> {
        network::enter(self.ready.take().ok_or(Errno::SRCH)?.as_fd())?;
        let started = start();
        if let (Err(errno), Ok(child)) = (self.come_home(), &started) {
            let _ = process::send_signal(child.pidfd.as_fd(), libc::SIGKILL);
            let _ = child.reap();
            return Err(errno);
        }
        started
    }

    /// Without one a sandbox's start makes its own.
    fn make_one_ahead(&mut self) {
        // Many supervisors start one sandbox, some start thousands.
        let is_wanted = self.ready.is_none() && self.used != 1;
        if is_wanted && network::enter_new().is_ok() {
            let made = network::loopback_up().and_then(|()| network::current());
            let home = self.come_home();
            self.ready = made.ok().filter(|_| home.is_ok());
        }
    }

    /// Nothing but that sandbox may be in it.
    fn come_home(&self) -> Result<(), Errno> {
        network::enter(self.home.as_fd())
    }
}
