//! Where a sandbox's network ends: what a gateway has to be for it.
//!
//! A sandbox whose setup names a [`Gateway`] gets sockets in its network for it, and each stream connection that is to leave
//! is asked about before it is made. Who asks is known exactly: the process waits in its system call, and the socket is its
//! own. What may pass is the gateway's matter; this crate sees to it that nothing gets there by another way.

use crate::protocol;
use crate::sys;
use crate::witness::Witness;
use event::{Cause, Process};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

/// Gives sandboxes a network.
pub trait Gateway: Debug + Send + Sync {
    /// Serves a sandbox from now on, until the gate is dropped. Called once for each, before its first call.
    ///
    /// # Errors
    /// There will be no gate, and so no sandbox.
    fn open(&self, sockets: Sockets, witness: Arc<dyn Witness>) -> io::Result<Box<dyn Gate>>;
}

/// What a gateway does for one sandbox. All of it is asked by the supervisor's one waiting thread: nothing may wait.
/// Dropped when the last process of the sandbox is gone, and before the witness is told so.
pub trait Gate: Debug + Send + Sync {
    /// Whether a connection may come to the gateway, and how. It is made at once, and then either
    /// [expected](Gate::expect) or [withdrawn](Gate::withdraw); it may reach the listener before either.
    ///
    /// # Errors
    /// What its process gets instead. The gate has recorded it, unless there is no network of that family at all.
    fn admit(&self, wanted: Wanted) -> Result<Admission, Errno>;

    /// The connection was made, and comes from this address.
    ///
    /// # Errors
    /// What its process gets: the connection is taken back.
    fn expect(&self, ticket: Ticket, source: SocketAddr) -> Result<(), Errno>;

    /// The connection could not be made.
    fn withdraw(&self, ticket: Ticket);

    /// A process talks to the resolver from this address.
    fn ask(&self, source: SocketAddr, wanted: Wanted, transport: Transport);

    /// A process has a datagram socket with this address that may send to the address of a name.
    fn watch(&self, source: SocketAddr, wanted: Wanted);
}

/// The number of a connection between its admission and the moment that its source is known.
pub type Ticket = u64;

/// A connection that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The listener that it has to be made to.
    pub listener: SocketAddr,
    /// What it is called until its source is known.
    pub ticket: Ticket,
}

/// Where a process wants to get, and whose it is.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it wants to. An IPv4 address is one, however it was written.
    pub destination: SocketAddr,
    /// The call that it belongs to.
    pub cause: Cause,
    /// The process that wants it.
    pub process: Process,
}

/// How something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In datagrams.
    Udp,
    /// In a stream.
    Tcp,
}

/// Sockets on the loopback of a sandbox's network, none of which waits. There may be none of IPv6.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Take the connections that were admitted; of each family at most one.
    pub listeners: Vec<TcpListener>,
    /// Take questions for names at port 53.
    pub resolver_datagrams: Vec<UdpSocket>,
    /// As well.
    pub resolver_streams: Vec<TcpListener>,
    /// See each packet that is sent to an address of a name: packet sockets that give it from its network header on, and at
    /// least 128 bytes of it.
    pub tripwires: Vec<OwnedFd>,
}

impl Sockets {
    pub(crate) fn add(&mut self, kind: protocol::Socket, socket: OwnedFd) {
        match kind {
            protocol::Socket::Listener => self.listeners.push(socket.into()),
            protocol::Socket::ResolverDatagrams => self.resolver_datagrams.push(socket.into()),
            protocol::Socket::ResolverStreams => self.resolver_streams.push(socket.into()),
            protocol::Socket::Tripwire => self.tripwires.push(socket),
        }
    }
}

/// What the kernel measured of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures {
    /// The smoothed round-trip time, in microseconds.
    pub rtt_us: u32,
    /// Segments that were sent again.
    pub retransmitted: u32,
}

impl Measures {
    /// Those of a TCP socket (tcp(7), `TCP_INFO`).
    pub fn of(socket: BorrowedFd<'_>) -> Option<Self> {
        sys::socket::measures(socket).map(|(rtt_us, retransmitted)| Self { rtt_us, retransmitted })
    }
}

/// The port of resolvers.
const DOMAIN: u16 = 53;

/// A sandbox's gate, and what has to be known of its sockets.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) gate: Box<dyn Gate>,
    listeners: Vec<SocketAddr>,
}

impl Network {
    pub(crate) fn open(
        gateway: &dyn Gateway,
        sockets: Sockets,
        witness: Arc<dyn Witness>,
    ) -> io::Result<Self> {
        let listeners =
            sockets.listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        if listeners.is_empty() {
            return Err(io::Error::other("the sandbox's init made no socket for the gateway"));
        }
        Ok(Self { gate: gateway.open(sockets, witness)?, listeners })
    }

    /// Whether an address of the sandbox's own leads to the gateway's listener. An unspecified one may lead to either
    /// family's: for `::` the kernel takes 127.0.0.1 where the socket is bound to an IPv4 address.
    pub(crate) fn is_listener(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let leads_to = |listener: &SocketAddr| {
            listener.port() == address.port() && (ip.is_unspecified() || listener.ip() == ip)
        };
        self.listeners.iter().any(leads_to)
    }
}

/// Whether the resolver is meant.
pub(crate) fn is_resolver(address: SocketAddr) -> bool {
    address.port() == DOMAIN && own(address.ip()).is_loopback()
}

/// The loopback's address where any of the own ones will do.
pub(crate) fn own(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}
