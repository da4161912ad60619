//! What a policy says to one flow, and why.
//!
//! A flow is decided in two steps. [`Network::candidates`] takes what is known when the agent connects: a name, or an
//! address without one, and a port. No candidates, and nothing is dialled. [`Candidates::decide`] takes what is known
//! once the flow was identified: the protocol, and whom the flow itself claims to be for. The claim has to be the
//! very name that the agent asked for, or a front would lead elsewhere under an allowed name.
//!
//! Both are functions of their arguments alone. Every answer names the rule that decided, and every refusal has a
//! stable short name for events and a sentence for people.

use std::fmt;
use std::net::IpAddr;

use event::Protocol;

use super::Network;
use super::address::{AddressClass, canonical};
use super::host_name::HostName;
use super::rule::{Rule, Target};

/// Where an agent wants to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A name that it asked the resolver for.
    Name(HostName),
    /// An address that no name stands for.
    Address(IpAddr),
}

impl Destination {
    /// What a text means, as a client would take it: an address where it is one, a name otherwise.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, super::HostNameError> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        match bare.parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl Destination {
    /// Whether it is the sandbox's own loopback, which no flow leaves and no rule is about.
    pub fn is_own_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name.is_localhost(),
            Self::Address(address) => canonical(*address).is_loopback(),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// Whom a flow itself claims to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim<'a> {
    /// Its protocol has no such claim.
    None,
    /// The server name of a TLS hello.
    ServerName {
        /// As it came; absent where the hello has none.
        name: Option<&'a str>,
        /// The hello carries an encrypted one besides (ECH). A pretended one (GREASE) can't be told from a true one.
        is_hidden: bool,
    },
    /// The `Host` or `:authority` of an HTTP request, with its port where it has one.
    Host(Option<&'a str>),
}

/// Why a flow is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No rule names it.
    Name(HostName),
    /// No rule names it.
    Address(IpAddr),
    /// A rule would have to name this one address, or say `private: true`.
    SpecialAddress(IpAddr, AddressClass),
    /// Rules lead there, but by other ports.
    Port {
        /// Where to.
        destination: Destination,
        /// The port that was wanted.
        port: u16,
    },
    /// It speaks something else than a rule allows.
    Protocol {
        /// What it speaks.
        spoken: Protocol,
        /// What the rules allow there.
        allowed: Vec<Protocol>,
    },
    /// Nobody can say what it speaks.
    Unidentified {
        /// What the rules allow there.
        allowed: Vec<Protocol>,
    },
    /// TLS that doesn't say for whom.
    NoServerName(HostName),
    /// TLS that may be for someone else than it says.
    HiddenServerName(HostName),
    /// TLS for someone else.
    OtherServerName {
        /// The name that the agent asked for.
        wanted: HostName,
        /// The name in the hello.
        claimed: String,
    },
    /// HTTP that doesn't say for whom.
    NoHost(HostName),
    /// HTTP for someone else.
    OtherHost {
        /// The name that the agent asked for.
        wanted: HostName,
        /// The name in the request.
        claimed: String,
    },
}

impl Refusal {
    /// The name of the reason, as it stands in events.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Name(_) => "name-not-allowed",
            Self::Address(_) => "address-not-allowed",
            Self::SpecialAddress(..) => "special-address",
            Self::Port { .. } => "port-not-allowed",
            Self::Protocol { .. } => "protocol-not-allowed",
            Self::Unidentified { .. } => "protocol-unknown",
            Self::NoServerName(_) => "server-name-missing",
            Self::HiddenServerName(_) => "server-name-hidden",
            Self::OtherServerName { .. } => "server-name-differs",
            Self::NoHost(_) => "host-missing",
            Self::OtherHost { .. } => "host-differs",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |list: &[Protocol]| list.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Name(name) => write!(f, "no rule allows the name `{name}`"),
            Self::Address(address) => write!(f, "no rule allows the address {address}"),
            Self::SpecialAddress(address, class) => {
                write!(f, "{address} is a {class} address, which a rule has to ask for")
            }
            Self::Port { destination, port } => write!(f, "no rule allows port {port} of {destination}"),
            Self::Protocol { spoken, allowed } => {
                write!(f, "it speaks {spoken}, and {} is allowed there", names(allowed))
            }
            Self::Unidentified { allowed } => {
                write!(f, "it speaks a protocol that can't be named, and {} is allowed there", names(allowed))
            }
            Self::NoServerName(wanted) => write!(f, "its TLS names no server, and {wanted} was asked for"),
            Self::HiddenServerName(wanted) => {
                write!(f, "its TLS hides the server's name (ECH), and {wanted} was asked for")
            }
            Self::OtherServerName { wanted, claimed } => {
                write!(f, "its TLS is for {}, and {wanted} was asked for", crate::problem::quoted(claimed))
            }
            Self::NoHost(wanted) => write!(f, "its HTTP names no host, and {wanted} was asked for"),
            Self::OtherHost { wanted, claimed } => {
                write!(f, "its HTTP is for {}, and {wanted} was asked for", crate::problem::quoted(claimed))
            }
        }
    }
}

/// The rules that may allow a flow whose protocol isn't known yet: holding them is the permit to identify it.
#[derive(Debug, Clone)]
pub struct Candidates<'p> {
    destination: Destination,
    port: u16,
    /// The closest first; never empty.
    rules: Vec<&'p Rule>,
}

impl Network {
    /// The rules that may allow a flow to this place.
    ///
    /// # Errors
    /// Why no rule can.
    pub fn candidates(&self, destination: &Destination, port: u16) -> Result<Candidates<'_>, Refusal> {
        let there = self.rules_to(destination);
        let destination = match destination {
            Destination::Name(name) => Destination::Name(name.clone()),
            Destination::Address(address) => Destination::Address(canonical(*address)),
        };
        if there.is_empty() {
            return Err(self.not_named(destination));
        }
        let rules: Vec<_> = there.into_iter().filter(|rule| rule.has_port(port)).collect();
        if rules.is_empty() {
            return Err(Refusal::Port { destination, port });
        }
        Ok(Candidates { destination, port, rules })
    }

    /// The rules that lead to a place, by whatever port; the closest first.
    pub fn rules_to(&self, destination: &Destination) -> Vec<&Rule> {
        let mut rules: Vec<_> = self.allow.iter().filter(|rule| self.leads_to(rule, destination)).collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.closeness()));
        rules
    }

    /// What the policy says to a flow of which everything is known, and which rule allows it.
    ///
    /// # Errors
    /// Why none does.
    pub fn decide(
        &self,
        destination: &Destination,
        port: u16,
        protocol: Protocol,
        claim: Claim<'_>,
    ) -> Result<&Rule, Refusal> {
        self.candidates(destination, port)?.decide(protocol, claim)
    }

    fn leads_to(&self, rule: &Rule, destination: &Destination) -> bool {
        match (destination, &rule.target) {
            (Destination::Name(name), _) => self.rule_leads_to(rule, name),
            (Destination::Address(address), Target::Address(_)) => rule.admits(*address),
            (Destination::Address(_), Target::Host(_)) => false,
        }
    }

    fn not_named(&self, destination: Destination) -> Refusal {
        match destination {
            Destination::Name(name) => Refusal::Name(name),
            Destination::Address(address) => {
                let holds = |rule: &Rule| matches!(&rule.target, Target::Address(prefix) if prefix.contains(&address));
                match AddressClass::of(address) {
                    class if class != AddressClass::Public && self.allow.iter().any(holds) => {
                        Refusal::SpecialAddress(address, class)
                    }
                    _ => Refusal::Address(address),
                }
            }
        }
    }
}

impl<'p> Candidates<'p> {
    /// The rules, the closest first.
    pub fn rules(&self) -> impl Iterator<Item = &'p Rule> {
        self.rules.iter().copied()
    }

    /// Where to, in its canonical form.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The port that is wanted.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether an address that a lookup of the name gave may be dialled for any of the rules.
    ///
    /// The address that `hosts` gives a name was named by the policy itself, and needs no such leave.
    pub fn admit(&self, address: IpAddr) -> bool {
        self.rules.iter().any(|rule| rule.admits(address))
    }

    /// The rule that allows a flow which was identified, and of which the claim was read.
    ///
    /// # Errors
    /// Why none does.
    pub fn decide(&self, protocol: Protocol, claim: Claim<'_>) -> Result<&'p Rule, Refusal> {
        let mut spoken = self.rules.iter().filter(|rule| rule.protocol.covers(protocol));
        let Some(first) = spoken.next() else { return Err(self.not_spoken(protocol)) };
        // Where anything may be spoken, nothing that is said in it binds.
        if let Some(any) = self.rules.iter().find(|rule| rule.protocol == super::Speech::Any) {
            return Ok(if self.check_claim(claim).is_ok() { first } else { any });
        }
        self.check_claim(claim).map(|()| *first)
    }

    fn not_spoken(&self, spoken: Protocol) -> Refusal {
        let allowed = self.rules.iter().filter_map(|rule| match rule.protocol {
            super::Speech::Only(protocol) => Some(protocol),
            super::Speech::Any => None,
        });
        let mut allowed: Vec<_> = allowed.collect();
        allowed.sort_unstable();
        allowed.dedup();
        match spoken {
            Protocol::Unknown => Refusal::Unidentified { allowed },
            _ => Refusal::Protocol { spoken, allowed },
        }
    }

    /// Checks a claim against the name that was asked for. Without a name there is nothing to check it against.
    fn check_claim(&self, claim: Claim<'_>) -> Result<(), Refusal> {
        let Destination::Name(wanted) = &self.destination else { return Ok(()) };
        let wanted = || wanted.clone();
        match claim {
            Claim::None => Ok(()),
            Claim::ServerName { name: None, .. } => Err(Refusal::NoServerName(wanted())),
            Claim::ServerName { name: Some(name), .. } if !is_name(name, &wanted()) => {
                Err(Refusal::OtherServerName { wanted: wanted(), claimed: name.to_owned() })
            }
            Claim::ServerName { is_hidden: true, .. } => Err(Refusal::HiddenServerName(wanted())),
            Claim::ServerName { .. } => Ok(()),
            Claim::Host(None) => Err(Refusal::NoHost(wanted())),
            Claim::Host(Some(host)) if !self.is_host(host, &wanted()) => {
                Err(Refusal::OtherHost { wanted: wanted(), claimed: host.to_owned() })
            }
            Claim::Host(Some(_)) => Ok(()),
        }
    }

    /// Whether `name` or `name:port` is the one that was asked for (RFC 9110, 7.2).
    fn is_host(&self, host: &str, wanted: &HostName) -> bool {
        let (name, port) = host.split_once(':').unwrap_or((host, ""));
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let is_port = port.is_empty() || is_number && port.parse() == Ok(self.port);
        is_port && is_name(name, wanted)
    }
}

/// Whether what stands on the wire is this name: in any case, with or without a final dot, and never converted.
fn is_name(written: &str, wanted: &HostName) -> bool {
    written.strip_suffix('.').unwrap_or(written).eq_ignore_ascii_case(wanted.as_str())
}

#[cfg(test)]
mod tests;
