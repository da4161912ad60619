//! Datagrams with an address: seen, and refused where they would leave.
//!
//! These answers are for the record and for speed, not the wall: the wall is the network namespace, in which
//! there is nothing but a loopback. So a message whose address another thread changes after we looked goes
//! nowhere either. (UNIX datagram sockets, whose addresses are paths, don't exist inside.)

use super::address::Address;
use super::{Decision, Outcome, Tracee};
use crate::sys::seccomp::Answer;
use event::fact::{Family, NetRefused, SocketType};
use rustix::fd::RawFd;
use rustix::io::Errno;

pub(super) fn decide_sendto(tracee: &Tracee<'_>) -> Decision {
    decide(tracee, "sendto", tracee.argument(4), tracee.argument(5))
}

pub(super) fn decide_sendmsg(tracee: &Tracee<'_>) -> Decision {
    decide_header(tracee, "sendmsg", tracee.argument(1))
}

/// All messages of a batch: if one of them would leave, none is sent.
pub(super) fn decide_sendmmsg(tracee: &Tracee<'_>) -> Decision {
    /// `UIO_MAXIOV`, and the size of `struct mmsghdr`.
    const MESSAGES_MAX: u64 = 1024;
    const MESSAGE: u64 = 64;
    let count = (tracee.argument(2) & 0xffff_ffff).min(MESSAGES_MAX);
    for index in 0..count {
        let decision = decide_header(tracee, "sendmmsg", tracee.argument(1).wrapping_add(index * MESSAGE));
        if !matches!(decision.outcome, Outcome::Now(Answer::Continue)) {
            return decision;
        }
    }
    Decision::answer(Answer::Continue)
}

/// `struct msghdr` begins with the address and its length.
fn decide_header(tracee: &Tracee<'_>, syscall: &'static str, header: u64) -> Decision {
    let mut bytes = [0; 16];
    if let Err(errno) = tracee.copy(header, &mut bytes) {
        return Decision::answer(Answer::Fail(errno));
    }
    let (address, length) = (u64::from_ne_bytes(first(&bytes)), u64::from_ne_bytes(first(&bytes[8..])));
    decide(tracee, syscall, address, length)
}

fn first(bytes: &[u8]) -> [u8; 8] {
    bytes.first_chunk().copied().unwrap_or_default()
}

fn decide(tracee: &Tracee<'_>, syscall: &'static str, place: u64, length: u64) -> Decision {
    if place == 0 {
        return Decision::answer(Answer::Continue);
    }
    // An address that can't be read can't be sent to either.
    let address = match Address::copy(tracee, place, length) {
        Ok(address) => address,
        Err(errno) => return Decision::answer(Answer::Fail(errno)),
    };
    if address.internet().is_none() || address.is_local() {
        return Decision::answer(Answer::Continue);
    }
    let kind = tracee
        .descriptor(tracee.argument(0) as RawFd)
        .ok()
        .and_then(|fd| rustix::net::sockopt::socket_type(fd).ok());
    let fact = NetRefused {
        syscall: syscall.into(),
        family: Family::from_raw(address.family()),
        socket_type: SocketType::from_raw(kind.map_or(libc::SOCK_DGRAM, |kind| kind.as_raw().cast_signed())),
        protocol: None,
        destination: Some(address.destination()),
        errno: "ENETUNREACH".into(),
    };
    Decision::refuse(Errno::NETUNREACH, fact)
}
