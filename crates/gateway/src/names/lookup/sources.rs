//! Where names are looked up: the policy's resolver, or what this host uses.
//!
//! A policy that names a resolver means that one alone. Otherwise it is as on the host: /etc/hosts first, then the servers
//! of /etc/resolv.conf (resolv.conf(5)). Search domains are left out: what an agent asks for is a whole name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use policy::network::{HostName, Network};

/// As the C library: the first three count, and no more (`MAXNS`).
const SERVERS: usize = 3;
/// The C library's port.
const PORT: u16 = 53;
/// Bytes read of a file. An /etc/hosts that blocks half of the web has two.
const LONGEST: u64 = 8 << 20;
/// The longest wait for one answer; the C library's 5 s, twice, is longer than a client waits to connect.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// The most times that each server is asked.
const MOST_ATTEMPTS: u32 = 3;

/// Where names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    pub(super) hosts: HashMap<HostName, Vec<IpAddr>>,
    pub(super) servers: Vec<SocketAddr>,
    pub(super) wait: Duration,
    pub(super) attempts: u32,
}

impl Sources {
    /// Those of a run: the policy's resolver, or this host's.
    ///
    /// # Errors
    /// A file of the host can't be read.
    pub fn of(network: &Network) -> io::Result<Self> {
        match network.resolver() {
            Some(resolver) => Ok(Self::server(resolver)),
            None => Self::of_host(Path::new("/etc/resolv.conf"), Path::new("/etc/hosts")),
        }
    }

    /// One server, and nothing else.
    pub fn server(server: SocketAddr) -> Self {
        Self { hosts: HashMap::new(), servers: vec![server], wait: Duration::from_secs(2), attempts: 2 }
    }

    /// What two files of the host say; one that is not there says nothing.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn of_host(resolv_conf: &Path, hosts: &Path) -> io::Result<Self> {
        Ok(Self { hosts: parse_hosts(&read(hosts)?), ..parse_resolv_conf(&read(resolv_conf)?) })
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(LONGEST).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse_resolv_conf(text: &str) -> Sources {
    // Without a server, the C library asks this machine.
    let mut sources = Sources::server(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let mut servers = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("nameserver"), Some(address)) => {
                servers.extend(address.parse().ok().map(|address: IpAddr| SocketAddr::new(address, PORT)));
            }
            (Some("options"), first) => first.into_iter().chain(words).for_each(|option| sources.set(option)),
            _ => {}
        }
    }
    servers.truncate(SERVERS);
    if !servers.is_empty() {
        sources.servers = servers;
    }
    sources
}

impl Sources {
    fn set(&mut self, option: &str) {
        match option.split_once(':').map(|(name, value)| (name, value.parse::<u32>())) {
            Some(("timeout", Ok(seconds))) => {
                self.wait = Duration::from_secs(seconds.max(1).into()).min(LONGEST_WAIT);
            }
            Some(("attempts", Ok(attempts))) => self.attempts = attempts.clamp(1, MOST_ATTEMPTS),
            _ => {}
        }
    }
}

fn parse_hosts(text: &str) -> HashMap<HostName, Vec<IpAddr>> {
    let mut hosts: HashMap<HostName, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        for name in words.filter_map(|word| word.parse::<HostName>().ok()) {
            let addresses = hosts.entry(name).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read_as_the_c_library_reads_it() {
        let text = "# nameserver 9.9.9.9\n;x\nsearch a.example\nnameserver 10.0.0.2\nnameserver\t::1 # x\nnameserver nonsense\n\
                    options edns0 timeout:1 attempts:9\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n";
        let sources = parse_resolv_conf(text);
        let servers: Vec<_> = sources.servers.iter().map(SocketAddr::to_string).collect();
        assert_eq!(servers, ["10.0.0.2:53", "[::1]:53", "10.0.0.3:53"]);
        assert_eq!((sources.wait, sources.attempts), (Duration::from_secs(1), 3));
        assert_eq!(parse_resolv_conf("").servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(parse_resolv_conf("options timeout:0 timeout:999").wait, LONGEST_WAIT);
    }

    #[test]
    fn hosts_are_read_with_all_their_names() {
        let hosts = parse_hosts(
            "127.0.0.1 localhost\n10.0.0.1\tA.example b # c.example\n::1 a.example\n10.0.0.1 b\nx y\n# 1.1.1.1 d\n",
        );
        let of = |name: &str| hosts.get(&name.parse().unwrap()).cloned().unwrap_or_default();
        assert_eq!(of("a.example"), ["10.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(of("b").len(), 1);
        assert!(of("c.example").is_empty() && of("d").is_empty());
    }

    #[test]
    fn files_that_are_not_there_say_nothing() {
        let sources = Sources::of_host(Path::new("/nonexistent/a"), Path::new("/nonexistent/b")).unwrap();
        assert_eq!(sources, parse_resolv_conf(""));
    }
}
