//! What the flows of a capture speak: one identifier per flow, for as long as it wants bytes, and bounded in all.

use event::Protocol;

use super::stream::Budget;
use super::weight::weight;
use crate::identify::{Identifier, Identity, Side};

/// What one flow speaks.
#[derive(Debug, Default)]
pub(super) struct Recognition {
    state: State,
    /// Sides of which no more is listened to: after a hole, what follows could mean anything.
    is_deaf: [bool; 2],
    /// What it takes of the budget.
    cost: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Fresh,
    Running(Box<Identifier>),
    Known(Option<Box<Identity>>),
}

impl Recognition {
    /// What a side of a TCP connection said next.
    pub(super) fn push(&mut self, side: Side, bytes: &[u8], budget: &mut Budget) {
        if self.is_deaf[side as usize] || bytes.is_empty() {
            return;
        }
        if matches!(self.state, State::Fresh) {
            self.state = State::Running(Box::default());
        }
        let State::Running(identifier) = &mut self.state else { return };
        identifier.push(side, bytes);
        // What is known is kept twice: by the side that said it, and joined.
        let known = identifier.state().identity().map_or(0, weight);
        let cost = size_of::<Identifier>() + identifier.held() + 2 * known;
        budget.used = budget.used.saturating_sub(self.cost) + cost;
        self.cost = cost;
        let is_done = !identifier.wants(Side::Client) && !identifier.wants(Side::Server);
        if is_done || budget.used > budget.limit {
            self.finish(budget);
        }
    }

    /// Some of what a side said is missing.
    pub(super) fn miss(&mut self, side: Side) {
        self.is_deaf[side as usize] = true;
    }

    /// The first datagram of a side: DNS is recognised in it, as if its length stood before it as it does over TCP.
    pub(super) fn push_datagram(&mut self, side: Side, bytes: &[u8], budget: &mut Budget) {
        let Ok(length) = u16::try_from(bytes.len()) else { return };
        if !self.is_deaf[side as usize] {
            self.push(side, &length.to_be_bytes(), budget);
            self.push(side, bytes, budget);
            self.miss(side);
        }
    }

    /// Nothing more comes: what has no name by now has none.
    fn finish(&mut self, budget: &mut Budget) {
        let State::Running(identifier) = &mut self.state else { return };
        let identity = identifier.finish().identity().cloned().map(Box::new);
        let cost = identity.as_deref().map_or(0, weight);
        budget.used = budget.used.saturating_sub(self.cost) + cost;
        self.cost = cost;
        self.state = State::Known(identity);
    }

    /// What was found. A flow of which nothing was heard has no identity.
    pub(super) fn into_identity(mut self, budget: &mut Budget) -> Option<Identity> {
        self.finish(budget);
        budget.used = budget.used.saturating_sub(self.cost);
        match self.state {
            State::Known(Some(identity)) => Some(*identity),
            _ => None,
        }
    }

    /// What was found in datagrams: DNS or nothing.
    pub(super) fn into_datagram_identity(self, budget: &mut Budget) -> Option<Identity> {
        let identity = self.into_identity(budget).filter(|identity| identity.protocol == Protocol::Dns)?;
        Some(Identity { evidence: vec!["a whole DNS message in a datagram".to_owned()], ..identity })
    }
}
