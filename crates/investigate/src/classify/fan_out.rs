//! Scans: many destinations, most of which don't answer. Any, in little time; or addresses of one network at one port, more slowly.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;

use flows::{Action, FlowKind};

use super::is_outside;
use crate::incident::FlowRow;
use crate::model::Id;

/// So many different ends in so much time, in nanoseconds.
struct Many {
    ends: usize,
    within: i64,
}

/// Wherever they are.
const ANY: Many = Many { ends: 20, within: 60_000_000_000 };
/// Of one network, at one port.
const NEIGHBOURS: Many = Many { ends: 10, within: 3_600_000_000_000 };
/// What comes after a pause so long, and so many times as long as from one end to the next until then, is something else.
const PAUSE: i64 = 3_000_000_000;
const TIMES: i64 = 20;

/// For each flow of some places, whether it is part of one.
pub(super) fn find(rows: &[FlowRow]) -> Vec<bool> {
    let mut found = vec![false; rows.len()];
    mark_each(rows, &ANY, |_| Some(()), end, &mut found);
    // One service outside has many addresses, and one proxy many names; inside, a name of one's own must hide no scan.
    let of_network = |row: &FlowRow, side: bool| {
        let (address, port) = (row.called.0?, row.called.1?);
        (is_outside(address) == side).then(|| (network(address), port))
    };
    let (inside, outside) = (|row: &FlowRow| of_network(row, false), |row: &FlowRow| of_network(row, true));
    let address = |row: &FlowRow| row.called.0;
    mark_each(rows, &NEIGHBOURS, inside, address, &mut found);
    let (mut by_address, mut by_name) = (vec![false; rows.len()], vec![false; rows.len()]);
    mark_each(rows, &NEIGHBOURS, outside, address, &mut by_address);
    mark_each(rows, &NEIGHBOURS, outside, |row| row.destination, &mut by_name);
    for (found, (by_address, by_name)) in found.iter_mut().zip(by_address.into_iter().zip(by_name)) {
        *found |= by_address && by_name;
    }
    found
}

/// What is called: an address and a port, whatever its name.
fn end(row: &FlowRow) -> Result<(IpAddr, Option<u16>), Id> {
    row.called.0.map(|address| (address, row.called.1)).ok_or(row.destination)
}

/// A network of so many hosts that one can look through it: the first 24 bits of an address, or 64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [a, b, c, 0].into()
        }
        IpAddr::V6(address) => (u128::from(address) & (u128::MAX << 64)).to_be_bytes().into(),
    }
}

/// Marks the flows to many ends, of those that one source has to ends of one group.
fn mark_each<G: Eq + Hash, E: Eq + Hash>(
    rows: &[FlowRow],
    many: &Many,
    group: impl Fn(&FlowRow) -> Option<G>,
    end: impl Fn(&FlowRow) -> E,
    found: &mut [bool],
) {
    let mut groups: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.place.is_some() && is_unanswered(row)) {
        if let Some(group) = group(row) {
            groups.entry((row.place, row.source.0, group)).or_default().push(at);
        }
    }
    for mut flows in groups.into_values().filter(|flows| flows.len() >= many.ends) {
        flows.sort_by_key(|at| rows[*at].time);
        let mut pace = Pace::new(many.ends);
        for flows in flows.chunk_by(|_, next| pace.goes_on(rows[*next].time)) {
            mark(rows, flows, many, &end, found);
        }
    }
}

/// How quickly flows follow each other.
struct Pace {
    /// How many make a scan.
    many: i64,
    flows: i64,
    first: i64,
    last: i64,
}

impl Pace {
    fn new(many: usize) -> Self {
        Self { many: i64::try_from(many).unwrap_or(i64::MAX), flows: 0, first: 0, last: 0 }
    }

    /// Whether a flow belongs to those before it.
    fn goes_on(&mut self, time: i64) -> bool {
        let pause = time.saturating_sub(self.last);
        let usual = self.last.saturating_sub(self.first) / self.flows.max(1);
        let is_over = self.flows >= self.many && pause > PAUSE && pause > TIMES.saturating_mul(usual);
        if self.flows == 0 || is_over {
            *self = Self { flows: 0, first: time, last: time, ..*self };
        }
        self.flows += 1;
        self.last = time;
        !is_over
    }
}

/// Refused, or nothing came back; what sends much without an answer, as an overlay does, looks for nothing. That a name was not to be had
/// says nothing of hosts.
fn is_unanswered(flow: &FlowRow) -> bool {
    const PROBE: u64 = 10 << 10;
    let is_silent = flow.bytes.1 == Some(0) && flow.bytes.0.is_none_or(|sent| sent <= PROBE);
    flow.kind != FlowKind::Lookup && (flow.action == Some(Action::Blocked) || is_silent)
}

fn mark<E: Eq + Hash>(
    rows: &[FlowRow],
    flows: &[usize],
    many: &Many,
    end: impl Fn(&FlowRow) -> E,
    found: &mut [bool],
) {
    let mut window: VecDeque<usize> = VecDeque::new();
    let mut counts: HashMap<E, usize> = HashMap::new();
    // How many of the last of the window are not marked yet: each is marked once, however many a window has.
    let mut unmarked = 0;
    for at in flows {
        let flow = &rows[*at];
        window.push_back(*at);
        unmarked += 1;
        *counts.entry(end(flow)).or_default() += 1;
        while let Some(first) =
            window.front().copied().filter(|first| flow.time.saturating_sub(rows[*first].time) > many.within)
        {
            window.pop_front();
            let gone = end(&rows[first]);
            if let Some(count) = counts.get_mut(&gone) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&gone);
                }
            }
        }
        if counts.len() >= many.ends {
            window.iter().rev().take(unmarked).for_each(|at| found[*at] = true);
            unmarked = 0;
        }
    }
}
