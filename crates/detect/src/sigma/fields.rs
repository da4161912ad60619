//! The fields that rules see.
//!
//! Sigma's own names stand for what an event has under another; every other name is looked up in the event's JSON, which is made
//! only when a rule asks for it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use event::fact::{Fact, Spoken, Wanted};
use event::{Event, Text};
use rsigma_eval::EventValue;
use serde_json::Value;

use crate::lineage::Lineage;

/// A field's name in Sigma, where it is in an event, and what it is.
pub struct Alias {
    /// Sigma's name.
    pub name: &'static str,
    /// Its place in an event's JSON.
    pub place: &'static str,
}

const fn alias(name: &'static str, place: &'static str) -> Alias {
    Alias { name, place }
}

/// Sigma's names for what events have.
pub const ALIASES: &[Alias] = &[
    alias("Image", "process.exe"),
    alias("CommandLine", "process.argv, joined by spaces; of call.started its command"),
    alias("ParentImage", "the program of the parent, where one was seen"),
    alias("CurrentDirectory", "process.cwd"),
    alias("ProcessId", "process.host_pid"),
    alias("ParentProcessId", "process.parent"),
    alias("User", "process.uid"),
    alias("DestinationHostname", "name, without the dot at its end"),
    alias("DestinationIp", "address, or destination.address where it is one"),
    alias("DestinationPort", "port, or destination.port"),
    alias("Protocol", "protocol: what is spoken, on the outside"),
    alias("QueryName", "name of dns.query, without the dot at its end"),
    alias("query", "name of dns.query, without the dot at its end"),
    alias("QueryStatus", "outcome of dns.query"),
    alias("record_type", "record_type of dns.query"),
    alias("TargetFilename", "path of file.planted, workspace.planted and decoy.read"),
];

/// An event as a rule sees it.
pub(super) struct View<'a> {
    event: &'a Event,
    lineage: Option<&'a Lineage>,
    command_line: OnceCell<Option<String>>,
    json: OnceCell<Value>,
}

impl<'a> View<'a> {
    pub(super) fn of(event: &'a Event, lineage: Option<&'a Lineage>) -> Self {
        Self { event, lineage, command_line: OnceCell::new(), json: OnceCell::new() }
    }

    fn json(&self) -> &Value {
        self.json.get_or_init(|| serde_json::to_value(self.event).unwrap_or_default())
    }

    fn command_line(&self) -> Option<EventValue<'_>> {
        let line = self.command_line.get_or_init(|| {
            let argv = match &self.event.fact {
                Fact::CallStarted(started) => &*started.command,
                _ => self.event.process.as_ref()?.argv.as_deref()?,
            };
            let mut line = Vec::with_capacity(argv.iter().map(|word| word.as_bytes().len() + 1).sum());
            for word in argv {
                if !line.is_empty() {
                    line.push(b' ');
                }
                line.extend_from_slice(word.as_bytes());
            }
            Some(
                String::from_utf8(line)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            )
        });
        line.as_ref().map(|line| EventValue::Str(Cow::Borrowed(line)))
    }

    fn wanted(&self) -> Option<&'a Wanted> {
        match &self.event.fact {
            Fact::NetConnect(connect) => Some(&connect.wanted),
            Fact::NetFlow(flow) => Some(&flow.wanted),
            _ => None,
        }
    }

    fn spoken(&self) -> Option<&'a Spoken> {
        match &self.event.fact {
            Fact::NetConnect(connect) => connect.spoken.as_ref(),
            Fact::NetFlow(flow) => flow.spoken.as_ref(),
            _ => None,
        }
    }

    /// Where it was to go, as an address or a name.
    fn destination(&self, is_meant: impl Fn(&str) -> bool) -> Option<EventValue<'a>> {
        let of_wanted = self.wanted().and_then(|wanted| {
            let address = wanted.address.as_deref().map(Cow::Borrowed);
            let name = wanted.name.as_ref().map(|name| without_dot(name));
            [address, name].into_iter().flatten().find(|text| is_meant(text))
        });
        let of_refused = || match &self.event.fact {
            Fact::NetRefused(refused) => {
                refused.destination.as_ref().map(|it| without_dot(&it.address)).filter(|text| is_meant(text))
            }
            _ => None,
        };
        of_wanted.or_else(of_refused).map(EventValue::Str)
    }

    fn port(&self) -> Option<EventValue<'a>> {
        let port = match &self.event.fact {
            Fact::NetRefused(refused) => refused.destination.as_ref()?.port?,
            _ => self.wanted()?.port,
        };
        Some(EventValue::Int(port.into()))
    }

    /// A field that Sigma has a name for, or that rules often look at.
    fn named(&self, name: &str) -> Option<EventValue<'_>> {
        let process = self.event.process.as_ref();
        match name {
            "Image" => process?.exe.as_ref().map(text),
            "CommandLine" => self.command_line(),
            "ParentImage" => self.lineage?.parent_exe(self.event).map(text),
            "CurrentDirectory" => process?.cwd.as_ref().map(text),
            "ProcessId" => process.map(|process| EventValue::Int(process.host_pid.into())),
            "ParentProcessId" => process?.parent.map(|pid| EventValue::Int(pid.into())),
            "User" => process?.uid.map(|uid| EventValue::Int(uid.into())),
            "DestinationHostname" => self.destination(|text| text.parse::<IpAddr>().is_err()),
            "DestinationIp" => self.destination(|text| text.parse::<IpAddr>().is_ok()),
            "DestinationPort" => self.port(),
            "Protocol" => {
                self.spoken().map(|spoken| EventValue::Str(Cow::Borrowed(spoken.layer.protocol.name())))
            }
            "QueryName" | "query" => self
                .query()
                .and_then(|query| query.name.as_ref())
                .map(|name| EventValue::Str(without_dot(name))),
            "QueryStatus" => self.query().map(|query| EventValue::Str(Cow::Borrowed(&query.outcome))),
            "record_type" => {
                self.query()?.record_type.as_deref().map(|kind| EventValue::Str(Cow::Borrowed(kind)))
            }
            "TargetFilename" => self.path().map(text),
            _ => None,
        }
    }

    fn query(&self) -> Option<&'a event::fact::DnsQuery> {
        match &self.event.fact {
            Fact::DnsQuery(query) => Some(query),
            _ => None,
        }
    }

    fn path(&self) -> Option<&'a Text> {
        match &self.event.fact {
            Fact::FilePlanted(planted) => Some(&planted.path),
            Fact::WorkspacePlanted(planted) => Some(&planted.path),
            Fact::DecoyRead(read) => Some(&read.path),
            _ => None,
        }
    }
}

impl rsigma_eval::Event for View<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        if is_alias(path) {
            return self.named(path);
        }
        match path {
            "kind" => return Some(EventValue::Str(Cow::Borrowed(self.event.fact.kind()))),
            "call" => return self.event.call.map(|call| EventValue::Int(call.number().into())),
            _ => {}
        }
        let mut value = self.json();
        if let Some(found) = value.get(path) {
            return Some(EventValue::from(found));
        }
        for part in path.split('.') {
            value = value.get(part)?;
        }
        Some(EventValue::from(value))
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        any_string(self.json(), pred)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let mut strings = Vec::new();
        collect(self.json(), &mut strings);
        strings
    }

    /// What a correlation keeps of an event: its number.
    fn to_json(&self) -> Value {
        serde_json::json!({ "id": self.event.seq })
    }
}

fn is_alias(name: &str) -> bool {
    ALIASES.iter().any(|alias| alias.name == name)
}

fn any_string(value: &Value, is_meant: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_meant(text),
        Value::Array(items) => items.iter().any(|item| any_string(item, is_meant)),
        Value::Object(fields) => fields.values().any(|field| any_string(field, is_meant)),
        _ => false,
    }
}

fn collect<'v>(value: &'v Value, strings: &mut Vec<Cow<'v, str>>) {
    match value {
        Value::String(text) => strings.push(Cow::Borrowed(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, strings)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, strings)),
        _ => {}
    }
}

fn text(text: &Text) -> EventValue<'_> {
    EventValue::Str(String::from_utf8_lossy(text.as_bytes()))
}

fn without_dot(name: &Text) -> Cow<'_, str> {
    let name = name.as_bytes();
    String::from_utf8_lossy(name.strip_suffix(b".").unwrap_or(name))
}

/// What an event is about, to follow a rule's title.
pub(super) fn subject(event: &Event) -> String {
    let view = View::of(event, None);
    let (said, of) = match &event.fact {
        Fact::ProcessExec(_) | Fact::CallStarted(_) => ("CommandLine", ": "),
        Fact::NetConnect(_) | Fact::NetFlow(_) | Fact::NetRefused(_) => ("DestinationHostname", ": "),
        Fact::DnsQuery(_) => ("QueryName", ": "),
        Fact::FilePlanted(_) | Fact::WorkspacePlanted(_) | Fact::DecoyRead(_) => ("TargetFilename", ": "),
        _ => return String::new(),
    };
    let value = view.named(said).or_else(|| view.named("DestinationIp"));
    let value = value.and_then(|value| value.as_str().map(|text| text.into_owned()));
    value.map_or_else(String::new, |value| format!("{of}{}", Text::truncated(value.as_bytes(), 200)))
}

/// Whether an event can have a field of this name at all, by the published schema.
pub(super) fn can_exist(path: &str) -> bool {
    use std::collections::HashSet;
    use std::sync::LazyLock;
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let mut names = HashSet::new();
        properties(&serde_json::to_value(event::schema()).unwrap_or_default(), &mut names);
        names
    });
    // Arguments of system calls and labels have names of their own.
    is_alias(path)
        || path.starts_with("args.")
        || path.starts_with("labels.")
        || path.split('.').all(|part| NAMES.contains(part.split('[').next().unwrap_or(part)))
}

fn properties(schema: &Value, names: &mut std::collections::HashSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                names.extend(properties.keys().cloned());
            }
            fields.values().for_each(|field| properties(field, names));
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use event::fact::{Decision, DnsQuery, ProcessExec};
    use event::{CallId, Observation, Process, Protocol};
    use rsigma_eval::Event as _;

    use super::*;
    use crate::testing::{connect, event_of, wanted};

    fn value(event: &Event, name: &str) -> Option<String> {
        let view = View::of(event, None);
        let value = view.get_field(name)?;
        value.as_str().map(|text| text.into_owned())
    }

    #[test]
    fn sigmas_names_lead_to_what_an_event_has() {
        let exec =
            ProcessExec { path: "/bin/sh".into(), file: None, interpreter: None, written: None, stdio: None };
        let process = Process { exe: Some("/usr/bin/dash".into()), parent: Some(6), ..Process::new(7) };
        let event = event_of(
            Observation::new(exec)
                .with_process(process.with_argv(["sh", "-c", "a b"]))
                .caused_by(CallId::FIRST),
        );
        for (name, expected) in [
            ("Image", "/usr/bin/dash"),
            ("CommandLine", "sh -c a b"),
            ("ParentProcessId", "6"),
            ("kind", "process.exec"),
            ("process.exe", "/usr/bin/dash"),
            ("path", "/bin/sh"),
            ("call", "1"),
        ] {
            assert_eq!(value(&event, name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(value(&event, "QueryName"), None);
        assert_eq!(value(&event, "process.nothing"), None);
    }

    #[test]
    fn a_destination_is_a_name_or_an_address() {
        let both = wanted(Some("a.example."), Some("192.0.2.1"), 443);
        let event = event_of(Observation::new(connect(both, Some(Protocol::Tls), Decision::Allowed)));
        assert_eq!(value(&event, "DestinationHostname").as_deref(), Some("a.example"));
        assert_eq!(value(&event, "DestinationIp").as_deref(), Some("192.0.2.1"));
        assert_eq!(value(&event, "DestinationPort").as_deref(), Some("443"));
        assert_eq!(value(&event, "Protocol").as_deref(), Some("tls"));
        let address = wanted(None, Some("192.0.2.1"), 443);
        let event = event_of(Observation::new(connect(address, None, Decision::Refused)));
        assert_eq!(value(&event, "DestinationHostname"), None);
        assert_eq!(value(&event, "decision").as_deref(), Some("refused"));
    }

    #[test]
    fn bytes_that_are_no_text_are_seen_as_far_as_they_are() {
        let query = DnsQuery {
            name: Some((&b"a\xff.example."[..]).into()),
            record_type: None,
            transport: "udp".into(),
            outcome: "malformed".into(),
            refused: true,
            omitted: 0,
        };
        let event = event_of(Observation::new(query));
        assert!(value(&event, "QueryName").unwrap().ends_with(".example"));
    }

    #[test]
    fn fields_that_no_event_has_are_known() {
        for name in ["Image", "process.exe", "wanted", "args.flags", "labels.task", "alpn[0]"] {
            assert_eq!(can_exist(name), name != "wanted", "{name}");
        }
        assert!(!can_exist("TargetUserName") && !can_exist("process.nothing"));
    }
}
