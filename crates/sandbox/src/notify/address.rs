//! Socket addresses, copied from a task's memory.

use super::tracee::Tracee;
use event::Text;
use event::fact::Destination;
use rustix::io::Errno;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest address (`struct sockaddr_storage`).
const LONGEST: usize = 128;

/// A socket address, as bytes that nobody can change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    bytes: Vec<u8>,
}

impl Address {
    /// Copies the address at `place`.
    pub(crate) fn copy(tracee: &Tracee<'_>, place: u64, length: u64) -> Result<Self, Errno> {
        let length = usize::try_from(length & 0xffff_ffff).unwrap_or(usize::MAX);
        if !(2..=LONGEST).contains(&length) {
            return Err(Errno::INVAL);
        }
        let mut bytes = vec![0; length];
        tracee.copy(place, &mut bytes)?;
        Ok(Self { bytes })
    }

    /// An Internet address, as a socket of IPv6 or of IPv4 takes it. To the latter an IPv6 address is of another family.
    pub(crate) fn of(address: IpAddr, port: u16, is_v6: bool) -> Self {
        let address = match address {
            IpAddr::V4(v4) if is_v6 => v4.to_ipv6_mapped().into(),
            other => other,
        };
        let mut bytes = Vec::with_capacity(28);
        match address {
            IpAddr::V4(v4) => {
                bytes.extend((libc::AF_INET as u16).to_ne_bytes());
                bytes.extend(port.to_be_bytes());
                bytes.extend(v4.octets());
                bytes.resize(16, 0);
            }
            IpAddr::V6(v6) => {
                bytes.extend((libc::AF_INET6 as u16).to_ne_bytes());
                bytes.extend(port.to_be_bytes());
                bytes.extend([0; 4]);
                bytes.extend(v6.octets());
                bytes.resize(28, 0);
            }
        }
        Self { bytes }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The address family.
    pub(crate) fn family(&self) -> i32 {
        self.bytes.first_chunk().map_or(0, |family| i32::from(u16::from_ne_bytes(*family)))
    }

    /// The Internet address and port, if it is one.
    pub(crate) fn internet(&self) -> Option<(IpAddr, u16)> {
        let port = u16::from_be_bytes(*self.bytes.get(2..)?.first_chunk()?);
        match self.family() {
            libc::AF_INET => {
                let octets: [u8; 4] = *self.bytes.get(4..)?.first_chunk()?;
                Some((Ipv4Addr::from(octets).into(), port))
            }
            libc::AF_INET6 => {
                let octets: [u8; 16] = *self.bytes.get(8..)?.first_chunk()?;
                Some((Ipv6Addr::from(octets).into(), port))
            }
            _ => None,
        }
    }

    /// The same, an IPv4 address as one however it was written.
    pub(crate) fn socket_address(&self) -> Option<SocketAddr> {
        self.internet().map(|(address, port)| SocketAddr::new(address.to_canonical(), port))
    }

    /// Whether it is the sandbox's own: its loopback, or any of its own addresses (0.0.0.0, ::).
    pub(crate) fn is_local(&self) -> bool {
        self.internet().is_some_and(|(address, _)| {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        })
    }

    /// The path of a UNIX socket: of a name, not of the abstract kind.
    pub(crate) fn path(&self) -> Option<&[u8]> {
        let name = self.bytes.get(2..)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        (self.family() == libc::AF_UNIX && end > 0).then(|| name.get(..end))?
    }

    /// For events.
    pub(crate) fn destination(&self) -> Destination {
        if let Some((address, port)) = self.internet() {
            return Destination { address: Text::from(address.to_string()), port: Some(port) };
        }
        let body = self.bytes.get(2..).unwrap_or_default();
        let address = match (self.family(), self.path()) {
            (libc::AF_UNIX, Some(path)) => Text::from(path),
            (libc::AF_UNIX, None) => Text::from(body),
            _ => Text::from(body.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })),
        };
        Destination { address, port: None }
    }
}
