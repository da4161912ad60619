//! The network inside: a loopback and, where the run may get out, what the gateway needs there.
//!
//! The gateway's sockets are made here, before any process of the agent exists and while a low port can still be had, and
//! go to the supervisor at once: none stays open inside. Addresses of names are the sandbox's own, by two local routes, so
//! that a program can ask the kernel for a way to them; nothing listens there, and a datagram to one comes back as refused
//! and is seen by the tripwire. What cannot be had in IPv6 is left out: then there is none, as on many hosts.

use crate::SUPERVISOR;
use crate::protocol::{Message, Report, Socket};
use crate::sys::{self, Errno, Fd};

const AF_INET: usize = 2;
const AF_NETLINK: usize = 16;
const AF_INET6: usize = 10;
const AF_PACKET: usize = 17;
const SOCK_STREAM: usize = 1;
const SOCK_DGRAM: usize = 2;
const SOCK_RAW: usize = 3;
const SOCK_NONBLOCK: usize = 0o4000;

const NR_SENDTO: usize = 44;
const NR_RECVFROM: usize = 45;
const NR_BIND: usize = 49;
const NR_LISTEN: usize = 50;
const NR_SETSOCKOPT: usize = 54;

/// The loopback's number in every network namespace.
const LOOPBACK: u32 = 1;
/// The port of resolvers (RFC 1035, 4.2).
const DOMAIN: u16 = 53;
/// As many as the kernel lets wait by default (`SOMAXCONN`).
const BACKLOG: usize = 4096;

/// Brings the loopback up.
pub fn loopback_up() -> Result<(), Errno> {
    const SIOCGIFFLAGS: usize = 0x8913;
    const SIOCSIFFLAGS: usize = 0x8914;
    const IFF_UP: u8 = 1;
    let mut request = [0u8; 40];
    request[..2].copy_from_slice(b"lo");
    let socket = socket(AF_INET, SOCK_DGRAM, 0)?;
    let mut result = sys::call(sys::NR_IOCTL, [socket, SIOCGIFFLAGS, request.as_mut_ptr() as usize, 0, 0, 0]);
    // A namespace that was made ahead has it up, and is not ours to change.
    if result.is_ok() && request[16] & IFF_UP == 0 {
        request[16] |= IFF_UP;
        result = sys::call(sys::NR_IOCTL, [socket, SIOCSIFFLAGS, request.as_ptr() as usize, 0, 0, 0]);
    }
    sys::close(socket);
    result.map(drop)
}

/// The addresses of names: a prefix of each family, that of IPv6 with 64 bits.
pub struct Addresses {
    pub v4: u32,
    pub v4_length: u8,
    pub v6: u64,
}

/// Makes the gateway's sockets and the routes, and hands the sockets to the supervisor.
pub fn prepare(addresses: &Addresses) -> Result<(), Errno> {
    let v4 = addresses.v4.to_be_bytes();
    route(AF_INET, &v4, addresses.v4_length)?;
    let (local, filter) = (Local::v4(), addresses.filter_v4());
    local.hand_over()?;
    tripwire(ETH_P_IP, &filter)?;
    let mut v6 = [0; 16];
    v6[..8].copy_from_slice(&addresses.v6.to_be_bytes());
    if route(AF_INET6, &v6, 64).is_ok() && Local::v6().hand_over().is_ok() {
        tripwire(ETH_P_IPV6, &addresses.filter_v6())?;
    }
    Ok(())
}

fn socket(family: usize, kind: usize, protocol: usize) -> Result<Fd, Errno> {
    sys::call(sys::NR_SOCKET, [family, kind | sys::O_CLOEXEC, protocol, 0, 0, 0])
}

fn bind(socket: Fd, address: &[u8]) -> Result<(), Errno> {
    sys::call(NR_BIND, [socket, address.as_ptr() as usize, address.len(), 0, 0, 0]).map(drop)
}

/// The loopback's address in one family.
struct Local {
    family: usize,
    /// `struct sockaddr_in` or `sockaddr_in6`, without a port.
    address: [u8; 28],
    length: usize,
}

impl Local {
    fn v4() -> Self {
        let mut address = [0; 28];
        address[0] = AF_INET as u8;
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        Self { family: AF_INET, address, length: 16 }
    }

    fn v6() -> Self {
        let mut address = [0; 28];
        address[0] = AF_INET6 as u8;
        address[23] = 1;
        Self { family: AF_INET6, address, length: 28 }
    }

    fn hand_over(&self) -> Result<(), Errno> {
        let datagrams = self.bound(SOCK_DGRAM, DOMAIN)?;
        let streams = listening(self.bound(SOCK_STREAM, DOMAIN)?)?;
        let listener = listening(self.bound(SOCK_STREAM, 0)?)?;
        give(Socket::ResolverDatagrams, datagrams)?;
        give(Socket::ResolverStreams, streams)?;
        give(Socket::Listener, listener)
    }

    fn bound(&self, kind: usize, port: u16) -> Result<Fd, Errno> {
        let mut address = self.address;
        address[2..4].copy_from_slice(&port.to_be_bytes());
        let socket = socket(self.family, kind | SOCK_NONBLOCK, 0)?;
        if self.family == AF_INET6 {
            const IPPROTO_IPV6: usize = 41;
            const IPV6_V6ONLY: usize = 26;
            set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, &1u32.to_ne_bytes())?;
        }
        bind(socket, &address[..self.length])?;
        Ok(socket)
    }
}

fn set_option(socket: Fd, level: usize, name: usize, value: &[u8]) -> Result<(), Errno> {
    sys::call(NR_SETSOCKOPT, [socket, level, name, value.as_ptr() as usize, value.len(), 0]).map(drop)
}

fn listening(socket: Fd) -> Result<Fd, Errno> {
    sys::call(NR_LISTEN, [socket, BACKLOG, 0, 0, 0, 0]).map(|_| socket)
}

fn give(kind: Socket, socket: Fd) -> Result<(), Errno> {
    let message = Message::<2>::new(Report::Socket as u8).with(&[kind as u8]);
    let sent = sys::send(SUPERVISOR, message.as_bytes(), Some(socket));
    sys::close(socket);
    sent.map(drop)
}

/// Makes all addresses of a prefix the sandbox's own (rtnetlink(7)).
fn route(family: usize, prefix: &[u8], length: u8) -> Result<(), Errno> {
    const NETLINK_ROUTE: usize = 0;
    let socket = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)?;
    let result = ask_for_route(socket, &RouteRequest::new(family as u8, prefix, length));
    sys::close(socket);
    result
}

/// The kernel answers while it is asked: the reply is there when the request was sent.
fn ask_for_route(socket: Fd, request: &RouteRequest) -> Result<(), Errno> {
    const EIO: Errno = 5;
    let bytes = request.bytes.get(..request.length).ok_or(EIO)?;
    sys::call(NR_SENDTO, [socket, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0])?;
    let mut reply = [0u8; 128];
    let received = sys::call(NR_RECVFROM, [socket, reply.as_mut_ptr() as usize, reply.len(), 0, 0, 0])?;
    // `struct nlmsghdr`, then the error as a negative number; 0 is success.
    let code = reply.get(..received).and_then(|reply| reply.get(16..20)).and_then(|code| code.try_into().ok());
    match code.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(-error),
        None => Err(EIO),
    }
}

/// `RTM_NEWROUTE` for a local route by the loopback.
struct RouteRequest {
    bytes: [u8; 64],
    length: usize,
}

impl RouteRequest {
    fn new(family: u8, prefix: &[u8], length: u8) -> Self {
        const RTM_NEWROUTE: u16 = 24;
        const REQUEST_CREATE_ACK: u16 = 1 | 4 | 0x400;
        const TABLE_LOCAL: u8 = 255;
        const PROTOCOL_BOOT: u8 = 3;
        const SCOPE_HOST: u8 = 254;
        const TYPE_LOCAL: u8 = 2;
        const RTA_DST: u16 = 1;
        const RTA_OIF: u16 = 4;
        let mut request = Self { bytes: [0; 64], length: 0 };
        request.put(&[0; 4]);
        request.put(&RTM_NEWROUTE.to_ne_bytes());
        request.put(&REQUEST_CREATE_ACK.to_ne_bytes());
        request.put(&[0; 8]);
        request.put(&[family, length, 0, 0, TABLE_LOCAL, PROTOCOL_BOOT, SCOPE_HOST, TYPE_LOCAL]);
        request.put(&[0; 4]);
        request.attribute(RTA_DST, prefix);
        request.attribute(RTA_OIF, &LOOPBACK.to_ne_bytes());
        let total = request.length as u32;
        request.bytes[..4].copy_from_slice(&total.to_ne_bytes());
        request
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.put(&(value.len() as u16 + 4).to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self.put(value);
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }
}

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// One instruction of a classic socket filter (`struct sock_filter`).
#[repr(C)]
#[derive(Clone, Copy)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

impl Instruction {
    /// `ld [at]`: the word at a place of the packet.
    const fn load(at: u32) -> Self {
        Self { code: 0x20, if_true: 0, if_false: 0, value: at }
    }

    /// `ldb [at]`: the byte.
    const fn load_byte(at: u32) -> Self {
        Self { code: 0x30, if_true: 0, if_false: 0, value: at }
    }

    const fn and(mask: u32) -> Self {
        Self { code: 0x54, if_true: 0, if_false: 0, value: mask }
    }

    /// Skips so many if equal, and so many if not.
    const fn equal(value: u32, if_true: u8, if_false: u8) -> Self {
        Self { code: 0x15, if_true, if_false, value }
    }

    /// Keeps so many bytes of the packet; none is a packet that isn't kept.
    const fn keep(bytes: u32) -> Self {
        Self { code: 0x06, if_true: 0, if_false: 0, value: bytes }
    }
}

/// Enough of a packet for the headers of a network and a transport.
const SEEN: u32 = 128;

/// ICMP is left out: none but the kernel sends any, to say that a datagram was refused.
impl Addresses {
    /// An IPv4 header has its protocol at 9 and its destination at 16.
    fn filter_v4(&self) -> [Instruction; 7] {
        const ICMP: u32 = 1;
        let mask = u32::MAX.checked_shl(32 - u32::from(self.v4_length)).unwrap_or(0);
        [
            Instruction::load_byte(9),
            Instruction::equal(ICMP, 4, 0),
            Instruction::load(16),
            Instruction::and(mask),
            Instruction::equal(self.v4 & mask, 0, 1),
            Instruction::keep(SEEN),
            Instruction::keep(0),
        ]
    }

    /// An IPv6 header has its protocol at 6 and its destination at 24.
    fn filter_v6(&self) -> [Instruction; 8] {
        const ICMP: u32 = 58;
        [
            Instruction::load_byte(6),
            Instruction::equal(ICMP, 5, 0),
            Instruction::load(24),
            Instruction::equal((self.v6 >> 32) as u32, 0, 3),
            Instruction::load(28),
            Instruction::equal(self.v6 as u32, 0, 1),
            Instruction::keep(SEEN),
            Instruction::keep(0),
        ]
    }
}

/// A socket that sees each packet to an address of a name. It is filtered before it is bound, so that it never sees another.
fn tripwire(protocol: u16, filter: &[Instruction]) -> Result<(), Errno> {
    const SOL_SOCKET: usize = 1;
    const SO_ATTACH_FILTER: usize = 26;
    let socket = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0)?;
    let program = [filter.len(), filter.as_ptr() as usize].map(usize::to_ne_bytes);
    set_option(socket, SOL_SOCKET, SO_ATTACH_FILTER, program.as_flattened())?;
    // `struct sockaddr_ll`: family, protocol, device.
    let mut address = [0; 20];
    address[0] = AF_PACKET as u8;
    address[2..4].copy_from_slice(&protocol.to_be_bytes());
    address[4..8].copy_from_slice(&LOOPBACK.to_ne_bytes());
    bind(socket, &address)?;
    give(Socket::Tripwire, socket)
}
