//! `connect(2)`: decided on a copy of the address, and done by us on the task's own socket.
//!
//! The task is never told to go on with the address in its memory, nor with whatever its descriptor number
//! means by then: both could have changed. We take the open socket itself (`pidfd_getfd(2)`) and connect that, to
//! the address that was checked. Options, epoll registrations and the non-blocking state are the socket's, and stay.
//!
//! - Outside addresses: refused, as a host without a route would; or by way of the gateway (see [`departure`]).
//! - The sandbox's own loopback: connected. If the socket blocks, so does the task, until it is done.
//! - UNIX sockets: abstract names are the network namespace's own. A path must lead to the scratch layer: a socket
//!   in the workspace or another shared folder may be one that the host listens on.

use super::address::Address;
use super::{Decision, Outcome, Scene, Tracee, departure};
use crate::sys::{self, seccomp::Answer};
use event::fact::{Family, NetRefused, SocketType};
use rustix::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::net::sockopt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) fn decide(tracee: &Tracee<'_>, scene: &Scene<'_>) -> Decision {
    let address = match Address::copy(tracee, tracee.argument(1), tracee.argument(2)) {
        Ok(address) => address,
        Err(errno) => return Decision::answer(Answer::Fail(errno)),
    };
    let leaves = address.internet().is_some() && !address.is_local();
    let socket = match tracee.descriptor(tracee.argument(0) as RawFd) {
        Ok(socket) => socket,
        // No socket, no connection; that it was tried is told all the same.
        Err(errno) if leaves => return refuse(None, &address, errno),
        Err(Errno::BADF) => return Decision::answer(Answer::Fail(Errno::BADF)),
        Err(_) => return Decision::blind(Errno::ACCESS, "a socket to be connected could not be taken"),
    };
    let Ok(domain) = sockopt::socket_domain(&socket) else {
        return Decision::answer(Answer::Fail(Errno::NOTSOCK));
    };
    match (i32::from(domain.as_raw()), address.family()) {
        // Takes a connection back (connect(2)); a stream socket answers as it likes.
        (_, libc::AF_UNSPEC) => connected(socket, address.as_bytes(), None),
        (libc::AF_INET | libc::AF_INET6, _) if address.is_local() => own(tracee, scene, socket, &address),
        (libc::AF_UNIX, libc::AF_UNIX) => unix(tracee, scene, socket, &address),
        (libc::AF_NETLINK, libc::AF_NETLINK) => connected(socket, address.as_bytes(), None),
        _ => departure::decide(tracee, scene, socket, &address)
            .unwrap_or_else(|socket| refuse(Some(&socket), &address, Errno::NETUNREACH)),
    }
}

/// The sandbox's own loopback. Connections to the gateway's listener there are made by us alone.
fn own(tracee: &Tracee<'_>, scene: &Scene<'_>, socket: OwnedFd, address: &Address) -> Decision {
    let (Some(exit), Some(destination)) = (scene.network, address.socket_address()) else {
        return connected(socket, address.as_bytes(), None);
    };
    if exit.network.is_listener(destination) {
        return refuse(Some(&socket), address, Errno::CONNREFUSED);
    }
    let copy = socket.try_clone();
    let decision = connected(socket, address.as_bytes(), None);
    // The task goes on when it is answered: it has asked nothing yet.
    if let Ok(copy) = copy {
        departure::ask(tracee, scene, &copy, destination);
    }
    decision
}

fn refuse(socket: Option<&OwnedFd>, address: &Address, errno: Errno) -> Decision {
    let kind = socket.and_then(|socket| sockopt::socket_type(socket).ok());
    let kind = kind.map_or(0, |kind| kind.as_raw().cast_signed());
    let fact = NetRefused {
        syscall: "connect".into(),
        family: Family::from_raw(address.family()),
        socket_type: SocketType::from_raw(kind),
        protocol: None,
        destination: Some(address.destination()),
        errno: crate::errno::name(errno.raw_os_error()).into(),
    };
    Decision::refuse(errno, fact)
}

/// A connection to be made: the task's socket, the copied address, and in whose name where that is not ours.
pub(crate) struct Attempt {
    socket: OwnedFd,
    target: Vec<u8>,
    identity: Option<(u32, u32)>,
    /// What a pinned address names must stay open.
    _file: Option<OwnedFd>,
}

impl Attempt {
    /// Connects without ever waiting. The flag belongs to the open socket, so that it is set for a moment only.
    pub(crate) fn make(&self) -> Result<(), Errno> {
        let blocks = self.blocks();
        if blocks {
            set_blocking(&self.socket, false)?;
        }
        let mut result = self.connect();
        // On a loopback it is done by now, and to ask again is what tells.
        if blocks && result == Err(Errno::INPROGRESS) {
            result = match self.connect() {
                Err(Errno::ALREADY) => Err(Errno::INPROGRESS),
                Err(Errno::ISCONN) => Ok(()),
                other => other,
            };
        }
        if blocks {
            set_blocking(&self.socket, true)?;
        }
        result
    }

    fn connect(&self) -> Result<(), Errno> {
        match self.identity {
            Some(identity) => sys::socket::connect_as(self.socket.as_fd(), &self.target, identity),
            None => sys::socket::connect(self.socket.as_fd(), &self.target),
        }
    }

    fn blocks(&self) -> bool {
        rustix::fs::fcntl_getfl(&self.socket).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK))
    }

    fn decide(self) -> Decision {
        let outcome = match self.make() {
            Ok(()) => Outcome::Now(Answer::Value(0)),
            Err(Errno::INPROGRESS) if self.blocks() => Outcome::WhenConnected(self.socket),
            // A UNIX listener whose queue is full: nothing tells when it isn't any more.
            Err(Errno::AGAIN) if self.blocks() => Outcome::WhenRoom(Box::new(self)),
            Err(errno) => Outcome::Now(Answer::Fail(errno)),
        };
        Decision { outcome, sighting: None }
    }
}

pub(super) fn connected(socket: OwnedFd, target: &[u8], identity: Option<(u32, u32)>) -> Decision {
    Attempt { socket, target: target.to_owned(), identity, _file: None }.decide()
}

fn set_blocking(socket: &OwnedFd, blocking: bool) -> Result<(), Errno> {
    let mut flags = rustix::fs::fcntl_getfl(socket)?;
    flags.set(OFlags::NONBLOCK, !blocking);
    rustix::fs::fcntl_setfl(socket, flags)
}

fn unix(tracee: &Tracee<'_>, scene: &Scene<'_>, socket: OwnedFd, address: &Address) -> Decision {
    let Some(path) = address.path() else { return connected(socket, address.as_bytes(), scene.identity) };
    let file = match open_socket_file(tracee, scene, Path::new(std::ffi::OsStr::from_bytes(path))) {
        Ok(file) => file,
        Err(errno) => return Decision::answer(Answer::Fail(errno)),
    };
    if !rustix::fs::fstat(&file).is_ok_and(|stat| scene.written.is_on(stat.st_dev)) {
        return refuse(Some(&socket), address, Errno::CONNREFUSED);
    }
    // The file that was checked, by its descriptor: no path is looked up again.
    let mut pinned = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    pinned.extend(format!("/proc/self/fd/{}\0", file.as_fd().as_raw_fd()).as_bytes());
    Attempt { socket, target: pinned, identity: scene.identity, _file: Some(file) }.decide()
}

/// Finds the file that a path of the task means.
fn open_socket_file(tracee: &Tracee<'_>, scene: &Scene<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    super::execution::open_inside(
        tracee,
        scene,
        None,
        path,
        OFlags::PATH,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    )
}
