//! What a conversation was found to be: a name, how sure that is, what shows it, and what it says of itself.

use event::{Protocol, Text};

use super::ambiguity::Ambiguity;
use super::http::Request;
use super::ssh::Endpoint;
use super::stratum::Stratum;
use super::tls::{ClientHello, ServerHello};

/// A side of a TCP conversation: the client is the one that connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The one that connected.
    Client,
    /// The one that accepted.
    Server,
}

impl Side {
    /// Its name, as it stands in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// How sure a name is. Each step holds whatever a hostile writer does, and not only for honest traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Something else could look the same, or what was seen contradicts itself. Not enough to allow a flow.
    #[default]
    Guess,
    /// An opening that the protocol asks for, too short to prove what follows it.
    Likely,
    /// A whole opening message was parsed to its end, or both sides speak the same.
    Certain,
}

impl Confidence {
    /// Its name, as it stands in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }

    /// One step surer.
    pub(super) const fn raised(self) -> Self {
        match self {
            Self::Guess => Self::Likely,
            Self::Likely | Self::Certain => Self::Certain,
        }
    }
}

/// Whose bytes would tell more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The client has begun something that isn't complete.
    Client,
    /// The server has begun something that isn't complete, and the client has said nothing.
    Server,
    /// Nobody has said anything.
    Either,
}

/// What is known of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not enough was said.
    Undecided(Wants),
    /// It has a name, which may be [`Protocol::Unknown`].
    Identified(Identity),
}

impl State {
    /// The identity, where there is one.
    pub const fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Undecided(_) => None,
            Self::Identified(identity) => Some(identity),
        }
    }
}

/// What a conversation speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub protocol: Protocol,
    /// How sure that is.
    pub confidence: Confidence,
    /// What shows it, in words, from each side that showed something. Nothing in it is the agent's own text.
    pub evidence: Vec<String>,
    /// What it says of itself.
    pub details: Box<Details>,
    /// Why two readers could understand it differently. Where there is one, a policy should refuse.
    pub ambiguities: Vec<Ambiguity>,
    /// What is spoken inside, once the conversation has changed: behind `CONNECT`, SOCKS, an upgrade or STARTTLS.
    pub inner: Option<Box<State>>,
}

impl Identity {
    /// The identity and what is inside it, from the outside in.
    pub fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |layer| layer.inner.as_deref().and_then(State::identity))
    }

    /// The host that the client says it wants: the server name of TLS, or the host of an HTTP request.
    pub fn asked_host(&self) -> Option<&Text> {
        let details = &self.details;
        let hello = details.tls_client.as_ref().and_then(|hello| hello.server_name.as_ref());
        hello.or_else(|| details.http.as_ref().and_then(|request| request.host.as_ref()))
    }

    /// Whether the host that it wants may be another than it says, since TLS can hide it.
    pub fn hides_host(&self) -> bool {
        self.details.tls_client.as_ref().is_some_and(|hello| hello.encrypted_hello)
    }

    /// Whether all readers of the same bytes would understand the same: nothing is ambiguous, and it isn't a guess.
    pub fn is_clear(&self) -> bool {
        self.ambiguities.is_empty() && self.confidence > Confidence::Guess
    }
}

/// What a conversation says of itself. What doesn't belong to its protocol is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// TLS: the client's opening.
    pub tls_client: Option<ClientHello>,
    /// TLS: the server's answer.
    pub tls_server: Option<ServerHello>,
    /// HTTP: the first request.
    pub http: Option<Request>,
    /// HTTP/1: the status of the first final answer.
    pub http_status: Option<u16>,
    /// SSH: the client.
    pub ssh_client: Option<Endpoint>,
    /// SSH: the server.
    pub ssh_server: Option<Endpoint>,
    /// Mining: the dialect and who mines with what.
    pub stratum: Option<Stratum>,
    /// Where a proxy was asked to connect, as `host:port`; for DNS the name asked for; for git the repository.
    pub target: Option<Text>,
    /// Who logs in.
    pub user: Option<Text>,
    /// The database that a client opens.
    pub database: Option<Text>,
    /// What the server says it is: its greeting or version.
    pub server: Option<Text>,
    /// What the client says it is.
    pub client: Option<Text>,
}

impl Details {
    /// These details, and those of the other side where these have none.
    pub(super) fn or(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            tls_client: self.tls_client.or(other.tls_client),
            tls_server: self.tls_server.or(other.tls_server),
            http: self.http.or(other.http),
            http_status: self.http_status.or(other.http_status),
            ssh_client: self.ssh_client.or(other.ssh_client),
            ssh_server: self.ssh_server.or(other.ssh_server),
            stratum: self.stratum.or(other.stratum),
            target: self.target.or(other.target),
            user: self.user.or(other.user),
            database: self.database.or(other.database),
            server: self.server.or(other.server),
            client: self.client.or(other.client),
        }
    }
}

/// The longest that one detail gets, in bytes; what is longer is cut.
pub(super) const DETAIL: usize = 512;

/// A detail that the agent or its peer wrote.
pub(super) fn text(bytes: &[u8]) -> Text {
    Text::truncated(bytes, DETAIL)
}
