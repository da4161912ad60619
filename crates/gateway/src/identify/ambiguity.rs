//! What two readers of the same bytes could understand differently: how an agent says one thing to the gateway and
//! another to the destination.

use event::Protocol;
use thiserror::Error;

/// Why what was identified may not be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[non_exhaustive]
pub enum Ambiguity {
    /// a header line ends in a bare line feed
    #[error("a header line ends in a bare line feed")]
    BareLineFeed,
    /// a carriage return stands inside a line
    #[error("a carriage return stands inside a line")]
    BareCarriageReturn,
    /// a header goes on in the next line
    #[error("a header goes on in the next line, which some readers join and some don't")]
    FoldedHeader,
    /// the request is not well-formed HTTP
    #[error("the request is not well-formed HTTP")]
    MalformedRequest,
    /// the request names no host
    #[error("the request names no host")]
    NoHost,
    /// the request names more than one host
    #[error("the request names more than one host")]
    SeveralHosts,
    /// the host is not a name or an address
    #[error("the host is neither a name nor an address")]
    HostNotAName,
    /// the length of the body is told twice or not clearly
    #[error("the length of the body is told in more than one way")]
    BodyLength,
    /// a later request on the connection names another host than the first
    #[error("a later request on the connection names another host than the first")]
    LaterHost,
    /// a request on the connection asks for a tunnel or an upgrade within it
    #[error("a request on the connection asks for a tunnel or an upgrade within it")]
    LaterTunnel,
    /// the server name is not a name
    #[error("the server name is not a host name")]
    ServerNameNotAName,
    /// a key stands twice in a JSON object
    #[error("a key stands twice in a JSON object")]
    RepeatedKey,
    /// something is too long to be looked into
    #[error("a message is too long to be looked into")]
    TooLong,
    /// one side stops speaking what it began with
    #[error("what follows the opening is not {0}")]
    GoesOnAsAnother(Protocol),
    /// the sides don't speak the same
    #[error("the client speaks {client} and the server {server}")]
    SidesDiffer {
        /// What the client speaks.
        client: Protocol,
        /// What the server speaks.
        server: Protocol,
    },
    /// there are more layers inside each other than are looked into
    #[error("there are more layers inside each other than are looked into")]
    TooDeep,
}
