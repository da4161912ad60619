//! Which destinations a call names.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::command::Names;
use crate::incident::Incident;
use crate::model::Id;

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
                index.addresses.entry(address).or_default().push(id);
            }
            // A domain names its hosts: `example.com` also `api.example.com`, but no top-level domain does.
            let mut rest = end.name.as_deref();
            while let Some(name) = rest.filter(|name| name.contains('.')) {
                index.hosts.entry(name.to_owned()).or_default().push(id);
                rest = name.split_once('.').map(|(_, parent)| parent);
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
        ids
    }
}
