//! A flow as a JSON object.
//!
//! What isn't known is absent. Numbers of a side stand in an object with `client` and `server`. What is spoken inside
//! (behind `CONNECT`, SOCKS, an upgrade) is listed in `inside`, from the outside in.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use event::{Protocol, Text, Timestamp};
use gateway::capture::{Carrier, Ending, FlowRecord, Lost};
use gateway::flow::Side;
use gateway::identify::{Details, Identity};
use serde::Serialize;

/// A flow.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    /// When it began, by the clock of the capture.
    first: Timestamp,
    duration_us: u64,
    transport: &'static str,
    client: End,
    server: End,
    /// Without it, which side is the client is a guess by the ports.
    opening_seen: bool,
    ended: &'static str,
    #[serde(flatten)]
    layer: Layer<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inside: Vec<Layer<'a>>,
    /// Bytes of the streams, each once.
    bytes: Both<u64>,
    /// Segments and datagrams with new bytes.
    chunks: Both<u64>,
    packets: Both<u64>,
    /// What was sent and is not in the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<Both<Missing>>,
    /// Bytes that came more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated_bytes: Option<Both<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spoke_first: Option<&'static str>,
    /// Who spoke first after each idle time of more than 0.5 s, and how often.
    gap_initiative: Both<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    largest_burst: Option<Burst>,
    /// Of the first 256 bytes of each side, in bits per byte.
    entropy: Entropy,
}

#[derive(Debug, Serialize)]
struct End {
    address: IpAddr,
    port: u16,
}

#[derive(Debug, Serialize)]
struct Both<T> {
    client: T,
    server: T,
}

/// Of a side that said nothing there is none.
#[derive(Debug, Serialize)]
struct Entropy {
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Missing {
    gaps: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Burst {
    side: &'static str,
    bytes: u64,
}

/// What is spoken, or spoken inside.
#[derive(Debug, Serialize)]
struct Layer<'a> {
    protocol: Protocol,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    evidence: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ambiguities: Vec<String>,
    #[serde(flatten)]
    said: Said<'a>,
}

/// What it says of itself.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
struct Said<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sni: Option<&'a Text>,
    #[serde(skip_serializing_if = "<[Text]>::is_empty")]
    alpn: &'a [Text],
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    encrypted_hello: bool,
    #[serde(skip_serializing_if = "<[Text]>::is_empty")]
    certificate_names: &'a [Text],
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_banner: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_banner: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hassh: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hassh_server: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a Text>,
}

impl<'a> From<&'a FlowRecord> for Line<'a> {
    fn from(record: &'a FlowRecord) -> Self {
        let flow = &record.flow;
        let both = |of: &dyn Fn(Side) -> u64| Both { client: of(Side::Client), server: of(Side::Server) };
        let [lost, repeated] = [record.lost.map(|lost| lost.gaps), record.repeated]
            .map(|[client, server]| client.saturating_add(server) > 0);
        let mut layers = record.identity.iter().flat_map(Identity::layers).map(Layer::from);
        Self {
            first: time(flow.opened()),
            duration_us: u64::try_from(flow.duration().as_micros()).unwrap_or(u64::MAX),
            transport: transport(record.carrier),
            client: End::from(record.client),
            server: End::from(record.server),
            opening_seen: record.is_opening_seen,
            ended: ended(record.ending),
            layer: layers.next().unwrap_or_else(Layer::unknown),
            inside: layers.collect(),
            bytes: both(&|side| flow.bytes(side)),
            chunks: both(&|side| flow.chunks(side)),
            packets: Both::from(record.packets),
            lost: lost.then(|| Both::from(record.lost.map(Missing::from))),
            repeated_bytes: repeated.then(|| Both::from(record.repeated)),
            spoke_first: flow.spoke_first().map(side),
            gap_initiative: Both { client: flow.initiative().client, server: flow.initiative().server },
            largest_burst: flow
                .largest_burst()
                .map(|burst| Burst { side: side(burst.side), bytes: burst.bytes }),
            entropy: Entropy {
                client: flow.entropy(Side::Client).map(rounded),
                server: flow.entropy(Side::Server).map(rounded),
            },
        }
    }
}

impl<T> From<[T; 2]> for Both<T> {
    fn from([client, server]: [T; 2]) -> Self {
        Self { client, server }
    }
}

impl From<SocketAddr> for End {
    fn from(end: SocketAddr) -> Self {
        Self { address: end.ip(), port: end.port() }
    }
}

impl From<Lost> for Missing {
    fn from(lost: Lost) -> Self {
        Self { gaps: lost.gaps, bytes: lost.bytes }
    }
}

impl Layer<'_> {
    /// Of a flow that said nothing, or nothing that was looked into.
    fn unknown() -> Self {
        Self {
            protocol: Protocol::Unknown,
            confidence: None,
            evidence: &[],
            ambiguities: Vec::new(),
            said: Said::default(),
        }
    }
}

impl<'a> From<&'a Identity> for Layer<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            protocol: identity.protocol,
            confidence: (identity.protocol != Protocol::Unknown).then(|| identity.confidence.name()),
            evidence: &identity.evidence,
            ambiguities: identity.ambiguities.iter().map(ToString::to_string).collect(),
            said: Said::from(&*identity.details),
        }
    }
}

impl<'a> From<&'a Details> for Said<'a> {
    fn from(details: &'a Details) -> Self {
        let (tls, http) = (details.tls_client.as_ref(), details.http.as_ref());
        let (client, server) = (details.ssh_client.as_ref(), details.ssh_server.as_ref());
        let stratum = details.stratum.as_ref();
        Self {
            sni: tls.and_then(|hello| hello.server_name.as_ref()),
            alpn: tls.map_or(&[], |hello| &hello.alpn),
            ja4: tls.map(|hello| hello.ja4.as_str()),
            encrypted_hello: tls.is_some_and(|hello| hello.encrypted_hello),
            certificate_names: details.tls_server.as_ref().map_or(&[], |hello| &hello.names),
            method: http.map(|request| &request.method),
            host: http.and_then(|request| request.host.as_ref()),
            path: http.map(|request| &request.path),
            user_agent: http.and_then(|request| request.user_agent.as_ref()),
            status: details.http_status,
            client_banner: client.map(|end| &end.banner).or(details.client.as_ref()),
            server_banner: server.map(|end| &end.banner).or(details.server.as_ref()),
            hassh: client.and_then(|end| end.hassh.as_deref()),
            hassh_server: server.and_then(|end| end.hassh.as_deref()),
            dialect: stratum.map(|stratum| stratum.dialect.name()),
            login: stratum.and_then(|stratum| stratum.login.as_ref()),
            agent: stratum.and_then(|stratum| stratum.agent.as_ref()),
            target: details.target.as_ref(),
            user: details.user.as_ref(),
            database: details.database.as_ref(),
        }
    }
}

pub(super) fn time(since_1970: Duration) -> Timestamp {
    Timestamp::from_nanos(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
}

/// To a hundredth of a bit: what is further behind differs between machines, and means nothing.
fn rounded(bits: f64) -> f64 {
    (bits * 100.0).round() / 100.0
}

pub(super) const fn transport(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Tcp => "tcp",
        Carrier::Udp => "udp",
    }
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

const fn ended(ending: Ending) -> &'static str {
    match ending {
        Ending::Closed => "closed",
        Ending::Reset => "reset",
        Ending::Silent => "silent",
        Ending::Replaced => "replaced",
        Ending::Evicted => "evicted",
        Ending::CaptureEnd => "capture-end",
    }
}
