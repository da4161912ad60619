//! Datagrams with an address: seen, and refused where they would leave.
//!
//! These answers are for the record and for speed, not the wall: the wall is the network namespace, in which
//! there is nothing but a loopback. So a message whose address another thread changes after we looked goes
//! nowhere either. (UNIX datagram sockets, whose addresses are paths, don't exist inside.)

use super::address::Address;
use super::{Decision, Outcome, Scene, Tracee, departure};
use crate::gate;
use crate::sys::seccomp::Answer;
use event::fact::{Family, NetRefused, SocketType};
use rustix::fd::{OwnedFd, RawFd};
use rustix::io::Errno;
use std::net::SocketAddr;

pub(super) fn decide_sendto(tracee: &Tracee<'_>, scene: &Scene<'_>) -> Decision {
    Message { tracee, scene, syscall: "sendto", flags: tracee.argument(3) }
        .decide(tracee.argument(4), tracee.argument(5))
}

pub(super) fn decide_sendmsg(tracee: &Tracee<'_>, scene: &Scene<'_>) -> Decision {
    Message { tracee, scene, syscall: "sendmsg", flags: tracee.argument(2) }.decide_header(tracee.argument(1))
}

/// All messages of a batch: if one of them would leave, none is sent.
pub(super) fn decide_sendmmsg(tracee: &Tracee<'_>, scene: &Scene<'_>) -> Decision {
    /// `UIO_MAXIOV`, and the size of `struct mmsghdr`.
    const MESSAGES_MAX: u64 = 1024;
    const MESSAGE: u64 = 64;
    let count = (tracee.argument(2) & 0xffff_ffff).min(MESSAGES_MAX);
    for index in 0..count {
        let message = Message { tracee, scene, syscall: "sendmmsg", flags: tracee.argument(3) };
        let decision = message.decide_header(tracee.argument(1).wrapping_add(index * MESSAGE));
        if !matches!(decision.outcome, Outcome::Now(Answer::Continue)) {
            return decision;
        }
    }
    Decision::answer(Answer::Continue)
}

/// One message that is to be sent.
struct Message<'a> {
    tracee: &'a Tracee<'a>,
    scene: &'a Scene<'a>,
    syscall: &'static str,
    flags: u64,
}

impl Message<'_> {
    /// `struct msghdr` begins with the address and its length.
    fn decide_header(&self, header: u64) -> Decision {
        let mut bytes = [0; 16];
        if let Err(errno) = self.tracee.copy(header, &mut bytes) {
            return Decision::answer(Answer::Fail(errno));
        }
        self.decide(u64::from_ne_bytes(first(&bytes)), u64::from_ne_bytes(first(&bytes[8..])))
    }

    fn decide(&self, place: u64, length: u64) -> Decision {
        if place == 0 {
            return Decision::answer(Answer::Continue);
        }
        // An address that can't be read can't be sent to either.
        let address = match Address::copy(self.tracee, place, length) {
            Ok(address) => address,
            Err(errno) => return Decision::answer(Answer::Fail(errno)),
        };
        match address.socket_address() {
            Some(_) if !address.is_local() => self.refuse(&address),
            // It would connect, past all that is decided about connections.
            Some(_) if self.is_fast_open() => Decision::answer(Answer::Fail(Errno::OPNOTSUPP)),
            Some(destination) => {
                self.ask(destination);
                Decision::answer(Answer::Continue)
            }
            None => Decision::answer(Answer::Continue),
        }
    }

    fn is_fast_open(&self) -> bool {
        self.flags & libc::MSG_FASTOPEN as u64 != 0
    }

    fn socket(&self) -> Option<OwnedFd> {
        self.tracee.descriptor(self.tracee.argument(0) as RawFd).ok()
    }

    fn ask(&self, destination: SocketAddr) {
        if self.scene.network.is_some()
            && gate::is_resolver(destination)
            && let Some(socket) = self.socket()
        {
            departure::give_address(&socket, destination.is_ipv6());
            departure::ask(self.tracee, self.scene, &socket, destination);
        }
    }

    fn refuse(&self, address: &Address) -> Decision {
        let kind = self.socket().and_then(|socket| rustix::net::sockopt::socket_type(socket).ok());
        let kind = kind.map_or(libc::SOCK_DGRAM, |kind| kind.as_raw().cast_signed());
        // A program whose kernel has no TCP Fast Open connects; and that is decided about.
        let can_connect = self.scene.network.is_some() && self.is_fast_open();
        let errno = if can_connect { Errno::OPNOTSUPP } else { Errno::NETUNREACH };
        let fact = NetRefused {
            syscall: self.syscall.into(),
            family: Family::from_raw(address.family()),
            socket_type: SocketType::from_raw(kind),
            protocol: None,
            destination: Some(address.destination()),
            errno: crate::errno::name(errno.raw_os_error()).into(),
        };
        Decision::refuse(errno, fact)
    }
}

fn first(bytes: &[u8]) -> [u8; 8] {
    bytes.first_chunk().copied().unwrap_or_default()
}
