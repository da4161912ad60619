//! The flows that are being followed, within bounds.
//!
//! At most [`LIVE`] at a time. Flows that have ended are let go from time to time, by the clock of the capture; when
//! there are too many, or what they say of themselves takes too much, those that have been silent for longest are let go, as evicted. Each pass over all flows is paid
//! for by as many packets as a fixed share of them, so that no capture makes a packet cost more than a constant.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::stream::Budget;
use super::tracked::{Budgets, Carrier, Ending, FlowRecord, Tracked};
use super::transport::{Datagram, Segment};

/// How many flows are followed at a time.
pub const LIVE: usize = 32_768;

/// What all flows together may keep behind holes, in bytes.
pub const KEPT_IN_ALL: usize = 32 * 1024 * 1024;

/// What the identifiers of all flows and what they found may take, in bytes, about.
pub const KNOWN_IN_ALL: usize = 64 * 1024 * 1024;

/// The share of all flows that is evicted at once.
const EVICTED: usize = LIVE / 16;

/// How often ended flows are looked for, on the clock of the capture.
const TIDY: Duration = Duration::from_secs(5);

/// Two ends and what is between them, the smaller end first: the same for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    carrier: Carrier,
    low: SocketAddr,
    high: SocketAddr,
}

impl Key {
    fn new(carrier: Carrier, from: SocketAddr, to: SocketAddr) -> Self {
        Self { carrier, low: from.min(to), high: from.max(to) }
    }
}

/// The flows that are being followed, and those that were and are ready to be taken.
#[derive(Debug)]
pub(super) struct Table {
    live: HashMap<Key, Box<Tracked>>,
    ready: VecDeque<FlowRecord>,
    budgets: Budgets,
    begun: u64,
    evicted: u64,
    tidied: Duration,
    packets_since: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        let budget = |limit| Budget { used: 0, limit };
        let budgets = Budgets { segments: budget(KEPT_IN_ALL), identifiers: budget(KNOWN_IN_ALL) };
        Self {
            live: HashMap::new(),
            ready: VecDeque::new(),
            budgets,
            begun: 0,
            evicted: 0,
            tidied: Duration::ZERO,
            packets_since: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn budgets(&mut self) -> &mut Budgets {
        &mut self.budgets
    }

    /// How many flows are followed.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.live.len()
    }

    /// How many flows began.
    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    /// How many flows were evicted.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// A flow that is followed no further.
    pub(super) fn pop(&mut self) -> Option<FlowRecord> {
        self.ready.pop_front()
    }

    pub(super) fn segment(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, segment: &Segment<'_>) {
        self.tidy(now);
        let key = Key::new(Carrier::Tcp, from, to);
        if self.live.get(&key).is_some_and(|flow| flow.is_replaced_by(from, segment)) {
            self.release(&key, Ending::Replaced);
        }
        let serial = self.begun;
        let flow = self.live.entry(key).or_insert_with(|| {
            self.begun += 1;
            Box::new(Tracked::tcp(serial, now, from, to, segment))
        });
        flow.segment(now, from, segment, &mut self.budgets);
        self.make_room();
    }

    pub(super) fn datagram(
        &mut self,
        now: Duration,
        from: SocketAddr,
        to: SocketAddr,
        datagram: Datagram<'_>,
    ) {
        self.tidy(now);
        let key = Key::new(Carrier::Udp, from, to);
        if self.live.get(&key).is_some_and(|flow| flow.ending(now).is_some()) {
            self.release(&key, Ending::Silent);
        }
        let serial = self.begun;
        let flow = self.live.entry(key).or_insert_with(|| {
            self.begun += 1;
            Box::new(Tracked::udp(serial, now, from, to))
        });
        flow.datagram(now, from, datagram, &mut self.budgets);
        self.make_room();
    }

    /// The capture has ended, and with it every flow.
    pub(super) fn finish(&mut self) {
        let all = self.live.iter().map(|(key, flow)| (flow.serial, *key, Ending::CaptureEnd)).collect();
        self.release_all(all);
    }

    /// Lets go of what has ended, if there was time for something to end and as many packets as pay for the search.
    fn tidy(&mut self, now: Duration) {
        self.packets_since += 1;
        if now.saturating_sub(self.tidied) < TIDY || self.packets_since < self.live.len() / 16 {
            return;
        }
        (self.tidied, self.packets_since) = (now, 0);
        let all = self.live.iter();
        let ended = all.filter_map(|(key, flow)| Some((flow.serial, *key, flow.ending(now)?))).collect();
        self.release_all(ended);
    }

    fn make_room(&mut self) {
        let identifiers = &self.budgets.identifiers;
        if self.live.len() < LIVE && identifiers.used <= identifiers.limit {
            return;
        }
        let mut all: Vec<_> = self.live.iter().map(|(key, flow)| (flow.last(), flow.serial, *key)).collect();
        all.sort_unstable_by_key(|(last, serial, _)| (*last, *serial));
        let evicted: Vec<_> =
            all.into_iter().take(EVICTED).map(|(_, serial, key)| (serial, key, Ending::Evicted)).collect();
        self.evicted += evicted.len() as u64;
        self.release_all(evicted);
    }

    /// Lets flows go in the order of their beginning.
    fn release_all(&mut self, mut flows: Vec<(u64, Key, Ending)>) {
        flows.sort_unstable_by_key(|(serial, _, _)| *serial);
        for (_, key, ending) in flows {
            self.release(&key, ending);
        }
    }

    fn release(&mut self, key: &Key, ending: Ending) {
        if let Some(flow) = self.live.remove(key) {
            self.ready.push_back(flow.into_record(ending, &mut self.budgets));
        }
    }
}
