//! How much memory an identity takes, about: what an agent writes into its openings must not add up without bound.

use event::Text;

use crate::identify::{Details, Identity};

/// What a string costs beside its bytes.
const OVERHEAD: usize = 32;

/// The memory behind an identity and those inside it.
pub(super) fn weight(identity: &Identity) -> usize {
    identity.layers().map(|layer| size_of::<Identity>() + size_of::<Details>() + layer_weight(layer)).sum()
}

fn layer_weight(layer: &Identity) -> usize {
    let evidence: usize = layer.evidence.iter().map(|words| words.len() + OVERHEAD).sum();
    evidence + size_of_val(layer.ambiguities.as_slice()) + details(&layer.details)
}

fn details(details: &Details) -> usize {
    let tls = details.tls_client.as_ref().map_or(0, |hello| {
        optional(&hello.server_name) + all(&hello.alpn) + hello.versions.len() * 2 + hello.ja4.len()
    });
    let answer = details
        .tls_server
        .as_ref()
        .map_or(0, |hello| all(&hello.names) + optional(&hello.subject) + optional(&hello.issuer));
    let http = details.http.as_ref().map_or(0, |request| {
        let optionals = [&request.host, &request.user_agent, &request.upgrade];
        one(&request.method) + one(&request.path) + optionals.map(optional).iter().sum::<usize>()
    });
    let ends = [&details.ssh_client, &details.ssh_server].into_iter().flatten();
    let ssh: usize = ends.map(|end| one(&end.banner) + end.hassh.as_ref().map_or(0, String::len)).sum();
    let stratum = details
        .stratum
        .as_ref()
        .map_or(0, |stratum| one(&stratum.method) + optional(&stratum.login) + optional(&stratum.agent));
    let rest = [&details.target, &details.user, &details.database, &details.server, &details.client];
    tls + answer + http + ssh + stratum + rest.map(optional).iter().sum::<usize>()
}

fn one(text: &Text) -> usize {
    text.as_bytes().len() + OVERHEAD
}

fn optional(text: &Option<Text>) -> usize {
    text.as_ref().map_or(0, one)
}

fn all(texts: &[Text]) -> usize {
    texts.iter().map(one).sum()
}
