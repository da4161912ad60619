//! What is decided about a conversation, by what is known of it so far.

use std::fmt;
use std::io;
use std::net::IpAddr;

use event::Protocol;
use event::fact::Decision;
use policy::network::{AddressClass, Candidates, Claim, Refusal, Rule, Speech};

use crate::identify::{Ambiguity, Confidence, Identifier, Identity, Side, State};
use crate::names::lookup::LookupError;

/// What is decided.
#[derive(Debug)]
pub(super) enum Verdict<'p> {
    /// Not enough is known.
    Open,
    /// This rule allows it.
    Allowed(&'p Rule),
    /// It may not leave.
    Refused(Why),
}

/// Why a connection does not get out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// The policy says so.
    Policy(Refusal),
    /// Its far side could understand something else than we do.
    Ambiguous(Protocol, Ambiguity),
    /// It could be something else.
    Unsure(Protocol),
    /// Its name leads where no rule lets it.
    Special(IpAddr, AddressClass),
    /// Its name leads nowhere.
    Lookup(LookupError),
    /// Its place can't be reached.
    Unreachable(io::ErrorKind),
    /// The client does not take what the server says.
    Deaf,
    /// The run has ended.
    RunEnded,
    /// A response to a finding has cut the run off.
    Closed,
}

impl Why {
    /// The name of the reason, as it stands in events.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Policy(refusal) => refusal.name(),
            Self::Ambiguous(..) => "ambiguous",
            Self::Unsure(_) => "protocol-unsure",
            Self::Special(..) => "special-address",
            Self::Lookup(error) => error.name(),
            Self::Unreachable(_) => "unreachable",
            Self::Deaf => "client-deaf",
            Self::RunEnded => "run-ended",
            Self::Closed => "closed-by-response",
        }
    }

    /// What was decided, or became of it.
    pub(super) const fn decision(&self) -> Decision {
        match self {
            Self::Lookup(_) | Self::Unreachable(_) | Self::Deaf | Self::RunEnded => Decision::Failed,
            _ => Decision::Refused,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(refusal) => refusal.fmt(f),
            Self::Ambiguous(protocol, ambiguity) => {
                write!(
                    f,
                    "it speaks {protocol}, and two readers could understand it differently: {ambiguity}"
                )
            }
            Self::Unsure(protocol) => write!(f, "it looks like {protocol}, and could be something else"),
            Self::Special(address, class) => {
                write!(f, "the name leads to {address}, a {class} address, which a rule has to ask for")
            }
            Self::Lookup(error) => error.fmt(f),
            Self::Unreachable(error) => write!(f, "cannot reach it: {error}"),
            Self::Deaf => f.write_str("the client does not take what the server says"),
            Self::RunEnded => f.write_str("the run has ended"),
            Self::Closed => f.write_str("a response has cut the run off"),
        }
    }
}

/// Decides, by the rules that may allow it and by what was identified. `is_last`: no more will be known.
pub(super) fn decide<'p>(candidates: &Candidates<'p>, identifier: &Identifier, is_last: bool) -> Verdict<'p> {
    let anything = candidates.rules().find(|rule| rule.protocol() == Speech::Any);
    let identity = match (identifier.state(), anything) {
        (State::Identified(identity), _) => identity,
        // Where anything may be spoken, nobody has to wait until it is known.
        (State::Undecided(_), Some(rule)) => return Verdict::Allowed(rule),
        (State::Undecided(_), None) => return Verdict::Open,
    };
    let could_change = !is_last && (identifier.wants(Side::Client) || identifier.wants(Side::Server));
    if could_change && is_unfinished(identity) && anything.is_none() {
        return Verdict::Open;
    }
    match candidates.decide(spoken(identity), claim(identity)) {
        Err(refusal) => Verdict::Refused(Why::Policy(refusal)),
        Ok(rule) if anything.is_some() => Verdict::Allowed(rule),
        Ok(rule) => match unclear(identity).or_else(|| tunnelled(candidates, identifier, identity)) {
            Some(why) => Verdict::Refused(why),
            None => Verdict::Allowed(rule),
        },
    }
}

/// What it speaks; after an upgrade, what it was upgraded to.
fn spoken(identity: &Identity) -> Protocol {
    if identity.protocol != Protocol::Http || identity.inner.is_none() {
        return identity.protocol;
    }
    let upgrade = identity.details.http.as_ref().and_then(|request| request.upgrade.as_ref());
    match upgrade.map(event::Text::as_bytes) {
        Some(b"websocket") => Protocol::Websocket,
        Some(b"h2c") => Protocol::Http2,
        _ => Protocol::Unknown,
    }
}

/// Why what lies inside may not leave, where it is bound by what lies outside: an upgrade stays with its host. What a proxy
/// is asked for is not.
fn tunnelled(candidates: &Candidates<'_>, identifier: &Identifier, identity: &Identity) -> Option<Why> {
    if !matches!(identity.protocol, Protocol::Http | Protocol::Http2) {
        return None;
    }
    if identifier.is_ahead() {
        return Some(Why::Ambiguous(identity.protocol, Ambiguity::LaterTunnel));
    }
    let is_web = |layer: &&Identity| matches!(layer.protocol, Protocol::Http | Protocol::Http2);
    let inner = identity.layers().skip(1).find(is_web)?;
    let refused = candidates.decide(inner.protocol, claim(inner)).err().map(Why::Policy);
    refused.or_else(|| unclear(inner))
}

/// Whether what is known is known to be too little: a guess, or HTTP/2 before its first request.
fn is_unfinished(identity: &Identity) -> bool {
    let is_guess = identity.confidence == Confidence::Guess && identity.ambiguities.is_empty();
    let has_no_request = identity.protocol == Protocol::Http2 && identity.details.http.is_none();
    is_guess && identity.protocol != Protocol::Unknown || has_no_request
}

fn unclear(identity: &Identity) -> Option<Why> {
    match identity.ambiguities.first() {
        Some(ambiguity) => Some(Why::Ambiguous(identity.protocol, *ambiguity)),
        None if !identity.is_clear() && identity.protocol != Protocol::Unknown => {
            Some(Why::Unsure(identity.protocol))
        }
        None => None,
    }
}

/// Whom it claims to be for.
fn claim(identity: &Identity) -> Claim<'_> {
    let asked = identity.asked_host().map(|host| std::str::from_utf8(host.as_bytes()).unwrap_or("\u{fffd}"));
    match identity.protocol {
        Protocol::Tls => Claim::ServerName { name: asked, is_hidden: identity.hides_host() },
        Protocol::Http | Protocol::Http2 | Protocol::Websocket => Claim::Host(asked),
        _ => Claim::None,
    }
}

/// Whether a server that speaks this may speak first, so that it has to be reached before anything is known.
pub(super) fn server_may_begin(speech: Speech) -> bool {
    match speech {
        Speech::Any => true,
        Speech::Only(protocol) => matches!(
            protocol,
            Protocol::Ssh
                | Protocol::Smtp
                | Protocol::Ftp
                | Protocol::Irc
                | Protocol::Mysql
                | Protocol::Vnc
                | Protocol::Unknown
        ),
    }
}
