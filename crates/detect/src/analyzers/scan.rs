//! Looking around: many hosts or many ports, fast or slowly.
//!
//! A place counts if it was refused, failed, or was asked for by its address without a name: who knows where to go asks for a name, and
//! gets there. So a crawler of allowed sites is no scan, and neither is a client that tries one server ten times.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use event::fact::{Decision, Fact, NetConnect, NetRefused, ScanSeen, Votes};
use event::{CallId, Event};

use super::{Analyzer, address, caller, host, lower, millis};
use crate::bounded::Bounded;
use crate::catalogue::{self, Entry};
use crate::finding::Suspicion;

const CALLS: usize = 4096;
/// Places of one call, and of the whole run, that are remembered.
const PLACES: usize = 4096;
/// So many different hosts, or ports of one host, in a minute are a scan.
const FAST: usize = 12;
const MINUTE_MS: i64 = 60_000;
/// So many in an hour are one too, if it is slow.
const SLOW: usize = 20;
const HOUR_MS: i64 = 3_600_000;
/// A neighbour's neighbour, so often in a row, is a sweep.
const ROW: u32 = 6;
const EXAMPLES: usize = 8;

/// Where clouds tell a machine who it is.
const METADATA: &[&str] = &[
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fd00:ec2::254",
    "fd20:ce::254",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
];
/// So many different ones are a sweep; client libraries ask one.
const METADATA_SWEEP: usize = 3;

/// Whether a host is a cloud's metadata service.
pub(super) fn is_metadata(host: &str) -> bool {
    METADATA.contains(&host)
}

/// An attempt.
#[derive(Debug, Clone)]
struct Attempt {
    at: i64,
    host: String,
    port: u16,
    was_refused: bool,
    seq: u64,
}

/// Where something was attempted within an hour.
#[derive(Debug, Default)]
struct Window {
    attempts: VecDeque<Attempt>,
    /// The places of these attempts, of each the first: who goes on at one place must not push the others out.
    places: HashSet<(String, u16)>,
    last: Option<(IpAddr, u16)>,
    /// Steps from a place to its neighbour, in a row.
    row: u32,
    /// Places that are new since the window was looked at.
    fresh: usize,
    /// What was told of it, and how many places there were then.
    told: HashMap<&'static str, usize>,
}

#[derive(Debug)]
pub(super) struct Scan {
    calls: Bounded<CallId, Window>,
    /// Of the whole run: an agent can make each attempt a call of its own.
    run: Window,
}

impl Default for Scan {
    fn default() -> Self {
        Self { calls: Bounded::new(CALLS), run: Window::default() }
    }
}

impl Analyzer for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn see(&mut self, event: &Event, suspicions: &mut Vec<Suspicion>) {
        let Some(attempt) = attempt(event) else { return };
        let mut found = Vec::new();
        if let Some(call) = event.call {
            self.calls.entry(call, Window::default).add(attempt.clone(), &mut found);
        }
        // Many calls with an attempt each are one scan; what one call shows by itself is told of that call.
        let of_call = found.len();
        self.run.add(attempt, &mut found);
        if of_call > 0 {
            found.truncate(of_call);
        }
        suspicions.extend(found.into_iter().map(|found| found.suspicion(event)));
    }

    fn forgotten(&mut self) -> u64 {
        self.calls.forgotten()
    }
}

/// The attempt that an event tells of, if it counts.
fn attempt(event: &Event) -> Option<Attempt> {
    let (host, port, was_refused) = match &event.fact {
        Fact::NetRefused(refused) => {
            let (host, port) = refused_place(refused)?;
            (host, port, true)
        }
        Fact::NetConnect(connect) => {
            let was_refused = connect.decision != Decision::Allowed;
            (was_refused || is_by_address(connect))
                .then(|| (host(&connect.wanted).to_ascii_lowercase(), connect.wanted.port, was_refused))?
        }
        _ => return None,
    };
    Some(Attempt { at: millis(event), host, port, was_refused, seq: event.seq })
}

fn refused_place(refused: &NetRefused) -> Option<(String, u16)> {
    let destination = refused.destination.as_ref()?;
    Some((lower(&destination.address), destination.port?))
}

fn is_by_address(connect: &NetConnect) -> bool {
    connect.wanted.name.is_none()
}

/// A scan that was found.
struct Found {
    entry: &'static Entry,
    about: String,
    seen: ScanSeen,
    evidence: Vec<u64>,
}

impl Window {
    fn add(&mut self, attempt: Attempt, found: &mut Vec<Found>) {
        self.forget(attempt.at);
        self.follow(&attempt);
        if !self.places.insert((attempt.host.clone(), attempt.port)) {
            return;
        }
        self.fresh += 1;
        self.attempts.push_back(attempt);
        // A look at all of the window is dear: the larger it is, the more has to be new.
        if self.fresh > self.places.len() / 64 {
            self.fresh = 0;
            self.judge(found);
        }
    }

    /// Forgets what is older than an hour, and what is too much.
    fn forget(&mut self, now: i64) {
        while let Some(first) = self.attempts.front()
            && (now.saturating_sub(first.at) > HOUR_MS || self.attempts.len() >= PLACES)
        {
            let Some(first) = self.attempts.pop_front() else { return };
            self.places.remove(&(first.host, first.port));
        }
        if self.attempts.is_empty() {
            self.told.clear();
        }
    }

    /// Counts steps to the next address or the next port.
    fn follow(&mut self, attempt: &Attempt) {
        let Some(address) = address(&attempt.host) else { return };
        let step = self.last.map(|(last, port)| match (last, address) {
            _ if last == address => i128::from(attempt.port) - i128::from(port),
            (IpAddr::V4(last), IpAddr::V4(next)) => i128::from(next.to_bits()) - i128::from(last.to_bits()),
            (IpAddr::V6(last), IpAddr::V6(next)) => {
                i128::try_from(next.to_bits().abs_diff(last.to_bits())).unwrap_or(i128::MAX)
            }
            _ => 0,
        });
        match step {
            Some(1 | -1) => self.row += 1,
            // Another port of the same host, before it goes on to the next.
            Some(_) if self.last.is_some_and(|(last, _)| last == address) => {}
            _ => self.row = 0,
        }
        self.last = Some((address, attempt.port));
    }

    fn judge(&mut self, found: &mut Vec<Found>) {
        let Some(last) = self.attempts.back() else { return };
        let (now, host) = (last.at, last.host.clone());
        if is_metadata(&host) {
            self.tell(&catalogue::SCAN_METADATA, METADATA_SWEEP, "", found, HOUR_MS, |attempt| {
                is_metadata(&attempt.host)
            });
        }
        let is_recent = move |attempt: &Attempt| now.saturating_sub(attempt.at) <= MINUTE_MS;
        if self.places.len() < FAST {
            return;
        }
        let of_host = host.clone();
        self.tell(&catalogue::SCAN_PORTS, FAST, &host, found, MINUTE_MS, move |attempt| {
            is_recent(attempt) && attempt.host == of_host
        });
        self.tell(&catalogue::SCAN_HOSTS, FAST, "", found, MINUTE_MS, is_recent);
        if !self.told.contains_key(catalogue::SCAN_HOSTS.id) {
            self.tell(&catalogue::SCAN_SLOW, SLOW, "", found, HOUR_MS, |_| true);
        }
    }

    /// Tells of a scan if enough different places were tried, and again when they have doubled.
    fn tell(
        &mut self,
        entry: &'static Entry,
        enough: usize,
        about: &str,
        found: &mut Vec<Found>,
        window: i64,
        counts: impl Fn(&Attempt) -> bool,
    ) {
        let due = self.told.get(entry.id).map_or(enough, |told| told * 2);
        // The newest first: what is out of the window is behind.
        let attempts: Vec<_> = self.attempts.iter().rev().filter(|attempt| counts(attempt)).collect();
        if attempts.len() < due {
            return;
        }
        let hosts: BTreeSet<_> = attempts.iter().map(|attempt| &attempt.host).collect();
        let ports: BTreeSet<_> = attempts.iter().map(|attempt| attempt.port).collect();
        let counted = if about.is_empty() { hosts.len() } else { ports.len() };
        if counted < due {
            return;
        }
        let first = attempts.last().map_or(0, |attempt| attempt.at);
        let last = attempts.first().map_or(0, |attempt| attempt.at);
        let places: BTreeSet<_> = attempts.iter().map(|attempt| (&attempt.host, attempt.port)).collect();
        let mut votes = Votes::default();
        votes.add(
            if about.is_empty() { "hosts" } else { "ports" },
            if counted >= 2 * enough { 95 } else { 80 },
        );
        if self.row >= ROW {
            votes.add("in-a-row", 60);
        }
        let refused = attempts.iter().filter(|attempt| attempt.was_refused).count();
        let seen = ScanSeen {
            votes,
            hosts: hosts.len() as u64,
            ports: ports.len() as u64,
            places: places.len() as u64,
            refused: refused as u64,
            window_ms: last.saturating_sub(first).clamp(0, window).unsigned_abs(),
            examples: places
                .iter()
                .take(EXAMPLES)
                .map(|(host, port)| format!("{host}:{port}").into())
                .collect(),
        };
        let evidence = attempts.iter().rev().map(|attempt| attempt.seq).take(EXAMPLES).collect();
        found.push(Found { entry, about: about.to_owned(), seen, evidence });
        self.told.insert(entry.id, counted);
    }
}

impl Found {
    fn suspicion(self, event: &Event) -> Suspicion {
        let seen = self.seen;
        let window = seen.window_ms / 1000;
        let of = if self.about.is_empty() { String::new() } else { format!(" of {}", self.about) };
        let message = format!(
            "{} tried {} hosts and {} ports{of} in {window} s, {} of {} attempts refused",
            caller(event),
            seen.hosts,
            seen.ports,
            seen.refused,
            seen.places.max(seen.refused),
        );
        // One that got through somewhere is worse than one that met a wall.
        let is_prevented = seen.refused >= seen.places;
        Suspicion::of(self.entry, self.about, message)
            .prevented(is_prevented)
            .confidence(seen.votes.score)
            .evidence(self.evidence)
            .analysis(seen)
    }
}

#[cfg(test)]
mod tests {
    use event::fact::{Destination, Family, Severity, SocketType};

    use super::*;
    use crate::testing::{Trial, connect, rules, wanted};

    fn refused(address: &str, port: u16) -> NetRefused {
        NetRefused {
            syscall: "connect".into(),
            family: Family::Inet,
            socket_type: SocketType::Stream,
            protocol: None,
            destination: Some(Destination { address: address.into(), port: Some(port) }),
            errno: "ENETUNREACH".into(),
        }
    }

    fn scan(places: impl Iterator<Item = (String, u16)>, every_ms: i64) -> Vec<Suspicion> {
        let mut trial = Trial::of(Scan::default());
        let mut suspicions = Vec::new();
        for (host, port) in places {
            suspicions.extend(trial.fact(1, refused(&host, port)));
            trial.wait(every_ms);
        }
        suspicions
    }

    fn hosts(count: u8) -> impl Iterator<Item = (String, u16)> {
        (1..=count).map(|last| (format!("10.0.0.{last}"), 22))
    }

    #[test]
    fn many_hosts_in_a_minute_are_a_scan_and_a_few_are_none() {
        assert!(scan(hosts(11), 10).is_empty());
        let found = scan(hosts(12), 10);
        assert_eq!((rules(&found), found[0].severity), (vec!["scan.hosts"], Severity::Medium));
        assert_eq!(rules(&scan(hosts(200), 10)), ["scan.hosts"; 5], "told again when they doubled");
    }

    #[test]
    fn many_ports_of_one_host_are_a_scan() {
        let ports = |count| (1..=count).map(|port| ("10.0.0.1".to_owned(), port));
        assert!(scan(ports(11), 10).is_empty());
        let found = scan(ports(12), 10);
        assert_eq!((rules(&found), found[0].about.to_string()), (vec!["scan.ports"], "10.0.0.1".to_owned()));
    }

    #[test]
    fn the_same_place_again_and_again_is_no_scan() {
        assert!(scan(std::iter::repeat_n(("10.0.0.1".to_owned(), 22), 10_000), 1).is_empty());
    }

    #[test]
    fn who_goes_on_at_one_place_hides_nothing_by_it() {
        let noise = || std::iter::repeat_n(("10.9.9.9".to_owned(), 1), 5_000);
        let found = scan(hosts(30).flat_map(|host| std::iter::once(host).chain(noise())), 1);
        assert!(rules(&found).contains(&"scan.hosts") || rules(&found).contains(&"scan.slow"), "{found:?}");
    }

    #[test]
    fn one_a_minute_for_an_hour_is_a_slow_scan() {
        let found = scan(hosts(60), 60_000);
        assert_eq!(rules(&found)[0], "scan.slow");
        assert!(scan(hosts(60), 600_000).is_empty(), "six an hour");
    }

    #[test]
    fn attempts_of_many_calls_are_one_scan() {
        let mut trial = Trial::of(Scan::default());
        let found: Vec<_> = (1..=40)
            .flat_map(|call| {
                trial.wait(5_000);
                trial.fact(call, refused(&format!("10.0.0.{call}"), 22))
            })
            .collect();
        assert_eq!(rules(&found)[0], "scan.hosts");
    }

    #[test]
    fn who_crawls_what_is_allowed_by_name_does_not_scan() {
        let mut trial = Trial::of(Scan::default());
        for number in 0..100 {
            let place = wanted(Some(&format!("site{number}.example")), Some("192.0.2.1"), 443);
            assert!(trial.fact(1, connect(place, None, Decision::Allowed)).is_empty());
        }
    }

    #[test]
    fn addresses_that_are_allowed_are_worse_to_scan() {
        let mut trial = Trial::of(Scan::default());
        let found: Vec<_> = (1..=12)
            .flat_map(|last| {
                let place = wanted(None, Some(&format!("10.0.0.{last}")), 22);
                trial.fact(1, connect(place, None, Decision::Allowed))
            })
            .collect();
        assert_eq!((rules(&found), found[0].severity), (vec!["scan.hosts"], Severity::High));
        let Some(Fact::ScanSeen(seen)) = &found[0].analysis else { panic!("{found:?}") };
        assert!(seen.votes.has("in-a-row"));
    }

    #[test]
    fn several_metadata_services_are_a_sweep() {
        let places = METADATA.iter().map(|host| ((*host).to_owned(), 80));
        assert_eq!(rules(&scan(places.take(2), 1)), Vec::<&str>::new());
        let places = METADATA.iter().map(|host| ((*host).to_owned(), 80));
        assert_eq!(rules(&scan(places.take(3), 1)), ["scan.metadata"]);
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut trial = Trial::of(Scan::default());
        for last in 1..=50 {
            trial.wait(-1_000_000);
            trial.fact(1, refused(&format!("10.0.0.{last}"), 22));
        }
        assert!(trial.analyzer.run.attempts.len() <= 50);
    }

    #[test]
    fn memory_is_bounded() {
        let found = scan((0..=255u8).flat_map(|b| (0..64u8).map(move |c| (format!("10.{b}.{c}.1"), 1))), 1);
        assert!(!found.is_empty());
        let mut trial = Trial::of(Scan::default());
        for number in 0..20_000u32 {
            trial.fact(1, refused(&std::net::Ipv4Addr::from_bits(number).to_string(), 1));
        }
        assert!(trial.analyzer.run.places.len() <= PLACES && trial.analyzer.run.attempts.len() <= PLACES);
    }
}
