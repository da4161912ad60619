//! Flows, as they are joined.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use flows::{Action, Connection, Flow, FlowKind, Format, Means, Transport};

use super::parts::{KeepError, Position};
use super::places::Places;
use super::{End, Incident, Timed, Visits, at};
use crate::hosts::Hosts;
use crate::model::Id;

const SECOND: i64 = 1_000_000_000;
/// A line is logged at most so long after what it tells, in nanoseconds.
const LOGGED_AFTER: i64 = 3_000_000_000;
/// Answers of lookups that are remembered, at most.
const ANSWERS: usize = 1_000_000;
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
#[derive(Debug, Default)]
pub(super) struct Before {
    connections: Connections,
    answered: Answered,
    clock: Option<SensorClock>,
}

impl Before {
    /// What comes next is of another incident. Names that were told hold on.
    pub(super) fn turn(&mut self) {
        (self.connections, self.clock) = (Connections::default(), None);
    }
}

/// The clock of the flow before: flows of one sensor come together, and to name a clock takes longer than to compare.
#[derive(Debug)]
struct SensorClock {
    format: Format,
    sensor: Option<Arc<str>>,
    has_zone: bool,
    id: Id,
}

/// The flows that have an id in their log, to add to them what other records tell. Ids are kept as a hash that nobody can foresee.
#[derive(Debug, Default)]
struct Connections {
    hash: RandomState,
    known: HashMap<u64, Position>,
}

impl Connections {
    fn key(&self, format: Format, flow: &mut Flow) -> Option<u64> {
        let connection: Connection = flow.connection.take()?;
        Some(self.hash.hash_one((format, flow.sensor.as_deref(), connection)))
    }
}

/// What a source was last told an address is called, to name the flows to it that say no name themselves.
#[derive(Debug, Default)]
struct Answered(HashMap<(Option<IpAddr>, IpAddr), Arc<str>>);

impl Answered {
    /// Takes note of a lookup's answers, or names a flow by them.
    fn name(&mut self, flow: &mut Flow) {
        if flow.kind == FlowKind::Lookup {
            let Some(name) = &flow.destination_name else { return };
            for answer in &flow.answers {
                if self.0.len() < ANSWERS || self.0.contains_key(&(flow.source, *answer)) {
                    self.0.insert((flow.source, *answer), Arc::clone(name));
                }
            }
        } else if let (None, Some(address)) = (&flow.destination_name, flow.destination) {
            flow.destination_name = self.0.get(&(flow.source, address)).cloned();
        }
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
    if let Some(known) = key.and_then(|key| before.connections.known.get(&key)) {
        incident.left_out.records_beside += 1;
        let timed = &mut incident.timed;
        return incident.flows.amend(*known, |row| {
            add(row, &flow);
            if let Some(timed) = timed.get_mut(row.clock as usize) {
                timed.see(row.time);
            }
        });
    }
    before.answered.name(&mut flow);
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
        before.connections.known.insert(key, position);
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
        destination: destination(incident, flow),
        source: (flow.source, flow.source_port),
        called: (flow.destination, flow.destination_port),
        transport: flow.transport,
        application: flow.application.clone(),
        bytes: (flow.bytes_out, flow.bytes_in),
        action: flow.action,
        alarm: flow.alarm.as_ref().map(|alarm| Arc::clone(&alarm.signature)),
        class: flow.class.clone(),
        exact: flow.run.clone().map(|run| (run, flow.tool_call_id.clone())),
        origin: at(&flow.origin),
    }
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
        (Some(name), _, _) => Cow::Borrowed(&**name),
        (None, Some(address), Some(port)) => std::net::SocketAddr::new(address, port).to_string().into(),
        (None, Some(address), None) => address.to_string().into(),
        (None, None, _) => flow.process.as_deref().unwrap_or("?").into(),
    };
    incident.destination(&text, || End {
        name: flow.destination_name.clone(),
        address: flow.destination,
        port: flow.destination_port,
        is_gpu: false,
    })
}
