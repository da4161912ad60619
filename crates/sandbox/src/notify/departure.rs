//! Connections that are to leave the sandbox, where it has a gateway: asked about, and made to the gateway's listener.
//!
//! The gateway knows a connection by the address that it comes from. So the socket gets one before it is asked about, of
//! our choosing where the task chose none, and a connection that the gateway expects is made at once, by us. Nobody else can
//! come from that address in between: [`super::connect`] refuses all other ways to the listener, and connections that
//! are made later than asked for (TCP Fast Open) don't exist inside.
//!
//! Datagrams don't leave. A datagram socket may be connected to the address of a name, since that is how resolvers
//! find out which address is best (RFC 6724); what is then sent is seen by the tripwire and comes back as refused.

use super::address::Address;
use super::connect::connected;
use super::{Decision, Outcome, Scene, Tracee, describe};
use crate::gate::{self, Connection, Network, Transport};
use crate::sys::{self, seccomp::Answer};
use policy::network::{SYNTHETIC_V4, SYNTHETIC_V6};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, ipproto, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Decides about a connection to an address outside. Gives the socket back where it is refused as without a gate.
pub(super) fn decide(
    tracee: &Tracee<'_>,
    scene: &Scene<'_>,
    socket: OwnedFd,
    address: &Address,
) -> Result<Decision, OwnedFd> {
    let (Some(network), Some(destination)) = (scene.network, address.socket_address()) else {
        return Err(socket);
    };
    let whose = |source| Connection {
        source,
        destination,
        cause: network.cause.clone(),
        process: describe(tracee.task()),
    };
    match Kind::of(&socket) {
        Some(Kind::Stream(family)) if family == address.family() => {
            Ok(depart(network.network, socket, destination, whose))
        }
        Some(Kind::Datagram) if is_of_a_name(destination.ip()) => {
            Ok(watch(network.network, socket, address, whose))
        }
        _ => Err(socket),
    }
}

/// Tells the gate who talks to the resolver, if that is where `destination` is.
pub(super) fn ask(tracee: &Tracee<'_>, scene: &Scene<'_>, socket: &OwnedFd, destination: SocketAddr) {
    let Some(network) = scene.network.filter(|_| gate::is_resolver(destination)) else { return };
    let transport = match Kind::of(socket) {
        Some(Kind::Stream(_)) => Transport::Tcp,
        Some(Kind::Datagram) => Transport::Udp,
        None => return,
    };
    // Without an address of its own, its question is the run's.
    if let Ok(source) = give_address(socket, destination.is_ipv6()) {
        let (cause, process) = (network.cause.clone(), describe(tracee.task()));
        network.network.gate.ask(Connection { source, destination, cause, process }, transport);
    }
}

/// What a socket of the Internet families is for.
enum Kind {
    /// TCP, in this family.
    Stream(i32),
    Datagram,
}

impl Kind {
    fn of(socket: &OwnedFd) -> Option<Self> {
        let family = i32::from(sockopt::socket_domain(socket).ok()?.as_raw());
        if !matches!(family, libc::AF_INET | libc::AF_INET6) {
            return None;
        }
        let is_tcp = sockopt::socket_protocol(socket).ok()? == Some(ipproto::TCP);
        match sockopt::socket_type(socket).ok()? {
            SocketType::STREAM if is_tcp => Some(Self::Stream(family)),
            SocketType::DGRAM => Some(Self::Datagram),
            _ => None,
        }
    }
}

fn is_of_a_name(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => SYNTHETIC_V4.contains(&v4),
        IpAddr::V6(v6) => SYNTHETIC_V6.contains(&v6),
    }
}

fn depart(
    network: &Network,
    socket: OwnedFd,
    destination: SocketAddr,
    whose: impl FnOnce(SocketAddr) -> Connection,
) -> Decision {
    let is_v6 = is_v6(&socket);
    // One that is under way or made already: to ask again is how programs find out, and the kernel answers. Should it
    // be over by now, nobody listens at port 0.
    if !sys::socket::is_closed(socket.as_fd()) {
        let nowhere = Address::of(loopback(destination.is_ipv6()), 0, is_v6);
        return connected(socket, nowhere.as_bytes(), None);
    }
    let source = match give_address(&socket, destination.is_ipv6()) {
        Ok(source) => source,
        Err(errno) => return Decision::answer(Answer::Fail(errno)),
    };
    let listener = match network.gate.admit(whose(source)) {
        Ok(listener) => listener,
        Err(errno) => return Decision::answer(Answer::Fail(errno)),
    };
    let decision = connected(socket, Address::of(listener.ip(), listener.port(), is_v6).as_bytes(), None);
    match decision.outcome {
        Outcome::Now(Answer::Fail(errno)) if errno != Errno::INPROGRESS => network.gate.withdraw(source),
        _ => {}
    }
    decision
}

fn watch(
    network: &Network,
    socket: OwnedFd,
    address: &Address,
    whose: impl FnOnce(SocketAddr) -> Connection,
) -> Decision {
    let copy = socket.try_clone();
    let decision = connected(socket, address.as_bytes(), None);
    if let (Outcome::Now(Answer::Value(_)), Ok(Some(source))) =
        (&decision.outcome, copy.map(|copy| address_of(&copy)))
    {
        network.gate.watch(whose(source));
    }
    decision
}

fn is_v6(socket: &OwnedFd) -> bool {
    sockopt::socket_domain(socket).is_ok_and(|family| family == AddressFamily::INET6)
}

fn loopback(is_v6: bool) -> IpAddr {
    if is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
}

/// The address of a socket, if it has a port.
fn address_of(socket: &OwnedFd) -> Option<SocketAddr> {
    let address = SocketAddr::try_from(rustix::net::getsockname(socket).ok()?).ok()?;
    (address.port() != 0).then(|| SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// The address that a socket will have once it is connected to a loopback address of that family.
fn give_address(socket: &OwnedFd, to_v6: bool) -> Result<SocketAddr, Errno> {
    // A port that is only to be chosen when it is connected would be chosen too late.
    sys::socket::choose_port_when_bound(socket.as_fd())?;
    match sys::socket::bind(socket.as_fd(), Address::of(loopback(to_v6), 0, is_v6(socket)).as_bytes()) {
        // It has one. Only now is what the kernel says its address: after a connection was taken back it names the old one.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno),
    }
    // IPv6 alone, and to an IPv4 address.
    let address = address_of(socket).ok_or(Errno::NETUNREACH)?;
    let ip = if address.ip().is_unspecified() { loopback(to_v6) } else { address.ip() };
    Ok(SocketAddr::new(ip, address.port()))
}
