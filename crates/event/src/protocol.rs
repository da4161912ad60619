//! The application protocols that a flow can be told to speak.
//!
//! One list for all who name one: a policy says what it allows, the gateway what it found, an event what was said.
//! What a name covers is the gateway's to say; here it is only a word.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! protocols {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// An application protocol, by its name in lower case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[non_exhaustive]
        pub enum Protocol {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Protocol {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name, as it stands in policies and events.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

protocols! {
    /// TLS, whatever it carries.
    Tls "tls",
    /// HTTP/1.0 and HTTP/1.1 in the clear.
    Http "http",
    /// HTTP/2 in the clear, by prior knowledge or by upgrade.
    Http2 "http2",
    /// WebSocket in the clear.
    Websocket "websocket",
    /// A tunnel asked for with HTTP `CONNECT`.
    HttpConnect "http-connect",
    /// SSH.
    Ssh "ssh",
    /// Mining: Stratum in any of its dialects, or `getwork` and `getblocktemplate`.
    Stratum "stratum",
    /// JSON-RPC that is not mining.
    JsonRpc "json-rpc",
    /// SOCKS version 4 and 4a.
    Socks4 "socks4",
    /// SOCKS version 5.
    Socks5 "socks5",
    /// Tor.
    Tor "tor",
    /// The git protocol on a port of its own.
    Git "git",
    /// SMTP.
    Smtp "smtp",
    /// FTP's control connection.
    Ftp "ftp",
    /// IRC.
    Irc "irc",
    /// PostgreSQL.
    Postgres "postgres",
    /// MySQL and MariaDB.
    Mysql "mysql",
    /// Redis.
    Redis "redis",
    /// MongoDB.
    Mongo "mongo",
    /// AMQP.
    Amqp "amqp",
    /// MQTT.
    Mqtt "mqtt",
    /// DNS over TCP.
    Dns "dns",
    /// Remote Desktop.
    Rdp "rdp",
    /// VNC.
    Vnc "vnc",
    /// BitTorrent.
    Bittorrent "bittorrent",
    /// Bitcoin and its relatives, from node to node; not mining.
    Bitcoin "bitcoin",
    /// None that we know.
    Unknown "unknown",
}

/// A name that no protocol has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no protocol of that name; known are {}", Protocol::ALL.iter().map(|known| known.name()).collect::<Vec<_>>().join(", "))]
pub struct ParseProtocolError;

impl FromStr for Protocol {
    type Err = ParseProtocolError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|known| known.name() == name).ok_or(ParseProtocolError)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_is_found_by_the_name_it_has_in_json() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(*protocol));
            assert_eq!(serde_json::to_string(protocol).unwrap(), format!("\"{protocol}\""));
        }
        assert_eq!("telnet".parse::<Protocol>(), Err(ParseProtocolError));
    }
}
