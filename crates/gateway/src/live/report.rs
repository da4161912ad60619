//! What is told of connections, as events.

use std::net::SocketAddr;

use event::Text;
use event::fact::{Decision, NetConnect, RuleRef, Spoken, Wanted};
use policy::network::{Destination, Rule};

use super::verdict::Why;

/// A connection that was refused, or failed.
pub(super) fn not_allowed(
    flow: u64,
    destination: &Destination,
    port: u16,
    why: &Why,
    spoken: Option<Spoken>,
) -> NetConnect {
    NetConnect {
        flow,
        wanted: wanted(destination, port, None),
        decision: why.decision(),
        rule: None,
        reason: Some(why.name().into()),
        detail: Some(Text::from(why.to_string())),
        spoken,
    }
}

/// A connection that is allowed, and where it leads.
pub(super) fn allowed(
    flow: u64,
    destination: &Destination,
    remote: SocketAddr,
    rule: RuleRef,
    spoken: Option<Spoken>,
) -> NetConnect {
    NetConnect {
        flow,
        wanted: wanted(destination, remote.port(), Some(remote)),
        decision: Decision::Allowed,
        rule: Some(rule),
        reason: None,
        detail: None,
        spoken,
    }
}

pub(super) fn wanted(destination: &Destination, port: u16, remote: Option<SocketAddr>) -> Wanted {
    let (name, address) = match destination {
        Destination::Name(name) => (Some(Text::from(name.as_str())), None),
        Destination::Address(address) => (None, Some(*address)),
    };
    let address = remote.map(|remote| remote.ip()).or(address);
    Wanted { name, address: address.map(|address| address.to_string().into()), port }
}

pub(super) fn rule(rule: &Rule) -> RuleRef {
    RuleRef { line: u64::try_from(rule.line()).unwrap_or(u64::MAX), says: Text::from(rule.to_string()) }
}
