//! The real lookup of a name, when a flow to it is about to be dialled.
//!
//! A [`Lookup`] is driven by an epoll loop: it tells its sockets and when it wants to be called again, and never blocks or
//! starts a thread. A worker thread per lookup was set aside: a thousand runs that each wait for a name whose server is
//! silent would be a thousand threads, or, with a pool of them, one run that keeps all others waiting; two sockets cost
//! nothing. [`Lookup::finish`] waits in place, for those who have a thread of their own.
//!
//! A and AAAA are asked at once. When one of them has an answer the other gets [`GRACE`] more, since some servers never
//! answer AAAA. Bounds: [`LONGEST`] over all, twelve names in a chain, 32 addresses of each family.

mod exchange;
mod response;
mod sources;

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::rr::{Name, RecordType};
use policy::network::HostName;
use rustix::event::{PollFd, PollFlags, Timespec};
use thiserror::Error;

use exchange::Exchange;
pub use sources::Sources;

/// The longest time for one lookup.
pub const LONGEST: Duration = Duration::from_secs(10);
/// How long the second family is waited for once the first has addresses (RFC 8305 has 50 ms, for a human).
pub const GRACE: Duration = Duration::from_millis(250);

/// Why a name has no address
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LookupError {
    /// No server knows the name.
    #[error("the name does not exist")]
    NoName,
    /// The name exists, and has no address.
    #[error("the name has no address")]
    NoAddress,
    /// No server answered in time.
    #[error("no resolver answered in time")]
    Silence,
    /// A server answered that it can't or won't, with this code (RFC 1035, 4.1.1).
    #[error("the resolver answered with the error code {0}")]
    Failed(u16),
    /// A server can't be reached.
    #[error("cannot reach the resolver: {0}")]
    Server(io::ErrorKind),
    /// The names that stand for it lead in a circle, or without end.
    #[error("the name leads to too many other names")]
    Circle,
}

impl LookupError {
    /// The name of the reason, as it stands in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoName => "lookup-no-name",
            Self::NoAddress => "lookup-no-address",
            Self::Silence => "lookup-silence",
            Self::Failed(_) => "lookup-failed",
            Self::Server(_) => "lookup-unreachable",
            Self::Circle => "lookup-circle",
        }
    }
}

/// A lookup of one name.
#[derive(Debug)]
pub struct Lookup {
    /// What a file of the host says, so that nobody needs to be asked.
    known: Vec<IpAddr>,
    exchanges: Vec<Exchange>,
    until: Instant,
    is_graced: bool,
}

impl Lookup {
    /// Begins to look a name up.
    pub fn start(name: &HostName, sources: &Arc<Sources>, now: Instant) -> Self {
        let known = sources.hosts.get(name).cloned().unwrap_or_default();
        let wire = Name::from_labels(name.labels().map(str::as_bytes)).unwrap_or_default();
        let ask = |wanted| Exchange::new(wire.clone(), wanted, Arc::clone(sources), now);
        let exchanges =
            if known.is_empty() { [RecordType::AAAA, RecordType::A].map(ask).into() } else { Vec::new() };
        Self { known, exchanges, until: now + LONGEST, is_graced: false }
    }

    /// The sockets to watch, and for what. They change with each [`advance`](Self::advance).
    pub fn sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.exchanges.iter().filter_map(Exchange::socket)
    }

    /// When to call [`advance`](Self::advance) even though no socket has anything.
    pub fn wake_at(&self) -> Instant {
        let waiting = self.exchanges.iter().filter(|exchange| exchange.outcome().is_none());
        waiting.map(Exchange::until).fold(self.until, Instant::min)
    }

    /// Takes what has come; the addresses once they are known, IPv6 and IPv4 in turns (RFC 8305, 4).
    ///
    /// # Errors
    /// Why there are none.
    pub fn advance(&mut self, now: Instant) -> Option<Result<Vec<IpAddr>, LookupError>> {
        if !self.known.is_empty() {
            return Some(Ok(self.known.clone()));
        }
        self.exchanges.iter_mut().for_each(|exchange| exchange.advance(now));
        let is_done = self.exchanges.iter().all(|exchange| exchange.outcome().is_some());
        let has_addresses = self.found().next().is_some();
        if has_addresses && !self.is_graced {
            self.is_graced = true;
            self.until = self.until.min(now + GRACE);
        }
        (is_done || now >= self.until).then(|| self.outcome())
    }

    /// Waits for the outcome, in place.
    ///
    /// # Errors
    /// Why there are no addresses.
    pub fn finish(mut self) -> Result<Vec<IpAddr>, LookupError> {
        loop {
            let now = Instant::now();
            if let Some(outcome) = self.advance(now) {
                return outcome;
            }
            let wait = self.wake_at().saturating_duration_since(now) + Duration::from_millis(1);
            let wait = Timespec::try_from(wait).map_err(|_| LookupError::Silence)?;
            let mut sockets: Vec<_> =
                self.sockets().map(|(socket, events)| PollFd::from_borrowed_fd(socket, events)).collect();
            match rustix::event::poll(&mut sockets, Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(LookupError::Server(io::Error::from(error).kind())),
            }
        }
    }

    fn found(&self) -> impl Iterator<Item = &Vec<IpAddr>> {
        let answers = self.exchanges.iter().filter_map(|exchange| exchange.outcome()?.as_ref().ok());
        answers.filter(|addresses| !addresses.is_empty())
    }

    fn outcome(&self) -> Result<Vec<IpAddr>, LookupError> {
        let found: Vec<_> = self.found().collect();
        let longest = found.iter().map(|addresses| addresses.len()).max().unwrap_or_default();
        let in_turns =
            (0..longest).flat_map(|turn| found.iter().filter_map(move |addresses| addresses.get(turn)));
        let addresses: Vec<_> = in_turns.copied().collect();
        if addresses.is_empty() { Err(self.failure()) } else { Ok(addresses) }
    }

    /// The reason that says most: what a server said of the name goes before what became of the asking.
    fn failure(&self) -> LookupError {
        let outcomes = || self.exchanges.iter().map(Exchange::outcome);
        let errors = || outcomes().filter_map(|outcome| outcome?.as_ref().err().copied());
        if let Some(error) = errors().find(|error| matches!(error, LookupError::NoName | LookupError::Circle))
        {
            return error;
        }
        if outcomes().any(|outcome| outcome.is_none()) {
            return LookupError::Silence;
        }
        errors().next().unwrap_or(LookupError::NoAddress)
    }
}
