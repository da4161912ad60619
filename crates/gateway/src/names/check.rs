//! Which addresses may be dialled.
//!
//! The one way to a [`CheckedAddress`] leads through the rules, and a dialler takes nothing else, so that the address
//! that is dialled is the address that was checked: between the two there is no second lookup and no text.

use std::net::IpAddr;

use policy::network::{AddressClass, Candidates, Destination, Network};

/// An address that the rules of a flow admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CheckedAddress(IpAddr);

impl CheckedAddress {
    /// The address.
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

/// What became of the addresses that a lookup gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Those that may be dialled, in the order they were found.
    pub dialable: Vec<CheckedAddress>,
    /// Those that a rule would have to ask for, and what they are.
    pub refused: Vec<(IpAddr, AddressClass)>,
}

/// The address of a flow that needs no lookup: the agent connected to it, or `network.hosts` gives it to the name.
pub fn known(candidates: &Candidates<'_>, network: &Network) -> Option<CheckedAddress> {
    match candidates.destination() {
        Destination::Address(address) => candidates.admit(*address).then_some(CheckedAddress(*address)),
        Destination::Name(name) => network.static_address(name).map(CheckedAddress),
    }
}

/// Checks what a lookup gave by the rules that may allow the flow.
pub fn found(candidates: &Candidates<'_>, addresses: impl IntoIterator<Item = IpAddr>) -> Checked {
    let mut checked = Checked::default();
    for address in addresses {
        if candidates.admit(address) {
            checked.dialable.push(CheckedAddress(address));
        } else {
            checked.refused.push((address, AddressClass::of(address)));
        }
    }
    checked
}
