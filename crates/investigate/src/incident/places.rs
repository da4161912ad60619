//! Where runs were, and where a flow came from.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Texts;
use crate::hosts::Hosts;
use crate::model::Id;

/// The places of runs, by any name that a span may know: the run, its sandbox, its host.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_name: HashMap<String, Vec<Id>>,
    by_network: HashMap<IpNet, Id>,
    /// When each name was over, where told.
    ends: HashMap<String, i64>,
    /// Machines with several addresses are places too: what is told of the machine may be of any of them.
    machines: HashMap<String, Id>,
    /// No host map: all is at one place.
    everywhere: bool,
}

/// The one place, where there is no host map.
const EVERYWHERE: &str = "";

impl Places {
    pub(super) fn of(hosts: &Hosts, texts: &mut Texts) -> Self {
        let mut places = Self { everywhere: hosts.is_empty(), ..Self::default() };
        if places.everywhere {
            texts.id(EVERYWHERE);
        }
        for place in hosts.places() {
            let id = texts.id(&name(&place.network.to_string()));
            places.by_network.insert(place.network, id);
            for known in [&place.run, &place.sandbox, &place.host].into_iter().flatten() {
                let ids = places.by_name.entry(known.to_string()).or_default();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            if let (Some(run), Some(to)) = (&place.run, &place.to) {
                let end = places.ends.entry(run.to_string()).or_insert(i64::MIN);
                *end = to.latest().max(*end);
            }
        }
        places.add_machines(hosts, texts);
        places
    }

    fn add_machines(&mut self, hosts: &Hosts, texts: &mut Texts) {
        for place in hosts.places() {
            let Some(host) = place.host.as_deref() else { continue };
            if self.by_name.get(host).is_none_or(|ids| ids.len() < 2) {
                continue;
            }
            let id = texts.id(host);
            self.machines.insert(host.to_owned(), id);
            for known in [&place.run, &place.sandbox].into_iter().flatten() {
                if let Some(ids) = self.by_name.get_mut(&**known).filter(|ids| !ids.contains(&id)) {
                    ids.push(id);
                }
            }
        }
        for (host, id) in &self.machines {
            if let Some(ids) = self.by_name.get_mut(host).filter(|ids| !ids.contains(id)) {
                ids.push(*id);
            }
        }
    }

    /// The place of a name that the host map knows. A machine of several addresses is one itself.
    pub(super) fn named(&self, name: &str) -> Option<Id> {
        self.machines.get(name).copied().or_else(|| self.by_name.get(name)?.first().copied())
    }

    /// Where something is that has no address: by the first name that the host map knows.
    pub(super) fn of_machine<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> Option<Id> {
        if self.everywhere {
            return Some(0);
        }
        names.find_map(|name| self.named(name))
    }

    /// Where a span was: by its run, else its sandbox, else its address, else its host.
    pub(super) fn of_span(&self, span: &trace::Span, texts: &Texts) -> Vec<Id> {
        if self.everywhere {
            return vec![0];
        }
        let by = |name: Option<&str>| name.and_then(|name| self.by_name.get(name)).cloned();
        let by_address =
            || span.address.and_then(|address| texts.find(&address.to_string())).map(|id| vec![id]);
        by(Some(&span.run))
            .or_else(|| by(span.sandbox.as_deref()))
            .or_else(by_address)
            .or_else(|| by(span.host.as_deref()))
            .unwrap_or_default()
    }

    /// Where a flow belongs to: who began it, else who was called, else the host that its log names.
    pub(super) fn of_flow(&self, flow: &flows::Flow, hosts: &Hosts) -> Option<Id> {
        if self.everywhere {
            return Some(0);
        }
        let of = |address: Option<IpAddr>| {
            let place = hosts.during(address?, i64::MIN, i64::MAX).next()?;
            self.by_network.get(&place.network).copied()
        };
        let translated = flow.translated.map(|(address, _)| address);
        let by_host = || self.named(flow.host.as_deref()?);
        of(flow.source).or_else(|| of(translated)).or_else(by_host).or_else(|| of(flow.destination))
    }

    /// When each run was over, as the host map tells.
    pub(super) fn ends(&self, runs: &Texts) -> Vec<Option<i64>> {
        runs.each().map(|run| self.ends.get(run).copied()).collect()
    }
}

/// A network of one address is that address.
fn name(network: &str) -> String {
    network.strip_suffix("/32").or_else(|| network.strip_suffix("/128")).unwrap_or(network).to_owned()
}
