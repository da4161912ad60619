//! Connections that are to leave the sandbox, where it has a gateway: asked about, and made to the gateway's listener.
//!
//! The gateway knows a connection by the address that it comes from, which the kernel chooses when it is made. Between then
//! and the moment that the gateway is told, nobody else can come from there: the address is taken as long as we hold the
//! socket, [`super::connect`] refuses all other ways to the listener, and connections that are made later than asked
//! for (TCP Fast Open) don't exist inside.
//!
//! Datagrams don't leave. A datagram socket may be connected to the address of a name, since that is how resolvers
//! find out which address is best (RFC 6724); what is then sent is seen by the tripwire and comes back as refused.

use super::address::Address;
use super::connect::connected;
use super::{Decision, Outcome, Scene, Tracee, WayOut, describe};
use crate::gate::{self, Network, Transport, Wanted};
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
    let wanted = wanted(tracee, network, destination);
    match Kind::of(&socket) {
        Some(Kind::Stream(family)) if family == address.family() => {
            Ok(depart(network.network, socket, wanted))
        }
        Some(Kind::Datagram) if is_of_a_name(destination.ip()) => {
            Ok(watch(network.network, socket, address, wanted))
        }
        _ => Err(socket),
    }
}

/// Tells the gate who talks to the resolver, if that is where `destination` is, from a socket that has an address.
pub(super) fn ask(tracee: &Tracee<'_>, scene: &Scene<'_>, socket: &OwnedFd, destination: SocketAddr) {
    let Some(network) = scene.network.filter(|_| gate::is_resolver(destination)) else { return };
    let transport = match Kind::of(socket) {
        Some(Kind::Stream(_)) => Transport::Tcp,
        Some(Kind::Datagram) => Transport::Udp,
        None => return,
    };
    // Without an address of its own, its question is the run's.
    if let Some(source) = address_of(socket, destination.is_ipv6()) {
        network.network.gate.ask(source, wanted(tracee, network, destination), transport);
    }
}

/// Gives a datagram socket the address now that it would get when it sends to the loopback.
pub(super) fn give_address(socket: &OwnedFd, to_v6: bool) {
    // One that has an address refuses another.
    let _ = sys::socket::bind(socket.as_fd(), Address::of(loopback(to_v6), 0, is_v6(socket)).as_bytes());
}

fn wanted(tracee: &Tracee<'_>, network: WayOut<'_>, destination: SocketAddr) -> Wanted {
    Wanted { destination, cause: network.cause.clone(), process: describe(tracee.task()) }
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

fn depart(network: &Network, socket: OwnedFd, wanted: Wanted) -> Decision {
    let (is_v6, to_v6) = (is_v6(&socket), wanted.destination.is_ipv6());
    // One that is under way or made already: to ask again is how programs find out, and the kernel answers. Should it
    // be over by now, nobody listens at port 0.
    if !sys::socket::is_closed(socket.as_fd()) {
        let nowhere = Address::of(loopback(to_v6), 0, is_v6);
        return connected(socket, nowhere.as_bytes(), None);
    }
    // To a socket for IPv6 alone, no IPv4 address leads anywhere.
    let Ok(copy) = socket.try_clone() else { return Decision::answer(Answer::Fail(Errno::NOBUFS)) };
    let admission = match network.gate.admit(wanted) {
        Ok(admission) => admission,
        Err(errno) => return Decision::answer(Answer::Fail(errno)),
    };
    let listener = Address::of(admission.listener.ip(), admission.listener.port(), is_v6);
    let decision = connected(socket, listener.as_bytes(), None);
    let is_made =
        !matches!(decision.outcome, Outcome::Now(Answer::Fail(errno)) if errno != Errno::INPROGRESS);
    match address_of(&copy, to_v6).filter(|_| is_made) {
        Some(source) => match network.gate.expect(admission.ticket, source) {
            Ok(()) => decision,
            Err(errno) => {
                sys::socket::take_back(copy.as_fd());
                Decision::answer(Answer::Fail(errno))
            }
        },
        None => {
            network.gate.withdraw(admission.ticket);
            decision
        }
    }
}

fn watch(network: &Network, socket: OwnedFd, address: &Address, wanted: Wanted) -> Decision {
    let copy = socket.try_clone();
    let to_v6 = wanted.destination.is_ipv6();
    let decision = connected(socket, address.as_bytes(), None);
    if let (Outcome::Now(Answer::Value(_)), Ok(Some(source))) =
        (&decision.outcome, copy.map(|copy| address_of(&copy, to_v6)))
    {
        network.gate.watch(source, wanted);
    }
    decision
}

fn is_v6(socket: &OwnedFd) -> bool {
    sockopt::socket_domain(socket).is_ok_and(|family| family == AddressFamily::INET6)
}

fn loopback(is_v6: bool) -> IpAddr {
    if is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
}

/// The address of a socket, if it has a port: as the loopback of that family sees it.
fn address_of(socket: &OwnedFd, on_v6: bool) -> Option<SocketAddr> {
    let address = SocketAddr::try_from(rustix::net::getsockname(socket).ok()?).ok()?;
    let ip = address.ip().to_canonical();
    let ip = if ip.is_unspecified() { loopback(on_v6) } else { ip };
    (address.port() != 0).then(|| SocketAddr::new(ip, address.port()))
}
