//! What a flow is, where its record carries enough to say so.
//!
//! Records of a network are poorer than what the gateway sees: no bytes, only ends, counts and words of other detectors. So a class here is
//! a suspicion by what is there, named as the analyzers of `detect` name theirs:
//!
//! | class | by |
//! |---|---|
//! | `mining.stratum`, `mining.pool`, `mining.port` | the protocol that the log tells; a name of the list of pools; a port that pools use, outside, where the log knows no protocol |
//! | `tunnel.ssh` | SSH to an address outside that is no code host, on another port than 22 or for longer than a fetch takes |
//! | `scan.hosts` | many destinations within a minute from one place, or many neighbours at one port within an hour, refused or silent |
//! | `exfil.volume` | much sent within an hour and little got, to where few go |
//! | as another flow to the same end | what one flow has shown of a pool or of the far side of a tunnel |
//! | as the alarm says | words of an alarm about any of these |
//!
//! A baseline ([`crate::baseline`]) holds back weak classes (`mining.port`, `tunnel.ssh`, `exfil.volume`) of what it has as a matter of course.
//!
//! What has a class already keeps it. A flow without a class is not thereby honest: it is one of which its record does not tell enough.

mod fan_out;
mod known_ends;
pub(crate) mod volume;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use flows::FlowKind;

use crate::baseline::Beside;
use crate::incident::{FlowRow, Incident, KeepError};
use known_ends::KnownEnds;

/// Ports at which pools of Monero and others listen, from their public pages (2026-11).
const POOL_PORTS: &[u16] = &[
    3333, 3334, 4444, 5555, 5556, 7777, 8888, 9999, 10_128, 10_300, 14_433, 14_444, 20_128, 33_333, 45_560,
    45_700,
];
/// Hosts at which SSH is for code.
const CODE_HOSTS: &[&str] =
    &["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "sr.ht", "dev.azure.com"];
/// SSH for longer than that is no fetch, in nanoseconds.
const FETCH: i64 = 120_000_000_000;

/// What goes to a pool by its name.
pub(crate) const POOL: &str = "mining.pool";
/// SSH that is no fetch of code.
const TUNNEL: &str = "tunnel.ssh";
/// Much that is sent.
const VOLUME: &str = "exfil.volume";

/// Classes that a port, a length or a volume alone speaks for.
const WEAK: [&str; 3] = ["mining.port", TUNNEL, VOLUME];

/// Families of classes that an investigation looks for, by the first word of their names, as the analyzers and as simulated incidents
/// call them.
const MALICIOUS: &[&str] = &["mining", "tunnel", "shell", "scan", "exfil", "exfiltration", "theft"];

/// Whether a class (`mining.stratum`, `tunnel.reverse-ssh`) is what an investigation looks for.
pub fn names_malice(class: &str) -> bool {
    MALICIOUS.contains(&class.split('.').next().unwrap_or(class))
}

/// Says what each flow is, as far as its record tells.
///
/// # Errors
/// If flows can't be had from where they are kept.
pub fn classify(incident: &mut Incident) -> Result<(), KeepError> {
    let mut shared = HashMap::new();
    let mut known = KnownEnds::default();
    let mut beside = incident.beside.take();
    for part in 0..incident.flows.parts() {
        let mut rows = incident.flows.part(part)?;
        classify_part(incident, &mut rows, &mut shared, beside.as_mut());
        rows.iter().for_each(|row| known.learn(incident, row));
        incident.flows.put(part, &rows)?;
    }
    if !known.is_empty() {
        for part in 0..incident.flows.parts() {
            incident.flows.part(part)?.iter().for_each(|row| known.doubt(row));
        }
        known.settle();
    }
    if !known.is_empty() || beside.is_some() {
        for part in 0..incident.flows.parts() {
            complete_part(incident, part, &known, beside.as_mut())?;
        }
    }
    incident.beside = beside;
    Ok(())
}

/// Gives flows the classes of the ends that they go to, and counts them beside the baseline.
fn complete_part(
    incident: &mut Incident,
    part: usize,
    known: &KnownEnds,
    beside: Option<&mut Beside>,
) -> Result<(), KeepError> {
    let mut rows = incident.flows.part(part)?;
    let mut is_changed = false;
    for row in rows.iter_mut().filter(|row| row.class.is_none()) {
        row.class = known.class(row);
        is_changed |= row.class.is_some();
    }
    if is_changed {
        incident.flows.put(part, &rows)?;
    }
    if let Some(beside) = beside {
        for row in rows.iter().filter(|row| row.kind != FlowKind::Gpu) {
            beside.here.take(row);
        }
    }
    Ok(())
}

/// Whether the log does not know what it spoke.
fn speaks_unknown(flow: &FlowRow) -> bool {
    flow.application.as_deref().is_none_or(|word| matches!(word, "" | "failed" | "unknown" | "-"))
}

/// The flows of some places, all of each.
fn classify_part(
    incident: &mut Incident,
    rows: &mut [FlowRow],
    shared: &mut HashMap<&'static str, Arc<str>>,
    mut beside: Option<&mut Beside>,
) {
    let scans = fan_out::find(rows);
    let volumes = volume::find(incident, rows, |row| volume::is_unusual(incident, row));
    for (row, (scan, volume)) in rows.iter_mut().zip(scans.into_iter().zip(volumes)) {
        if row.class.is_none() {
            let class = class(incident, row, scan, volume, beside.as_deref_mut());
            row.class = class.map(|class| Arc::clone(shared.entry(class).or_insert_with(|| class.into())));
        }
        if scan {
            // A scan goes to many ends once; what began it began all of it.
            row.destination = incident.swept(row);
        }
    }
}

fn class(
    incident: &Incident,
    row: &FlowRow,
    scan: bool,
    volume: bool,
    mut beside: Option<&mut Beside>,
) -> Option<&'static str> {
    let destination = (row.destination, incident.destinations.text(row.destination));
    let mut unusual = |class: &&'static str| {
        let beside = beside.as_deref_mut().filter(|_| WEAK.contains(class));
        !beside.is_some_and(|beside| beside.holds_back(class, destination))
    };
    by_alarm(row)
        .or_else(|| mining(incident, row).filter(&mut unusual))
        .or_else(|| tunnel(incident, row).filter(&mut unusual))
        .or_else(|| scan.then_some("scan.hosts"))
        .or_else(|| volume.then_some(VOLUME).filter(&mut unusual))
}

/// The weak class that a flow would have, from however many places its destination is called; it may be a part of much that was sent.
pub(crate) fn weak(incident: &Incident, row: &FlowRow, volume: bool) -> Option<&'static str> {
    if by_alarm(row).is_some() {
        return None;
    }
    let class = mining(incident, row).or_else(|| tunnel(incident, row)).or_else(|| volume.then_some(VOLUME));
    class.filter(|class| WEAK.contains(class))
}

/// What other detectors' words mean.
fn by_alarm(flow: &FlowRow) -> Option<&'static str> {
    const WORDS: &[(&str, &str)] = &[
        ("stratum", "mining.stratum"),
        ("coinminer", "mining.pool"),
        ("cryptomin", "mining.pool"),
        ("crypto mining", "mining.pool"),
        ("cryptocurrency", "mining.pool"),
        ("xmrig", "mining.pool"),
        ("monero", "mining.pool"),
        ("mining pool", "mining.pool"),
        ("reverse ssh", "tunnel.reverse-ssh"),
        ("reverse shell", "tunnel.reverse-shell"),
        ("ssh tunnel", TUNNEL),
        ("tunnel", "tunnel.other"),
        ("port scan", "scan.hosts"),
        ("portscan", "scan.hosts"),
        ("nmap", "scan.hosts"),
        ("network scan", "scan.hosts"),
        ("host sweep", "scan.hosts"),
        ("exfiltration", "exfil.volume"),
    ];
    let text = flow.alarm.as_deref()?.to_ascii_lowercase();
    WORDS.iter().find(|(word, _)| text.contains(word)).map(|(_, class)| *class)
}

/// Whether a name is one of the list of pools.
pub(crate) fn is_pool(name: &str) -> bool {
    detect::indicators::POOLS.category(name).is_some()
}

fn mining(incident: &Incident, flow: &FlowRow) -> Option<&'static str> {
    if flow.application.as_deref() == Some("stratum") {
        return Some("mining.stratum");
    }
    let name = incident.ends.get(flow.destination as usize).and_then(|end| end.name.as_deref());
    if name.is_some_and(is_pool) {
        return Some(POOL);
    }
    let port = flow.called.1?;
    (speaks_unknown(flow) && POOL_PORTS.contains(&port) && is_outside(flow.called.0?))
        .then_some("mining.port")
}

/// Whether SSH to a name is for code.
pub(crate) fn is_code_host(name: &str) -> bool {
    let is_at =
        |host: &&str| name.strip_suffix(*host).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    CODE_HOSTS.iter().any(is_at)
}

/// Whether it is SSH, as the log or else its port says.
fn is_ssh(flow: &FlowRow) -> bool {
    match flow.application.as_deref() {
        Some(word) => word == "ssh",
        None => flow.called.1 == Some(22),
    }
}

fn tunnel(incident: &Incident, flow: &FlowRow) -> Option<&'static str> {
    if !is_ssh(flow) || !is_outside(flow.called.0?) || flow.place.is_none() {
        return None;
    }
    let name = incident.ends.get(flow.destination as usize).and_then(|end| end.name.as_deref());
    let is_code = name.is_some_and(is_code_host);
    let is_long = flow.end.is_some_and(|end| end.saturating_sub(flow.time) >= FETCH);
    (!is_code && (flow.called.1 != Some(22) || is_long)).then_some(TUNNEL)
}

/// An address that is nobody's own network. Addresses for documentation count as outside: simulations and examples use them.
pub(crate) fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_unspecified()
                || is_shared(address.octets()))
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || address.is_unspecified())
        }
    }
}

/// Shared address space of carriers (RFC 6598).
fn is_shared(octets: [u8; 4]) -> bool {
    matches!(octets, [100, 64..128, ..])
}

#[cfg(test)]
mod tests;
