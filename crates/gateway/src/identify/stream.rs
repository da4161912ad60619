//! One side of a conversation: holds the beginning of what it says until that has a name, then only what its
//! follower asks for, and never more than [`HEAD`] bytes.

use event::Protocol;

use super::ambiguity::Ambiguity;
use super::claim::{Claim, Follow, HEAD, Recogniser, Step};

/// Where the naming of one side stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// These recognisers, by their place in the list, have not said no.
    Seeking(u64),
    /// It has a name, and its follower may go on.
    Claimed(Box<Claim>),
    /// It is none that we know.
    Nameless,
}

/// The room that a side may keep while it holds nothing.
const KEPT: usize = 2048;

/// One side of a conversation.
#[derive(Debug)]
pub(super) struct Stream {
    recognisers: &'static [Recogniser],
    head: Vec<u8>,
    skip: u64,
    silent: bool,
    /// The recognisers that are left should the claim be taken back.
    others: u64,
    pub(super) phase: Phase,
    /// Another conversation began inside: the rest belongs to it.
    pub(super) is_tunnel: bool,
}

impl Stream {
    pub(super) fn new(recognisers: &'static [Recogniser]) -> Self {
        debug_assert!(recognisers.len() < 64, "there is a bit for each");
        let all = (1 << recognisers.len()) - 1;
        Self {
            recognisers,
            head: Vec::new(),
            skip: 0,
            silent: true,
            others: 0,
            phase: Phase::Seeking(all),
            is_tunnel: false,
        }
    }

    pub(super) const fn claim(&self) -> Option<&Claim> {
        match &self.phase {
            Phase::Claimed(claim) => Some(claim),
            Phase::Seeking(_) | Phase::Nameless => None,
        }
    }

    pub(super) const fn claim_mut(&mut self) -> Option<&mut Claim> {
        match &mut self.phase {
            Phase::Claimed(claim) => Some(claim),
            Phase::Seeking(_) | Phase::Nameless => None,
        }
    }

    /// Whether it has said nothing at all.
    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether further bytes of this side could tell anything.
    pub(super) fn wants(&self) -> bool {
        match &self.phase {
            Phase::Seeking(_) => true,
            Phase::Claimed(claim) => claim.follow.is_some() || self.is_held(),
            Phase::Nameless => false,
        }
    }

    /// Whether the rest waits until both sides have agreed to change.
    fn is_held(&self) -> bool {
        self.claim().is_some_and(|claim| claim.gate.is_some() || claim.answered.is_some())
    }

    /// Takes as many of the bytes as it can look at now, at least one, and says how many, and whether what is
    /// known has changed.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        self.silent &= bytes.is_empty();
        if self.skip > 0 {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            return (skipped, false);
        }
        let taken = bytes.len().min(HEAD - self.head.len());
        let (taken_bytes, _) = bytes.split_at(taken);
        self.head.extend_from_slice(taken_bytes);
        (taken, self.advance())
    }

    /// Looks at what is held, as far as that goes. True if what is known has changed.
    pub(super) fn advance(&mut self) -> bool {
        let mut changed = false;
        while let Some(more) = self.step() {
            changed |= more;
        }
        if self.head.len() >= HEAD {
            changed |= self.overflow();
        }
        if !self.wants() {
            self.forget();
        } else if self.head.is_empty() && self.head.capacity() > KEPT {
            self.head = Vec::new();
        }
        changed
    }

    /// One step: `None` once it stands still, else whether what is known has changed.
    fn step(&mut self) -> Option<bool> {
        if self.is_tunnel || self.is_held() {
            return None;
        }
        match &mut self.phase {
            Phase::Seeking(alive) => {
                let (phase, others) = seek(self.recognisers, alive, &self.head)?;
                self.phase = phase;
                self.others = others;
                if let Phase::Claimed(claim) = &self.phase {
                    let (used, skip) = (claim.used, claim.skip);
                    self.consume(used, skip);
                }
                Some(true)
            }
            Phase::Claimed(claim) => {
                let follow = claim.follow?;
                let before = knowledge(claim);
                let next = follow(claim, &self.head);
                let changed = knowledge(claim) != before;
                match next {
                    Follow::More => {
                        debug_assert!(!changed, "a follower that waits has found nothing");
                        return None;
                    }
                    Follow::Consumed { bytes, skip } => self.consume(bytes, skip),
                    Follow::Tunnel => self.is_tunnel = true,
                    Follow::Retract => {
                        self.phase = Phase::Seeking(self.others);
                        return Some(true);
                    }
                    Follow::Done => {
                        claim.follow = None;
                        claim.headers = None;
                    }
                }
                Some(changed || self.is_tunnel)
            }
            Phase::Nameless => None,
        }
    }

    fn consume(&mut self, bytes: usize, skip: u64) {
        let bytes = bytes.min(self.head.len());
        self.head.drain(..bytes);
        let here = usize::try_from(skip).unwrap_or(usize::MAX).min(self.head.len());
        self.head.drain(..here);
        self.skip = skip - here as u64;
    }

    /// The head is full, and still it isn't clear what it is.
    fn overflow(&mut self) -> bool {
        if self.is_tunnel || !self.wants() {
            return false;
        }
        match &mut self.phase {
            Phase::Seeking(_) => self.phase = Phase::Nameless,
            Phase::Claimed(claim) => {
                // An answer that waits for what was asked is long enough already.
                if claim.answered.is_none() {
                    claim.doubt(Ambiguity::TooLong);
                }
                claim.follow = None;
                claim.headers = None;
                claim.gate = None;
                claim.answered = None;
            }
            Phase::Nameless => return false,
        }
        true
    }

    /// Nothing more will come: what is unclear stays so. Names what it could have become.
    pub(super) fn end(&mut self) -> Option<Protocol> {
        let Phase::Seeking(alive) = self.phase else { return None };
        if self.silent {
            return None;
        }
        self.phase = Phase::Nameless;
        self.forget();
        let begun = (0..self.recognisers.len()).find(|place| alive & (1 << place) != 0)?;
        self.recognisers.get(begun).map(|recogniser| recogniser.protocol)
    }

    /// What is held, for the conversation inside.
    pub(super) fn take_tunnelled(&mut self) -> Vec<u8> {
        self.is_tunnel = true;
        std::mem::take(&mut self.head)
    }

    fn forget(&mut self) {
        if !self.is_tunnel {
            self.head = Vec::new();
        }
    }

    /// The bytes held, for those who count memory.
    pub(super) fn held(&self) -> usize {
        let table = self.claim().and_then(|claim| claim.headers.as_ref());
        self.head.len() + table.map_or(0, |table| table.size())
    }

    /// The bytes that wait to be looked at.
    pub(super) const fn waiting(&self) -> usize {
        self.head.len()
    }
}

/// Asks each recogniser that is left, in their order. The first that says yes names the stream, but only when all
/// before it have said no. With it come those that are left behind it.
fn seek(recognisers: &[Recogniser], alive: &mut u64, head: &[u8]) -> Option<(Phase, u64)> {
    let mut waits = false;
    for (place, recogniser) in recognisers.iter().enumerate() {
        let bit = 1 << place;
        if *alive & bit == 0 {
            continue;
        }
        match (recogniser.recognise)(head) {
            Step::No => *alive &= !bit,
            Step::More => waits = true,
            Step::Is(_) if waits => {}
            Step::Is(claim) => return Some((Phase::Claimed(claim), *alive & !bit)),
        }
    }
    (*alive == 0).then_some((Phase::Nameless, 0))
}

/// What a follower can change that is seen outside.
fn knowledge(claim: &Claim) -> (Protocol, usize, u8, u64, usize) {
    let details = &claim.details;
    let told = [
        details.tls_server.as_ref().is_some_and(|server| !server.names.is_empty()),
        details.http.is_some(),
        details.ssh_client.as_ref().is_some_and(|ssh| ssh.hassh.is_some()),
        details.ssh_server.as_ref().is_some_and(|ssh| ssh.hassh.is_some()),
        details.stratum.is_some(),
        details.target.is_some(),
        details.user.is_some(),
        claim.gate.is_some(),
        claim.answered.is_some(),
    ];
    let told = told.iter().fold(0, |bits, told| bits << 1 | u64::from(*told));
    (claim.protocol, claim.ambiguities.len(), claim.confidence as u8, told, claim.evidence.len())
}
