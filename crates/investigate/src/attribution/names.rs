//! Which destinations a call names.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::command::Names;
use crate::incident::Incident;
use crate::model::Id;

/// Destinations below one domain, or at one address, that are told apart, and that a call names in all: one may have as many as somebody
/// looks up, and every call may name it.
const BELOW: usize = 256;
const NAMED: usize = 1024;
/// Of a name of more labels than that, only itself and its last so many are looked for.
const LABELS: usize = 8;

/// Destinations by all that names them.
#[derive(Debug)]
pub(super) struct NameIndex {
    hosts: HashMap<String, Vec<Id>>,
    addresses: HashMap<IpAddr, Vec<Id>>,
}

impl NameIndex {
    pub(super) fn of(incident: &Incident) -> Self {
        let mut index = Self { hosts: HashMap::new(), addresses: HashMap::new() };
        for (id, end) in incident.ends.iter().enumerate() {
            let Ok(id) = Id::try_from(id) else { break };
            if let Some(address) = end.address {
                let ids = index.addresses.entry(address).or_default();
                if ids.len() < BELOW {
                    ids.push(id);
                }
            }
            let Some(name) = end.name.as_deref().filter(|name| name.contains('.')) else { continue };
            index.hosts.entry(name.to_owned()).or_default().push(id);
            for domain in domains(name) {
                let ids = index.hosts.entry(domain.to_owned()).or_default();
                if ids.len() < BELOW {
                    ids.push(id);
                }
            }
        }
        index
    }

    /// The destinations that are named, sorted.
    pub(super) fn named(&self, names: &Names) -> Vec<Id> {
        let hosts = names.hosts().filter_map(|host| self.hosts.get(host));
        let addresses = names.addresses().filter_map(|address| self.addresses.get(&address));
        let mut ids: Vec<Id> = hosts.chain(addresses).flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(NAMED);
        ids
    }
}

/// The domains that a name is in: `example.com` also names `api.example.com`, but no top-level domain does.
fn domains(name: &str) -> impl Iterator<Item = &str> {
    let begins = name.match_indices('.').map(|(at, _)| at + 1);
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    begins
        .skip(dots.saturating_sub(LABELS))
        .filter_map(|at| name.get(at..))
        .filter(|domain| domain.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_many_labels_is_in_few_domains() {
        let of = |name: &str| domains(name).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of("a.b.example.com"), ["b.example.com", "example.com"]);
        assert!(of("example.com").is_empty() && of("com").is_empty());
        let many = of(&format!("{}example.com", "a.".repeat(400)));
        assert_eq!((many.len(), many.last().map(String::as_str)), (LABELS - 1, Some("example.com")));
    }
}
