//! Flows, as they are joined.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use flows::{Action, Connection, Flow, FlowKind, Format, Means, Transport};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::answered::Answered;
use super::parts::{KeepError, Position};
use super::places::Places;
use super::{End, Incident, Timed, Visits, at};
use crate::classify;
use crate::hosts::Hosts;
use crate::model::Id;

const SECOND: i64 = 1_000_000_000;
/// A line is logged at most so long after what it tells, in nanoseconds.
const LOGGED_AFTER: i64 = 3_000_000_000;
/// Connections whose records are put together, at most.
const CONNECTIONS: usize = 4_000_000;

/// A flow. Times are as its log has them, in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRow {
    /// Its place in the order of reading.
    pub number: u64,
    /// What kind of record it was.
    pub kind: FlowKind,
    /// The earliest moment at which it may have begun.
    pub from: i64,
    /// The latest.
    pub until: i64,
    /// The time as it was written.
    pub time: i64,
    /// When it ended, as it was written.
    pub end: Option<i64>,
    /// How fine the time is.
    pub resolution: u64,
    /// The clock of its times.
    pub clock: Id,
    /// Whose it is.
    pub place: Option<Id>,
    /// Where it went.
    pub destination: Id,
    /// Who began it, and its port.
    pub source: (Option<IpAddr>, Option<u16>),
    /// Who was called, and its port.
    pub called: (Option<IpAddr>, Option<u16>),
    /// The transport protocol.
    pub transport: Option<Transport>,
    /// What it spoke.
    pub application: Option<Arc<str>>,
    /// Bytes out and in.
    pub bytes: (Option<u64>, Option<u64>),
    /// What the firewall did.
    pub action: Option<Action>,
    /// What an alarm says.
    pub alarm: Option<Arc<str>>,
    /// What it was taken for.
    pub class: Option<Arc<str>>,
    /// The run and the call, where they are known by id.
    pub exact: Option<(Arc<str>, Option<Arc<str>>)>,
    /// Where it was read.
    pub origin: (Arc<Path>, u64),
}

/// What earlier flows told, and later ones are taken in with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Before {
    connections: Connections,
    answered: Answered,
    #[serde(skip)]
    clock: Option<SensorClock>,
}

impl Before {
    /// What comes next is of another incident. Names that were told hold on.
    pub(super) fn turn(&mut self) {
        (self.connections, self.clock) = (Connections::default(), None);
    }
}

/// The clock of the flow before: flows of one sensor come together, and to name a clock takes longer than to compare.
#[derive(Clone, Debug)]
struct SensorClock {
    format: Format,
    sensor: Option<Arc<str>>,
    has_zone: bool,
    id: Id,
}

/// The flows that have an id in their log, to add to them what other records tell. Ids are kept as a hash that nobody can foresee, and
/// that is the same when what was read is taken up again.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Connections {
    keys: (u64, u64),
    known: HashMap<u64, Known>,
}

/// A flow that other records may tell more of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Known {
    position: Position,
    /// Its name is from a lookup: what the connection itself says is better.
    is_named_by_lookup: bool,
}

impl Default for Connections {
    fn default() -> Self {
        let random = RandomState::new();
        Self { keys: (random.hash_one(0), random.hash_one(1)), known: HashMap::new() }
    }
}

impl Connections {
    fn key(&self, format: Format, flow: &mut Flow) -> Option<u64> {
        let connection: Connection = flow.connection.take()?;
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        (format, flow.sensor.as_deref(), connection).hash(&mut hasher);
        Some(hasher.finish())
    }
}

pub(super) fn take(
    incident: &mut Incident,
    places: &Places,
    hosts: &Hosts,
    before: &mut Before,
    format: Format,
    mut flow: Flow,
) -> Result<(), KeepError> {
    let key = before.connections.key(format, &mut flow);
    let says_its_name = flow.destination_name.is_some();
    let (_, until) = interval(&flow);
    let is_named_by_lookup = before.answered.name(&mut flow, until);
    if let Some(known) = key.and_then(|key| before.connections.known.get_mut(&key))
        && is_beside(incident, known, &flow, says_its_name)?
    {
        incident.left_out.records_beside += 1;
        return Ok(());
    }
    let place = places.of_flow(&flow, hosts);
    if place.is_none() {
        incident.left_out.flows_without_place += 1;
    }
    let clock = clock(incident, &mut before.clock, format, &flow);
    let row = row(incident, clock, &flow, place);
    let position = keep(incident, row)?;
    if let Some(key) = key
        && before.connections.known.len() < CONNECTIONS
    {
        before.connections.known.insert(key, Known { position, is_named_by_lookup });
    }
    Ok(())
}

/// Keeps a flow, and counts it.
pub(super) fn keep(incident: &mut Incident, row: FlowRow) -> Result<Position, KeepError> {
    note(incident, &row);
    incident.flows.push(row)
}

/// Counts what is asked of all flows together.
fn note(incident: &mut Incident, row: &FlowRow) {
    let (destination, clock) = (row.destination as usize, row.clock as usize);
    if incident.visits.len() <= destination {
        incident.visits.resize(destination + 1, Visits::default());
    }
    incident.visits[destination].add(row.place);
    if incident.timed.len() <= clock {
        incident.timed.resize(clock + 1, Timed::NOTHING);
    }
    let timed = &mut incident.timed[clock];
    timed.flows += 1;
    timed.see(row.time);
}

/// One clock for each sensor of a format, and for times with and without a zone.
fn clock(incident: &mut Incident, before: &mut Option<SensorClock>, format: Format, flow: &Flow) -> Id {
    let has_zone = flow.time.stamp.zone != intake::Zone::Unknown;
    let is_same = |clock: &&SensorClock| {
        (clock.format, clock.has_zone) == (format, has_zone) && clock.sensor == flow.sensor
    };
    if let Some(clock) = before.as_ref().filter(is_same) {
        return clock.id;
    }
    let zone = if has_zone { "" } else { ", zone unknown" };
    let sensor = flow.sensor.as_deref().map_or(String::new(), |sensor| format!(" of {sensor}"));
    let id = incident.flow_clocks.id(&format!("{format}{sensor}{zone}"));
    *before = Some(SensorClock { format, sensor: flow.sensor.clone(), has_zone, id });
    id
}

fn row(incident: &mut Incident, clock: Id, flow: &Flow, place: Option<Id>) -> FlowRow {
    let stamp = flow.time.stamp;
    let (from, until) = interval(flow);
    let destination = destination(incident, flow);
    FlowRow {
        number: 0,
        kind: flow.kind,
        from,
        until,
        time: stamp.nanos,
        end: flow.end.map(|end| end.nanos),
        resolution: stamp.resolution,
        clock,
        place,
        destination,
        source: (flow.source, flow.source_port),
        called: (flow.destination, flow.destination_port),
        transport: flow.transport,
        application: flow.application.clone(),
        bytes: (flow.bytes_out, flow.bytes_in),
        action: flow.action,
        alarm: flow.alarm.as_ref().map(|alarm| Arc::clone(&alarm.signature)),
        class: flow.class.clone().or_else(|| lost_class(incident, flow, destination)),
        exact: flow.run.clone().map(|run| (run, flow.tool_call_id.clone())),
        origin: at(&flow.origin),
    }
}

/// What its name tells, where that is lost among too many destinations: nobody must hide a pool behind a scan.
fn lost_class(incident: &Incident, flow: &Flow, destination: Id) -> Option<Arc<str>> {
    let is_lost = incident.ends.get(destination as usize).is_some_and(|end| end.is_many);
    (is_lost && flow.destination_name.as_deref().is_some_and(classify::is_pool))
        .then(|| classify::POOL.into())
}

/// When it may have begun.
fn interval(flow: &Flow) -> (i64, i64) {
    let stamp = flow.time.stamp;
    match flow.time.means {
        Means::Began => (stamp.nanos, stamp.latest()),
        Means::Logged => (stamp.nanos.saturating_sub(LOGGED_AFTER), stamp.latest()),
        Means::Window => (stamp.nanos, flow.end.map_or(stamp.latest(), |end| end.latest())),
        // It ended then, and nobody says how long it took.
        Means::Ended => (stamp.nanos.saturating_sub(20 * LOGGED_AFTER), stamp.latest()),
    }
}

/// Adds what another record of the same connection tells; false if it is of another one, or another question of a resolver's client.
/// Ids are used again: by who asks many names from one port, and by a firewall that counts from the beginning.
fn is_beside(
    incident: &mut Incident,
    known: &mut Known,
    flow: &Flow,
    says_its_name: bool,
) -> Result<bool, KeepError> {
    let Some(mut row) = incident.flows.get(known.position)? else { return Ok(false) };
    let end = incident.ends.get(row.destination as usize).filter(|_| !known.is_named_by_lookup);
    let name = end.and_then(|end| end.name.as_ref());
    let is_question = flow.kind == FlowKind::Lookup;
    let is_another_question = is_question && name.is_some() && name != flow.destination_name.as_ref();
    if is_another_question || !are_ends_of(&row, flow) {
        return Ok(false);
    }
    // The record that has the name may come after one that has none: an alarm, or the connection in a log of its own.
    if says_its_name && name.is_none() {
        known.is_named_by_lookup = false;
        let named = destination(incident, flow);
        incident.moved(row.destination, named, row.place);
        row.destination = named;
        if is_question && row.kind == FlowKind::Flow {
            row.kind = FlowKind::Lookup;
        }
    }
    add(&mut row, flow);
    if let Some(timed) = incident.timed.get_mut(row.clock as usize) {
        timed.see(row.time);
    }
    incident.flows.set(known.position, &row)?;
    Ok(true)
}

/// Whether both are between the same ends, whichever is the source. What isn't told is no difference.
fn are_ends_of(row: &FlowRow, flow: &Flow) -> bool {
    fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    let same_end = |one: (Option<IpAddr>, Option<u16>), other: (Option<IpAddr>, Option<u16>)| {
        same(one.0, other.0) && same(one.1, other.1)
    };
    let (source, called) = ((flow.source, flow.source_port), (flow.destination, flow.destination_port));
    same_end(row.source, source) && same_end(row.called, called)
        || same_end(row.source, called) && same_end(row.called, source)
}

/// What another record of the same connection tells.
fn add(row: &mut FlowRow, flow: &Flow) {
    if flow.time.means == Means::Began {
        (row.from, row.until) = interval(flow);
        row.time = flow.time.stamp.nanos;
        row.resolution = flow.time.stamp.resolution;
    }
    if let Some(alarm) = &flow.alarm {
        row.alarm.get_or_insert_with(|| Arc::clone(&alarm.signature));
    }
    row.end = row.end.max(flow.end.map(|end| end.nanos));
    row.application = row.application.take().or_else(|| flow.application.clone());
    row.class = row.class.take().or_else(|| flow.class.clone());
    row.bytes = (row.bytes.0.max(flow.bytes_out), row.bytes.1.max(flow.bytes_in));
    row.action = row.action.or(flow.action);
}

/// A clock whose times are all whole seconds has whole seconds, whatever zeros are written after them.
pub(super) fn coarsen(incident: &mut Incident) -> Result<(), KeepError> {
    /// Fewer times than that may be whole by chance of what was logged.
    const FEWEST: u64 = 20;
    let coarse: Vec<bool> = incident.timed.iter().map(|timed| timed.whole && timed.flows >= FEWEST).collect();
    if !coarse.contains(&true) {
        return Ok(());
    }
    for part in 0..incident.flows.parts() {
        let mut rows = incident.flows.part(part)?;
        let is_coarse = |row: &FlowRow| coarse.get(row.clock as usize).is_some_and(|is_coarse| *is_coarse);
        for row in rows.iter_mut().filter(|row| is_coarse(row)) {
            if row.resolution < SECOND.unsigned_abs() {
                row.resolution = SECOND.unsigned_abs();
                row.until = row.until.max(row.time.saturating_add(SECOND - 1));
            }
        }
        incident.flows.put(part, &rows)?;
    }
    Ok(())
}

/// A destination is its name; without one its address and port.
fn destination(incident: &mut Incident, flow: &Flow) -> Id {
    let text = match (&flow.destination_name, flow.destination, flow.destination_port) {
        (Some(name), _, _) => told(name),
        (None, Some(address), Some(port)) => std::net::SocketAddr::new(address, port).to_string().into(),
        (None, Some(address), None) => address.to_string().into(),
        (None, None, _) => match flow.process.as_deref() {
            Some(program) if program.starts_with('/') => program.into(),
            Some(program) => format!("program {program}").into(),
            None => "?".into(),
        },
    };
    let (name, port) = (flow.destination_name.clone(), flow.destination_port);
    let id = incident.destination(&text, || End { name, port, ..End::default() });
    // Who is asked for a name is not who has it.
    if let Some(end) = incident.ends.get_mut(id as usize)
        && flow.kind != FlowKind::Lookup
        && !end.is_many
        && !end.is_gpu
        && end.address.is_none()
    {
        (end.address, end.port) = (flow.destination, flow.destination_port);
    }
    id
}

/// A name as a destination. Whoever is called, or asks, chooses it: what no host is called is quoted, so that no name can be that of a
/// GPU or of what we put together, such as `many hosts`.
fn told(name: &str) -> Cow<'_, str> {
    let is_plain = |char: char| !char.is_ascii() || char.is_ascii_alphanumeric() || "-._*".contains(char);
    if name.chars().all(is_plain) || name.parse::<IpAddr>().is_ok() {
        return name.into();
    }
    format!("\"{name}\"").into()
}
