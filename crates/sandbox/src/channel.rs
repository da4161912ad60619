//! The socket between the supervisor and an init, or a child of it that becomes a call.

use crate::protocol::{Fields, MESSAGE_MAX, Order, Report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use rustix::process::Pid;
use std::mem::MaybeUninit;
use std::time::Duration;

/// Our end.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// A message from the other end.
pub(crate) struct Received {
    bytes: Vec<u8>,
    /// A descriptor that came with it.
    pub(crate) descriptor: Option<OwnedFd>,
    /// Who sent it, as the kernel says.
    pub(crate) sender: Option<Pid>,
}

impl Received {
    /// What it is, and its fields. `None`: it is no message of ours.
    pub(crate) fn report(&self) -> Option<(Report, Fields<'_>)> {
        let mut fields = Fields::new(&self.bytes);
        let report = Report::from_code(fields.byte()?)?;
        Some((report, fields))
    }
}

/// Descriptors in one message at most (`SCM_MAX_FD`).
pub(crate) const DESCRIPTORS_MAX: usize = 253;

impl Channel {
    /// Our end, and the other. The kernel names the sender of each message that we get.
    pub(crate) fn pair() -> Result<(Self, OwnedFd), Errno> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_passcred(&ours, true)?;
        Ok((Self(ours), theirs))
    }

    /// Sends an order.
    pub(crate) fn order(
        &self,
        order: Order,
        fields: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Errno> {
        let code = [order as u8];
        let parts = [IoSlice::new(&code), IoSlice::new(fields)];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Errno::TOOBIG);
        }
        sendmsg(&self.0, &parts, &mut control, SendFlags::NOSIGNAL).map(drop)
    }

    /// Tells a child that waits that it may go on.
    pub(crate) fn give_leave(&self) -> Result<(), Errno> {
        rustix::net::send(&self.0, b"g", SendFlags::NOSIGNAL).map(drop)
    }

    /// The next message, if one comes within `patience`. `Ok(None)`: the other end is gone.
    pub(crate) fn receive(&self, patience: Duration) -> Result<Option<Received>, Errno> {
        if !readable(&[self.as_fd()], patience)?.first().copied().unwrap_or(false) {
            return Err(Errno::TIMEDOUT);
        }
        self.receive_now()
    }

    /// The next message, that has come already.
    pub(crate) fn receive_now(&self) -> Result<Option<Received>, Errno> {
        let mut bytes = vec![0; MESSAGE_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1), ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
        if received.bytes == 0 {
            return Ok(None);
        }
        bytes.truncate(received.bytes);
        let (mut descriptor, mut sender) = (None, None);
        for message in control.drain() {
            match message {
                RecvAncillaryMessage::ScmRights(descriptors) => descriptor = descriptors.last(),
                RecvAncillaryMessage::ScmCredentials(credentials) => sender = Some(credentials.pid),
                _ => {}
            }
        }
        Ok(Some(Received { bytes, descriptor, sender }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Which of the descriptors can be read, once one can or `patience` is over.
pub(crate) fn readable(descriptors: &[BorrowedFd<'_>], patience: Duration) -> Result<Vec<bool>, Errno> {
    let mut entries: Vec<_> = descriptors.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    let patience = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    loop {
        match poll(&mut entries, Some(&patience)) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(entries.iter().map(|entry| !entry.revents().is_empty()).collect()),
        }
    }
}
