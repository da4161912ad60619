//! What the agent attempted and was refused.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Text};

/// An attempt to reach a network was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetRefused {
    /// The system call, by name: `connect`, `sendto`, `socket`, …
    pub syscall: Name,
    /// The address family of the socket.
    pub family: Family,
    /// The type of the socket.
    #[serde(rename = "type")]
    pub socket_type: SocketType,
    /// The protocol's number in that family, where it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// Where it was to go; absent where the system call doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// What the agent got as an answer, by name: `ENETUNREACH`, `EPERM`, …
    pub errno: Name,
}

/// Where something was to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Destination {
    /// An IP address as text, or the name that it stood for inside; for family `unix` a path, or a name that starts with a zero byte; for another
    /// family its bytes in hex.
    pub address: Text,
    /// The port, where the family has ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// An address family, by the name of its `AF_` constant in lower case; by number where it has no name here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Family {
    /// Local sockets.
    Unix,
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// The kernel's own interfaces.
    Netlink,
    /// Frames of a network device.
    Packet,
    /// The kernel's cryptography.
    Alg,
    /// A virtual machine's host.
    Vsock,
    /// Any other, such as `bluetooth` or `41`.
    #[serde(untagged)]
    Other(Name),
}

impl Family {
    /// The family of this number on Linux.
    pub fn from_raw(family: i32) -> Self {
        match family {
            1 => Self::Unix,
            2 => Self::Inet,
            10 => Self::Inet6,
            16 => Self::Netlink,
            17 => Self::Packet,
            38 => Self::Alg,
            40 => Self::Vsock,
            other => Self::Other(other.to_string().into()),
        }
    }
}

/// A type of socket, by the name of its `SOCK_` constant in lower case; by number where it has no name here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SocketType {
    /// A connected stream of bytes.
    Stream,
    /// Datagrams.
    Dgram,
    /// Raw packets of a protocol.
    Raw,
    /// Reliable datagrams.
    Rdm,
    /// Datagrams in order, on a connection.
    Seqpacket,
    /// Any other, by number.
    #[serde(untagged)]
    Other(Name),
}

impl SocketType {
    /// The type of this number on Linux; flags such as `SOCK_CLOEXEC` don't matter.
    pub fn from_raw(socket_type: i32) -> Self {
        const FLAGS: i32 = !0xF;
        match socket_type & !FLAGS {
            1 => Self::Stream,
            2 => Self::Dgram,
            3 => Self::Raw,
            4 => Self::Rdm,
            5 => Self::Seqpacket,
            other => Self::Other(other.to_string().into()),
        }
    }
}

/// A system call worth knowing about was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyscallRefused {
    /// Its name; its number as text where it has no name.
    pub syscall: Name,
    /// Its number on `arch`.
    pub number: u32,
    /// The system call interface that was used.
    pub arch: Arch,
    /// The arguments that matter, decoded: flags by name (`CLONE_NEWUSER|CLONE_NEWNET`), other numbers in hex.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<Name, Text>,
    /// What the agent got as an answer, by name: `EPERM`, `ENOSYS`, …
    pub errno: Name,
}

/// A system call interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit x86 with 32-bit pointers.
    X32,
    /// 32-bit x86.
    I386,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// Any other: its `AUDIT_ARCH` number in hex.
    #[serde(untagged)]
    Other(Name),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn families_and_types_have_their_names_in_json() {
        assert_eq!(json(&Family::from_raw(10)), "\"inet6\"");
        assert_eq!(json(&Family::from_raw(31)), "\"31\"");
        assert_eq!(json(&SocketType::from_raw(1 | 0o2_000_000 | 0o4000)), "\"stream\"");
        assert_eq!(json(&SocketType::from_raw(5)), "\"seqpacket\"");
        assert_eq!(json(&Arch::X86_64), "\"x86_64\"");
    }

    #[test]
    fn a_family_without_a_name_survives_json() {
        let family = Family::Other("bluetooth".into());
        assert_eq!(serde_json::from_str::<Family>(&json(&family)).unwrap(), family);
        assert_eq!(serde_json::from_str::<Family>("\"packet\"").unwrap(), Family::Packet);
    }
}
