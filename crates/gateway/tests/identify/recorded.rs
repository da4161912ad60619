//! Recorded conversations of real programs.

use std::fmt::Write as _;

use event::Protocol;
use gateway::identify::{Details, Identifier, Identity};

use crate::conversation::recorded;

#[test]
fn real_programs_are_recognised_with_what_they_say_of_themselves() {
    let mut report = String::new();
    for (name, conversation) in recorded() {
        writeln!(report, "{name}").unwrap();
        for layer in conversation.identity().layers() {
            describe(layer, &mut report);
        }
    }
    insta::assert_snapshot!(report);
}

#[test]
fn the_first_turn_is_enough_to_decide() {
    for (name, conversation) in recorded() {
        let (side, bytes) = &conversation.turns[0];
        let mut identifier = Identifier::new();
        let first = identifier.push(*side, bytes).identity().map(|identity| identity.protocol);
        let last = conversation.protocols().first().copied();
        // Tor shows only by the server's certificate.
        let expected = if last == Some(Protocol::Tor) { Some(Protocol::Tls) } else { last };
        assert_eq!(first, expected, "{name}");
    }
}

fn describe(layer: &Identity, report: &mut String) {
    let Identity { protocol, confidence, evidence, details, ambiguities, .. } = layer;
    writeln!(report, "  {protocol}, {confidence:?}: {}", evidence.join("; ")).unwrap();
    for ambiguity in ambiguities {
        writeln!(report, "    ! {ambiguity}").unwrap();
    }
    for line in details_of(details) {
        writeln!(report, "    {line}").unwrap();
    }
}

fn details_of(details: &Details) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(hello) = &details.tls_client {
        let name = hello.server_name.as_ref().map_or("none".into(), ToString::to_string);
        let alpn: Vec<String> = hello.alpn.iter().map(ToString::to_string).collect();
        let (versions, hidden) = (&hello.versions, hello.encrypted_hello);
        lines.push(format!("name {name}, alpn {alpn:?}, versions {versions:04x?}, ech {hidden}"));
    }
    if let Some(server) = &details.tls_server {
        let names: Vec<String> = server.names.iter().map(ToString::to_string).collect();
        lines.push(format!("version {:04x}, names {names:?}", server.version));
    }
    if let Some(request) = &details.http {
        let host = request.host.as_ref().map_or("none".into(), ToString::to_string);
        let agent = request.user_agent.as_ref().map_or("none".into(), ToString::to_string);
        lines.push(format!("{} {} at {host} by {agent}", request.method, request.path));
    }
    for ssh in [&details.ssh_client, &details.ssh_server].into_iter().flatten() {
        lines.push(format!("{} {}", ssh.banner, ssh.hassh.as_deref().unwrap_or("none")));
    }
    let texts = [
        ("status", details.http_status.map(|status| status.to_string())),
        ("target", details.target.as_ref().map(ToString::to_string)),
        ("user", details.user.as_ref().map(ToString::to_string)),
        ("database", details.database.as_ref().map(ToString::to_string)),
        ("server", details.server.as_ref().map(ToString::to_string)),
        ("client", details.client.as_ref().map(ToString::to_string)),
    ];
    lines.extend(texts.into_iter().filter_map(|(name, text)| Some(format!("{name} {}", text?))));
    lines
}
