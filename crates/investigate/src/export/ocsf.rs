//! `findings.ocsf.jsonl`: culprits as Detection Findings (class 2004) of the Open Cybersecurity Schema Framework 1.8,
//! for a SIEM.
//!
//! OCSF has no field for a tool call: `metadata.correlation_uid` is run and call, and what else is known stands
//! under `unmapped`. The profile `ai_operation` is not used: its model asks
//! for a provider, which no trace tells.

use event::Timestamp;
use event::fact::Severity;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::report::model::{ClassSummary, Culprit, Report, Share};

/// The schema's version.
const VERSION: &str = "1.8.0";
/// How many destinations stand as evidence.
const DESTINATIONS: usize = 16;
/// How much of a command.
const COMMAND: usize = 16 << 10;

/// A culprit as a Detection Finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Finding(Value);

impl Finding {
    /// The finding about one of a report's culprits.
    pub fn of(culprit: &Culprit, report: &Report) -> Self {
        let classes: Vec<_> = report.classes.iter().filter(|class| has(culprit, class)).collect();
        let severity = classes.iter().map(|class| class.severity).max().unwrap_or(Severity::Medium);
        let mut finding = json!({
            "activity_id": 1, "activity_name": "Create",
            "category_uid": 2, "category_name": "Findings",
            "class_uid": 2004, "class_name": "Detection Finding",
            "type_uid": 200_401, "type_name": "Detection Finding: Create",
            "time": millis(report.made_at),
            "status_id": 1, "status": "New",
            "is_alert": true,
            "message": message(culprit),
            "metadata": metadata(culprit),
            "finding_info": information(culprit, &classes, report.made_at),
            "evidences": evidences(culprit),
            "unmapped": unmapped(culprit),
        });
        if let Some(fields) = finding.as_object_mut() {
            fields.append(&mut judged(severity, culprit.probability));
            fields.extend(culprit.start.map(|start| ("start_time".to_owned(), millis(start).into())));
        }
        Self(finding)
    }
}

fn has(culprit: &Culprit, class: &ClassSummary) -> bool {
    culprit.classes.iter().any(|share| share.of == class.class)
}

fn millis(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(1_000_000)
}

/// Run and call, or where the call was read if it has no id.
fn identity(culprit: &Culprit) -> String {
    match (&culprit.tool_call_id, &culprit.origin) {
        (Some(call), _) => format!("{}/{call}", culprit.run),
        (None, Some(origin)) => format!("{}/{origin}", culprit.run),
        (None, None) => culprit.run.clone(),
    }
}

fn message(culprit: &Culprit) -> String {
    let kinds: Vec<_> = culprit.classes.iter().map(|share| share.of.as_str()).collect();
    format!(
        "A tool call of run {} caused {:.1} malicious flows ({}), {:.1} % sure",
        culprit.run,
        culprit.malicious_flows,
        kinds.join(", "),
        culprit.probability * 100.0
    )
}

fn metadata(culprit: &Culprit) -> Value {
    json!({
        "version": VERSION,
        "correlation_uid": identity(culprit),
        "product": {
            "name": "Aurelian",
            "vendor_name": "Aurelian",
            "version": env!("CARGO_PKG_VERSION"),
            "feature": { "name": "investigate" },
        },
    })
}

/// How bad and how sure, in the schema's steps.
fn judged(severity: Severity, probability: f64) -> Map<String, Value> {
    let (severity_id, severity) = match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    let (confidence_id, confidence) = match probability {
        sure if sure >= 0.9 => (3, "High"),
        sure if sure >= 0.6 => (2, "Medium"),
        _ => (1, "Low"),
    };
    let score = (probability.clamp(0.0, 1.0) * 100.0) as u8; // cut off: 100 is for what was seen
    let fields: [(&str, Value); 5] = [
        ("severity_id", severity_id.into()),
        ("severity", severity.into()),
        ("confidence_id", confidence_id.into()),
        ("confidence", confidence.into()),
        ("confidence_score", score.into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn information(culprit: &Culprit, classes: &[&ClassSummary], made_at: Timestamp) -> Value {
    let title = classes.first().map_or("Malicious traffic", |class| class.title.as_str());
    let attacks: Vec<_> = classes.iter().flat_map(|class| &class.attack).map(|id| attack(id)).collect();
    let mut information = json!({
        "uid": identity(culprit),
        "title": format!("{title}, caused by a tool call"),
        "types": culprit.classes.iter().map(|share| &share.of).collect::<Vec<_>>(),
        "created_time": millis(made_at),
        "analytic": analytic(culprit.by_id),
        "attacks": attacks,
    });
    if let Some(fields) = information.as_object_mut().filter(|_| !culprit.evidence.is_empty()) {
        fields.insert("desc".into(), culprit.evidence.join("; ").into());
    }
    information
}

fn analytic(by_id: bool) -> Value {
    let (type_id, kind, name) = match by_id {
        true => (99, "Observation", "Flow and tool call seen together"),
        false => (3, "Statistical", "Attribution of flows to tool calls"),
    };
    json!({ "type_id": type_id, "type": kind, "name": name, "uid": "aurelian.investigate" })
}

/// `T1021.004` is a technique and a part of it.
fn attack(id: &str) -> Value {
    match id.split_once('.') {
        Some((technique, _)) => json!({ "technique": { "uid": technique }, "sub_technique": { "uid": id } }),
        None => json!({ "technique": { "uid": id } }),
    }
}

/// The call as the process that it was, then where its flows went.
fn evidences(culprit: &Culprit) -> Vec<Value> {
    let mut process = Map::new();
    process.insert("uid".into(), identity(culprit).into());
    process
        .extend(culprit.command.as_deref().map(|command| ("cmd_line".to_owned(), beginning(command).into())));
    process.extend(culprit.start.map(|start| ("created_time".to_owned(), millis(start).into())));
    let call = json!({ "process": process });
    // "many hosts", "GPU 3 of worker-7": what has spaces is no end of a network.
    let to = |share: &Share| match share.of.contains(' ') {
        true => json!({ "data": { "flows": share.flows, "to": share.of } }),
        false => json!({ "dst_endpoint": endpoint(&share.of), "data": { "flows": share.flows } }),
    };
    std::iter::once(call).chain(culprit.destinations.iter().take(DESTINATIONS).map(to)).collect()
}

fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(COMMAND)).unwrap_or(text)
}

/// A destination as people write it, taken apart: `name:port`, `address:port`, `[address]:port`, or without a
/// port.
fn endpoint(text: &str) -> Value {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse::<u16>().ok()),
        _ => (text, None),
    };
    let host = if port.is_some() { host } else { text };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let key = if host.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "hostname" };
    match port {
        Some(port) => json!({ key: host, "port": port }),
        None => json!({ key: host }),
    }
}

fn unmapped(culprit: &Culprit) -> Value {
    json!({
        "run": culprit.run,
        "tool_call_id": culprit.tool_call_id,
        "task": culprit.task,
        "training_step": culprit.training_step,
        "model": culprit.model,
        "tool": culprit.tool,
        "probability": culprit.probability,
        "by_id": culprit.by_id,
        "flows": culprit.flows,
        "malicious_flows": culprit.malicious_flows,
        "evidence": culprit.evidence,
        "origin": culprit.origin.as_ref().map(ToString::to_string),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_taken_apart() {
        assert_eq!(
            endpoint("pool.example.net:3333"),
            json!({ "hostname": "pool.example.net", "port": 3333 })
        );
        assert_eq!(endpoint("192.0.2.1:22"), json!({ "ip": "192.0.2.1", "port": 22 }));
        assert_eq!(endpoint("[2001:db8::1]:443"), json!({ "ip": "2001:db8::1", "port": 443 }));
        assert_eq!(endpoint("2001:db8::1"), json!({ "ip": "2001:db8::1" }));
        assert_eq!(endpoint("pool.example.net"), json!({ "hostname": "pool.example.net" }));
        assert_eq!(endpoint("odd:name"), json!({ "hostname": "odd:name" }));
    }

    #[test]
    fn a_part_of_a_technique_names_both() {
        assert_eq!(attack("T1496"), json!({ "technique": { "uid": "T1496" } }));
        assert_eq!(
            attack("T1021.004"),
            json!({ "technique": { "uid": "T1021" }, "sub_technique": { "uid": "T1021.004" } })
        );
    }
}
