//! A flow as it is kept: numbers only, all of one size, so that millions take little, and may lie in a file and be changed there.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use flows::{Action, FlowKind, Transport};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::{FlowRow, Texts};
use crate::model::Id;

/// Stands for no number, text or place.
const NONE: Id = Id::MAX;
const NO_TIME: i64 = i64::MIN;
const NO_BYTES: u64 = u64::MAX;

const SOURCE_V4: u8 = 1;
const SOURCE_V6: u8 = 2;
const SOURCE_PORT: u8 = 4;
const CALLED_V4: u8 = 8;
const CALLED_V6: u8 = 16;
const CALLED_PORT: u8 = 32;
const ALLOWED: u8 = 64;
const BLOCKED: u8 = 128;

/// Transport protocols are numbers of the network; no protocol is none of them.
const NO_TRANSPORT: u16 = u16::MAX;
const BY_NAME: [(u16, Transport); 4] =
    [(256, Transport::Tcp), (257, Transport::Udp), (258, Transport::Icmp), (259, Transport::Sctp)];

/// A [`FlowRow`], packed.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Serialize, Deserialize)]
#[repr(C)]
pub(super) struct Record {
    number: u64,
    from: i64,
    until: i64,
    time: i64,
    end: i64,
    resolution: u64,
    offset: u64,
    bytes: [u64; 2],
    source: [u8; 16],
    called: [u8; 16],
    place: Id,
    destination: Id,
    clock: Id,
    file: Id,
    alarm: Id,
    application: Id,
    class: Id,
    exact: Id,
    source_port: u16,
    called_port: u16,
    transport: u16,
    kind: u8,
    flags: u8,
}

/// What records name by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    texts: Texts,
    files: Vec<Arc<Path>>,
    file_ids: HashMap<Arc<Path>, Id>,
    /// The file of the row before, for rows of a file come together.
    file_before: Option<(Arc<Path>, Id)>,
    exacts: Vec<Exact>,
    exact_ids: HashMap<Exact, Id>,
}

/// A run, and a call of it.
type Exact = (Arc<str>, Option<Arc<str>>);

impl Words {
    fn text(&mut self, text: Option<&Arc<str>>) -> Id {
        text.map_or(NONE, |text| self.texts.id(text))
    }

    fn file(&mut self, file: &Arc<Path>) -> Id {
        if let Some((_, id)) = self.file_before.as_ref().filter(|(before, _)| Arc::ptr_eq(before, file)) {
            return *id;
        }
        let id = self.file_ids.get(file).copied().unwrap_or_else(|| {
            let id = Id::try_from(self.files.len()).unwrap_or(NONE);
            self.files.push(Arc::clone(file));
            self.file_ids.insert(Arc::clone(file), id);
            id
        });
        self.file_before = Some((Arc::clone(file), id));
        id
    }

    pub(super) fn any_exact(&self) -> bool {
        !self.exacts.is_empty()
    }

    fn exact(&mut self, exact: Option<&Exact>) -> Id {
        let Some(exact) = exact else { return NONE };
        if let Some(id) = self.exact_ids.get(exact) {
            return *id;
        }
        let id = Id::try_from(self.exacts.len()).unwrap_or(NONE);
        self.exacts.push(exact.clone());
        self.exact_ids.insert(exact.clone(), id);
        id
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let files: Vec<&OsStr> = self.files.iter().map(|file| file.as_os_str()).collect();
        (&self.texts, files, &self.exacts).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (texts, files, exacts): (Texts, Vec<OsString>, Vec<Exact>) =
            Deserialize::deserialize(deserializer)?;
        let files: Vec<Arc<Path>> = files.iter().map(|file| Path::new(file).into()).collect();
        let file_ids = files.iter().zip(0..).map(|(file, id)| (Arc::clone(file), id)).collect();
        let exact_ids = exacts.iter().zip(0..).map(|(exact, id)| (exact.clone(), id)).collect();
        Ok(Self { texts, files, file_ids, file_before: None, exacts, exact_ids })
    }
}

impl Record {
    /// The bytes that one takes.
    pub(super) const SIZE: usize = size_of::<Self>();

    /// One to be read into.
    pub(super) fn blank() -> Self {
        Self::new_zeroed()
    }

    pub(super) fn pack(row: &FlowRow, words: &mut Words) -> Self {
        let (source, source_flag) = packed(row.source.0, SOURCE_V4, SOURCE_V6);
        let (called, called_flag) = packed(row.called.0, CALLED_V4, CALLED_V6);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        Self {
            number: row.number,
            from: row.from,
            until: row.until,
            time: row.time,
            end: row.end.unwrap_or(NO_TIME),
            resolution: row.resolution,
            offset: row.origin.1,
            bytes: [row.bytes.0.unwrap_or(NO_BYTES), row.bytes.1.unwrap_or(NO_BYTES)],
            source,
            called,
            place: row.place.unwrap_or(NONE),
            destination: row.destination,
            clock: row.clock,
            file: words.file(&row.origin.0),
            alarm: words.text(row.alarm.as_ref()),
            application: words.text(row.application.as_ref()),
            class: words.text(row.class.as_ref()),
            exact: words.exact(row.exact.as_ref()),
            source_port: row.source.1.unwrap_or(0),
            called_port: row.called.1.unwrap_or(0),
            transport: row.transport.map_or(NO_TRANSPORT, transport_number),
            kind: kind_number(row.kind),
            flags: source_flag
                | called_flag
                | flag(row.source.1.is_some(), SOURCE_PORT)
                | flag(row.called.1.is_some(), CALLED_PORT)
                | flag(row.action == Some(Action::Allowed), ALLOWED)
                | flag(row.action == Some(Action::Blocked), BLOCKED),
        }
    }

    pub(super) fn unpack(&self, words: &Words) -> FlowRow {
        let is = |flag: u8| self.flags & flag != 0;
        let action = if is(ALLOWED) { Some(Action::Allowed) } else { is(BLOCKED).then_some(Action::Blocked) };
        let bytes = |bytes: u64| Some(bytes).filter(|bytes| *bytes != NO_BYTES);
        FlowRow {
            number: self.number,
            kind: kind(self.kind),
            from: self.from,
            until: self.until,
            time: self.time,
            end: Some(self.end).filter(|end| *end != NO_TIME),
            resolution: self.resolution,
            clock: self.clock,
            place: Some(self.place).filter(|place| *place != NONE),
            destination: self.destination,
            source: (
                unpacked(self.source, is(SOURCE_V4), is(SOURCE_V6)),
                is(SOURCE_PORT).then_some(self.source_port),
            ),
            called: (
                unpacked(self.called, is(CALLED_V4), is(CALLED_V6)),
                is(CALLED_PORT).then_some(self.called_port),
            ),
            transport: transport(self.transport),
            application: words.texts.shared(self.application),
            bytes: (bytes(self.bytes[0]), bytes(self.bytes[1])),
            action,
            alarm: words.texts.shared(self.alarm),
            class: words.texts.shared(self.class),
            exact: words.exacts.get(self.exact as usize).cloned(),
            origin: (
                words.files.get(self.file as usize).cloned().unwrap_or_else(|| Path::new("").into()),
                self.offset,
            ),
        }
    }
}

fn packed(address: Option<IpAddr>, v4: u8, v6: u8) -> ([u8; 16], u8) {
    match address {
        None => ([0; 16], 0),
        Some(IpAddr::V4(address)) => (address.to_ipv6_mapped().octets(), v4),
        Some(IpAddr::V6(address)) => (address.octets(), v6),
    }
}

fn unpacked(octets: [u8; 16], is_v4: bool, is_v6: bool) -> Option<IpAddr> {
    match octets {
        [.., a, b, c, d] if is_v4 => Some(IpAddr::from([a, b, c, d])),
        _ => is_v6.then(|| IpAddr::from(octets)),
    }
}

fn kind_number(kind: FlowKind) -> u8 {
    match kind {
        FlowKind::Flow => 0,
        FlowKind::Alarm => 1,
        FlowKind::Lookup => 2,
        FlowKind::Process => 3,
        FlowKind::Gpu => 4,
    }
}

fn kind(number: u8) -> FlowKind {
    match number {
        1 => FlowKind::Alarm,
        2 => FlowKind::Lookup,
        3 => FlowKind::Process,
        4 => FlowKind::Gpu,
        _ => FlowKind::Flow,
    }
}

fn transport_number(transport: Transport) -> u16 {
    let named = BY_NAME.iter().find(|(_, named)| *named == transport).map(|(number, _)| *number);
    match transport {
        Transport::Other(number) => u16::from(number),
        _ => named.unwrap_or(NO_TRANSPORT),
    }
}

fn transport(number: u16) -> Option<Transport> {
    let named = BY_NAME.iter().find(|(named, _)| *named == number).map(|(_, transport)| *transport);
    named.or_else(|| u8::try_from(number).ok().map(Transport::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> FlowRow {
        FlowRow {
            number: 7,
            kind: FlowKind::Alarm,
            from: -1,
            until: 2,
            time: 1,
            end: Some(3),
            resolution: 1000,
            clock: 4,
            place: Some(5),
            destination: 6,
            source: ("10.0.0.1".parse().ok(), Some(0)),
            called: ("::ffff:10.0.0.2".parse().ok(), Some(443)),
            transport: Some(Transport::Other(6)),
            application: Some("tls".into()),
            bytes: (Some(0), None),
            action: Some(Action::Blocked),
            alarm: Some("".into()),
            class: Some("mining.pool".into()),
            exact: Some(("run".into(), Some("call".into()))),
            origin: (Path::new("eve.json").into(), 1 << 40),
        }
    }

    fn bare() -> FlowRow {
        FlowRow {
            end: None,
            place: None,
            source: (None, None),
            called: (None, None),
            transport: None,
            application: None,
            bytes: (None, Some(9)),
            action: None,
            alarm: None,
            class: None,
            exact: None,
            ..full()
        }
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let named = |transport| FlowRow { transport: Some(transport), ..full() };
        let of = |kind| FlowRow { kind, ..full() };
        let kinds = [FlowKind::Flow, FlowKind::Lookup, FlowKind::Process, FlowKind::Gpu].map(of);
        let mut words = Words::default();
        for row in [full(), bare(), named(Transport::Tcp), named(Transport::Sctp)].iter().chain(&kinds) {
            assert_eq!(Record::pack(row, &mut words).unpack(&words), *row);
        }
    }

    #[test]
    fn files_are_told_apart_however_rows_of_them_mix() {
        let of = |file: &str| FlowRow { origin: (Path::new(file).into(), 0), ..full() };
        let mut words = Words::default();
        for row in ["a", "b", "a", "a", "c", "b"].map(of) {
            assert_eq!(Record::pack(&row, &mut words).unpack(&words), row);
        }
        assert_eq!(words.files.len(), 3);
    }

    #[test]
    fn one_takes_as_much_as_the_documents_say() {
        assert_eq!(Record::SIZE, 144);
    }
}
