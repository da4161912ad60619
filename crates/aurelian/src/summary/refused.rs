//! Refused attempts in few words: a scan of a network is one line, not a hundred.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use event::Text;
use event::fact::{Fact, Family, NetRefused, SocketType, SyscallRefused};
use sensor::{Refusal, Refusals};

use super::units;

/// Groups of addresses that are named of one kind of attempt.
const GROUPS: usize = 4;
/// Kinds of attempts that are named of one call.
const KINDS: usize = 8;
/// Ports that are named of one group, and characters of a name that isn't ours.
const PORTS: usize = 8;
const LONGEST: usize = 80;

/// One line for each kind of attempt, most frequent first.
pub(super) fn lines(refusals: &Refusals) -> Vec<String> {
    let mut kinds: Vec<Kind> = Vec::new();
    for refusal in &refusals.list {
        let what = what(&refusal.fact);
        let index = kinds.iter().position(|kind| kind.what == what).unwrap_or_else(|| {
            kinds.push(Kind { what, count: 0, places: Vec::new() });
            kinds.len() - 1
        });
        if let Some(kind) = kinds.get_mut(index) {
            kind.add(refusal);
        }
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    let mut lines: Vec<String> = kinds.iter().take(KINDS).map(Kind::line).collect();
    let more = refusals.more + kinds.iter().skip(KINDS).map(|kind| kind.count).sum::<u64>();
    if more > 0 {
        lines.push(units::count(more, "other attempt"));
    }
    lines
}

/// Attempts of one kind, and where they were to go.
struct Kind {
    what: String,
    count: u64,
    places: Vec<Place>,
}

/// An address, and the ports on it.
struct Place {
    address: Text,
    ports: BTreeSet<u16>,
}

impl Kind {
    fn add(&mut self, refusal: &Refusal) {
        self.count += refusal.count;
        let Some((address, port)) = place(&refusal.fact) else { return };
        match self.places.iter_mut().find(|place| place.address == address) {
            Some(place) => place.ports.extend(port),
            None => self.places.push(Place { address, ports: port.into_iter().collect() }),
        }
    }

    fn line(&self) -> String {
        let count = if self.count > 1 { format!("{}× ", self.count) } else { String::new() };
        let groups = group(&self.places);
        let mut places: Vec<String> = groups.iter().take(GROUPS).map(Group::tell).collect();
        let more: usize = groups.iter().skip(GROUPS).map(|group| group.addresses.len()).sum();
        if more > 0 {
            places.push(format!("{more} more"));
        }
        let places = places.join("; ");
        format!("{count}{} {places}", self.what).trim_end().to_owned()
    }
}

/// Where it was to go, by its name if it has one.
fn place(fact: &Fact) -> Option<(Text, Option<u16>)> {
    match fact {
        Fact::NetRefused(NetRefused { destination, .. }) => {
            destination.as_ref().map(|destination| (destination.address.clone(), destination.port))
        }
        Fact::NetConnect(connect) => {
            let wanted = &connect.wanted;
            let address = wanted.address.as_deref().map(Text::from);
            Some((wanted.name.clone().or(address)?, Some(wanted.port)))
        }
        Fact::DnsQuery(query) => {
            let name = query.name.as_ref()?.as_bytes();
            Some((Text::from(name.strip_suffix(b".").unwrap_or(name)), None))
        }
        _ => None,
    }
}

/// What was attempted, without where.
fn what(fact: &Fact) -> String {
    match fact {
        Fact::NetConnect(connect) => {
            let spoken = connect.spoken.as_ref().map_or("tcp", |spoken| spoken.layer.protocol.name());
            format!("connect {spoken} ({})", connect.reason.as_deref().unwrap_or("refused"))
        }
        Fact::DnsQuery(query) => format!("ask for a name ({})", query.outcome),
        Fact::NetRefused(refused) => format!("{} {}", refused.syscall, protocol(refused)),
        Fact::SyscallRefused(refused) => syscall(refused),
        other => other.kind().to_owned(),
    }
}

fn protocol(refused: &NetRefused) -> String {
    match (&refused.family, &refused.socket_type) {
        (Family::Inet | Family::Inet6, SocketType::Stream) => "tcp".to_owned(),
        (Family::Inet | Family::Inet6, SocketType::Dgram) => "udp".to_owned(),
        (Family::Inet | Family::Inet6, SocketType::Raw) => "raw".to_owned(),
        (family, _) => json_name(family),
    }
}

/// The name that a family has in events.
fn json_name(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    short(&Text::from(value.as_str().unwrap_or("?")))
}

fn syscall(refused: &SyscallRefused) -> String {
    let arguments: Vec<_> =
        refused.args.iter().map(|(name, value)| format!("{name}={}", short(value))).collect();
    match arguments.as_slice() {
        [] => refused.syscall.to_string(),
        arguments => format!("{}({})", refused.syscall, arguments.join(", ")),
    }
}

/// Bytes of the agent, safe to show and not too long.
fn short(text: &Text) -> String {
    let shown = text.to_string();
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

/// Addresses with the same ports.
struct Group<'a> {
    addresses: Vec<&'a Text>,
    ports: &'a BTreeSet<u16>,
}

fn group(places: &[Place]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for place in places {
        match groups.iter_mut().find(|group| *group.ports == place.ports) {
            Some(group) => group.addresses.push(&place.address),
            None => groups.push(Group { addresses: vec![&place.address], ports: &place.ports }),
        }
    }
    groups
}

impl Group<'_> {
    fn tell(&self) -> String {
        let addresses = ranges(&self.addresses);
        let one = if let [address] = addresses.as_slice() { Some(address) } else { None };
        let ports: Vec<_> = self.ports.iter().take(PORTS).map(u16::to_string).collect();
        let more = if self.ports.len() > PORTS {
            format!(" and {} more", self.ports.len() - PORTS)
        } else {
            String::new()
        };
        match (one, ports.as_slice()) {
            (Some(address), [port]) if address.contains(':') => format!("[{address}]:{port}"),
            (Some(address), [port]) if !address.contains('–') => format!("{address}:{port}"),
            (_, []) => addresses.join(", "),
            (_, [port]) => format!("{} port {port}", addresses.join(", ")),
            (_, ports) => format!("{} ports {}{more}", addresses.join(", "), ports.join(", ")),
        }
    }
}

/// Addresses as text, with consecutive ones as a range.
fn ranges(addresses: &[&Text]) -> Vec<String> {
    let mut numbers: Vec<u32> = addresses.iter().filter_map(|address| ipv4(address)).map(u32::from).collect();
    numbers.sort_unstable();
    let mut told = Vec::new();
    for run in numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        match run {
            [first, .., last] if run.len() > 2 => {
                told.push(format!("{}–{}", Ipv4Addr::from(*first), Ipv4Addr::from(*last)));
            }
            few => told.extend(few.iter().map(|address| Ipv4Addr::from(*address).to_string())),
        }
    }
    told.extend(addresses.iter().filter(|address| ipv4(address).is_none()).map(|address| short(address)));
    let more = told.len().saturating_sub(GROUPS);
    if more > 1 {
        told.truncate(GROUPS);
        told.push(format!("{more} more"));
    }
    told
}

fn ipv4(address: &Text) -> Option<Ipv4Addr> {
    match std::str::from_utf8(address.as_bytes()).ok()?.parse() {
        Ok(IpAddr::V4(address)) => Some(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::fact::Destination;

    fn connect(address: &str, port: u16, count: u64) -> Refusal {
        let fact = Fact::NetRefused(NetRefused {
            syscall: "connect".into(),
            family: Family::Inet,
            socket_type: SocketType::Stream,
            protocol: None,
            destination: Some(Destination { address: address.into(), port: Some(port) }),
            errno: "ENETUNREACH".into(),
        });
        Refusal { fact, count }
    }

    fn told(list: Vec<Refusal>) -> Vec<String> {
        lines(&Refusals { list, more: 0 })
    }

    #[test]
    fn one_attempt_is_told_as_it_was() {
        assert_eq!(told(vec![connect("192.0.2.1", 443, 1)]), ["connect tcp 192.0.2.1:443"]);
        assert_eq!(told(vec![connect("2001:db8::1", 443, 2)]), ["2× connect tcp [2001:db8::1]:443"]);
    }

    #[test]
    fn a_scan_is_one_line() {
        let scan =
            (1..=32).flat_map(|host| [22, 80, 443].map(|port| connect(&format!("10.0.0.{host}"), port, 1)));
        let mut scan: Vec<_> = scan.collect();
        scan.push(connect("169.254.169.254", 80, 1));
        assert_eq!(told(scan), ["97× connect tcp 10.0.0.1–10.0.0.32 ports 22, 80, 443; 169.254.169.254:80"]);
    }

    #[test]
    fn a_wild_scan_is_one_line_too() {
        let scan = (0..200u16).map(|n| connect(&format!("10.{n}.{n}.7"), 1000 + n, 1)).collect();
        let lines = told(scan);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("; 196 more") && lines[0].len() < 200, "{lines:?}");
    }

    #[test]
    fn what_the_agent_says_can_not_move_the_terminal() {
        let mut refused = connect("\u{1b}[2Jx\n", 1, 1);
        assert_eq!(told(vec![refused.clone()]), [r"connect tcp \x1b[2Jx\x0a:1"]);
        refused.fact = Fact::SyscallRefused(SyscallRefused {
            syscall: "mount".into(),
            number: 165,
            arch: event::fact::Arch::X86_64,
            args: [("type".into(), "a\r".into())].into(),
            errno: "EPERM".into(),
        });
        assert_eq!(told(vec![refused]), [r"mount(type=a\x0d)"]);
    }

    #[test]
    fn what_was_not_listed_is_counted() {
        assert_eq!(lines(&Refusals { list: vec![], more: 3 }), ["3 other attempts"]);
    }
}
