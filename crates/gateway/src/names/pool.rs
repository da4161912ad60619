//! Synthetic addresses, each pinned to one name for the life of a run.
//!
//! A name gets the next number, and with it an address of each family: number 1 is 198.18.0.1 and fd61:7572:656c::1. No
//! number is ever given to a second name, since a client may hold an address longer than any TTL; when the numbers are
//! used up, further names get none. Only a run's own resolver asks, so that one run can't use up another's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use policy::network::{HostName, SYNTHETIC_V4, SYNTHETIC_V6, canonical};
use thiserror::Error;

/// The names of one run. Honest work knows dozens; at the longest names there are, this many take 2 MB.
pub(super) const CAPACITY: u32 = 4096;

/// The names of a run are used up
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("cannot give one more name an address: the run has asked for {CAPACITY} names")]
pub struct PoolFull;

/// The addresses of the names that a run asked for.
#[derive(Debug, Default)]
pub struct Pool {
    numbers: HashMap<Arc<HostName>, u32>,
    /// By number, from 1.
    names: Vec<Arc<HostName>>,
}

impl Pool {
    /// The addresses of a name, which it keeps.
    ///
    /// # Errors
    /// The name is new, and there is no number left.
    pub fn pin(&mut self, name: &HostName) -> Result<(Ipv4Addr, Ipv6Addr), PoolFull> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(addresses(*number));
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX).saturating_add(1);
        if number > CAPACITY {
            return Err(PoolFull);
        }
        let name = Arc::new(name.clone());
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        Ok(addresses(number))
    }

    /// The name that an address was pinned to.
    pub fn name(&self, address: IpAddr) -> Option<&HostName> {
        let number = match canonical(address) {
            IpAddr::V4(v4) => v4.to_bits().checked_sub(SYNTHETIC_V4.network().to_bits())?,
            IpAddr::V6(v6) => {
                u32::try_from(v6.to_bits().checked_sub(SYNTHETIC_V6.network().to_bits())?).ok()?
            }
        };
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.names.get(index).map(AsRef::as_ref)
    }

    /// Whether an address can only be a name's, whether it was given out or not.
    pub fn is_synthetic(address: IpAddr) -> bool {
        match canonical(address) {
            IpAddr::V4(v4) => SYNTHETIC_V4.contains(&v4),
            IpAddr::V6(v6) => SYNTHETIC_V6.contains(&v6),
        }
    }

    /// How many names have addresses.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name has an address.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

fn addresses(number: u32) -> (Ipv4Addr, Ipv6Addr) {
    let v4 = SYNTHETIC_V4.network().to_bits() | number;
    let v6 = SYNTHETIC_V6.network().to_bits() | u128::from(number);
    (Ipv4Addr::from_bits(v4), Ipv6Addr::from_bits(v6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_keeps_its_addresses_and_they_lead_back_to_it() {
        let mut pool = Pool::default();
        let first = pool.pin(&name("a.example")).unwrap();
        let second = pool.pin(&name("b.example")).unwrap();
        assert_eq!(first, ("198.18.0.1".parse().unwrap(), "fd61:7572:656c::1".parse().unwrap()));
        assert_eq!(pool.pin(&name("a.example")), Ok(first));
        assert_eq!(pool.name(second.0.into()), Some(&name("b.example")));
        assert_eq!(pool.name(second.1.into()), Some(&name("b.example")));
        assert_eq!(pool.name(first.0.to_ipv6_mapped().into()), Some(&name("a.example")));
        for nobody in [
            "198.18.0.0",
            "198.18.0.3",
            "198.17.255.255",
            "1.1.1.1",
            "fd61:7572:656c::",
            "fd61:7572:656c::3",
            "::1",
        ] {
            assert_eq!(pool.name(nobody.parse().unwrap()), None, "{nobody}");
        }
        assert!(
            Pool::is_synthetic("198.19.255.255".parse().unwrap())
                && !Pool::is_synthetic("198.20.0.0".parse().unwrap())
        );
        assert!(Pool::is_synthetic("::ffff:198.18.0.1".parse().unwrap()));
    }

    #[test]
    fn a_full_pool_gives_no_number_twice_and_still_knows_its_names() {
        let mut pool = Pool::default();
        let given: std::collections::HashSet<_> =
            (0..CAPACITY).map(|n| pool.pin(&name(&format!("n{n}.example"))).unwrap()).collect();
        assert_eq!(given.len(), CAPACITY as usize);
        assert!(
            given.iter().all(|(v4, v6)| Pool::is_synthetic((*v4).into()) && Pool::is_synthetic((*v6).into()))
        );
        assert_eq!(pool.pin(&name("one-more.example")), Err(PoolFull));
        assert_eq!(pool.pin(&name("n7.example")), Ok(addresses(8)));
        assert_eq!(pool.len(), CAPACITY as usize);
    }
}
