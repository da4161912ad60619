//! Two sides, one identity.

use event::Protocol;

use super::ambiguity::Ambiguity;
use super::claim::Claim;
use super::identity::{Confidence, Identity, State, Wants};
use super::stream::Phase;
use super::{Identifier, tls};

/// What is known, from what each side was found to speak.
pub(super) fn join(identifier: &Identifier) -> State {
    let (client, server) = (&identifier.client, &identifier.server);
    let mut identity = match (client.claim(), server.claim()) {
        (Some(client), Some(server)) => both(client, server),
        (Some(claim), None) => client_only(claim, &server.phase),
        (None, Some(claim)) if is_enough(identifier, claim) => server_only(claim, &client.phase),
        (None, _) => match undecided(identifier) {
            Some(wants) => return State::Undecided(wants),
            None => unknown(identifier),
        },
    };
    tls::name_tor(&mut identity);
    if identifier.client.is_tunnel || identifier.server.is_tunnel {
        let inside = identifier.inside.as_ref().map(|inside| inside.identifier.state().clone());
        identity.inner = inside.map(Box::new);
    }
    State::Identified(identity)
}

/// What a server says counts by itself if it is more than a guess, and if the client has been quiet or makes no
/// sense by itself.
fn is_enough(identifier: &Identifier, server: &Claim) -> bool {
    let is_told = server.confidence > Confidence::Guess || !server.ambiguities.is_empty();
    is_told && (identifier.is_finished || identifier.client.is_silent() || is_nameless(identifier))
}

const fn is_nameless(identifier: &Identifier) -> bool {
    matches!(identifier.client.phase, Phase::Nameless)
}

fn undecided(identifier: &Identifier) -> Option<Wants> {
    if identifier.is_finished || is_nameless(identifier) {
        return None;
    }
    match (identifier.client.is_silent(), identifier.server.is_silent()) {
        (true, true) => Some(Wants::Either),
        (false, _) => Some(Wants::Client),
        (true, false) if matches!(identifier.server.phase, Phase::Nameless) => None,
        (true, false) => Some(Wants::Server),
    }
}

fn unknown(identifier: &Identifier) -> Identity {
    let said = match identifier.begun {
        Some(begun) => format!("it ends where it could still have become {begun}"),
        None if identifier.client.is_silent() && identifier.server.is_silent() => {
            "nobody said anything".into()
        }
        None => "what was said is the opening of no protocol that is known".into(),
    };
    of(&Claim::guess(Protocol::Unknown, said))
}

fn of(claim: &Claim) -> Identity {
    Identity {
        protocol: claim.protocol,
        confidence: claim.confidence,
        evidence: vec![claim.evidence.clone()],
        details: Box::new(claim.details.clone()),
        ambiguities: claim.ambiguities.clone(),
        inner: None,
    }
}

/// Protocols whose every server is recognised: an answer without a name is no answer of theirs.
const ALWAYS_ANSWERED: &[Protocol] = &[Protocol::Tls, Protocol::Http, Protocol::Ssh, Protocol::HttpConnect];

fn client_only(claim: &Claim, server: &Phase) -> Identity {
    let mut identity = of(claim);
    if matches!(server, Phase::Nameless) && ALWAYS_ANSWERED.contains(&claim.protocol) {
        differ(&mut identity, claim.protocol, Protocol::Unknown);
    }
    identity
}

fn server_only(claim: &Claim, client: &Phase) -> Identity {
    let mut identity = of(claim);
    if matches!(client, Phase::Nameless) {
        differ(&mut identity, Protocol::Unknown, claim.protocol);
    }
    identity
}

fn both(client: &Claim, server: &Claim) -> Identity {
    let Some(protocol) = common(client, server) else { return contradiction(client, server) };
    let (first, second) = if protocol == client.protocol { (client, server) } else { (server, client) };
    let mut identity = of(first);
    identity.evidence.push(second.evidence.clone());
    identity.details = Box::new(client.details.clone().or(&server.details));
    identity.ambiguities.extend(second.ambiguities.iter().filter(|other| !first.ambiguities.contains(other)));
    let doubted =
        client.confidence.min(server.confidence) == Confidence::Guess && !identity.ambiguities.is_empty();
    let surer = client.confidence.max(server.confidence);
    identity.confidence = match protocol {
        _ if doubted => Confidence::Guess,
        // Two banners are two lines that anyone can write; only a key exchange is more.
        Protocol::Ssh => surer,
        _ => surer.raised(),
    };
    identity
}

/// What both speak, if they agree.
fn common(client: &Claim, server: &Claim) -> Option<Protocol> {
    let agree = client.protocol == server.protocol
        || server.also.contains(&client.protocol)
        || client.also.contains(&server.protocol);
    // What mines does so whichever side shows it; else the client decides what it asks for, unless it was loose.
    let is_server = server.protocol == Protocol::Stratum || client.also.contains(&server.protocol);
    agree.then_some(if is_server && client.protocol != Protocol::Stratum {
        server.protocol
    } else {
        client.protocol
    })
}

fn contradiction(client: &Claim, server: &Claim) -> Identity {
    let stronger = if server.confidence > client.confidence { server } else { client };
    let mut identity = of(stronger);
    let weaker = if server.confidence > client.confidence { client } else { server };
    if weaker.confidence > Confidence::Guess || !weaker.ambiguities.is_empty() {
        differ(&mut identity, client.protocol, server.protocol);
        identity.evidence.push(weaker.evidence.clone());
    }
    identity
}

fn differ(identity: &mut Identity, client: Protocol, server: Protocol) {
    identity.confidence = Confidence::Guess;
    identity.ambiguities.push(Ambiguity::SidesDiffer { client, server });
}
