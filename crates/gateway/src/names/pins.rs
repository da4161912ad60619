//! Where the names of a run are, once that was looked up.
//!
//! A name is looked up at the first dial and keeps its addresses for the run, so that no server can lead a later flow to
//! another place than the first. Only when none of them could be reached is it looked up anew. What is kept are addresses as
//! they were found; they are checked at each dial, since the policy may be another by then.

use std::collections::HashMap;
use std::net::IpAddr;

use policy::network::HostName;

use super::pool::CAPACITY;

/// The addresses of the names of one run.
#[derive(Debug, Default)]
pub struct Pins {
    found: HashMap<HostName, Vec<IpAddr>>,
}

impl Pins {
    /// The addresses that a name was found at.
    pub fn addresses(&self, name: &HostName) -> Option<&[IpAddr]> {
        self.found.get(name).map(Vec::as_slice)
    }

    /// Keeps what a lookup found. What was kept before stays: of two lookups at once, the first one counts.
    ///
    /// Names without addresses are not kept, and no more names than a run can have.
    pub fn keep(&mut self, name: &HostName, addresses: Vec<IpAddr>) {
        let has_room = usize::try_from(CAPACITY).is_ok_and(|most| self.found.len() < most);
        if !addresses.is_empty() && has_room {
            self.found.entry(name.clone()).or_insert(addresses);
        }
    }

    /// Looks a name up anew at the next dial: none of its addresses could be reached.
    pub fn forget(&mut self, name: &HostName) {
        self.found.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_where_it_was_found_first() {
        let mut pins = Pins::default();
        let name: HostName = "a.example".parse().unwrap();
        let (first, second) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        pins.keep(&name, Vec::new());
        assert_eq!(pins.addresses(&name), None);
        pins.keep(&name, vec![first]);
        pins.keep(&name, vec![second]);
        assert_eq!(pins.addresses(&name), Some(&[first][..]));
        pins.forget(&name);
        pins.keep(&name, vec![second]);
        assert_eq!(pins.addresses(&name), Some(&[second][..]));
    }

    #[test]
    fn no_more_names_are_kept_than_a_run_can_have() {
        let mut pins = Pins::default();
        for number in 0..=CAPACITY {
            pins.keep(&format!("n{number}.example").parse().unwrap(), vec![IpAddr::from([192, 0, 2, 1])]);
        }
        assert_eq!(pins.found.len(), CAPACITY as usize);
    }
}
