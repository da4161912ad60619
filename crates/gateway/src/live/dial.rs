//! Where a connection is made to, and the making of it.
//!
//! A name is looked up at most once for a run, and only when a flow to it is to be dialled; what was found is checked at
//! each dial. Several addresses are tried in order, each next one while those before it are still silent (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::task::Poll;
use std::time::{Duration, Instant};

use policy::network::{Candidates, Destination, HostName, Network, Refusal};
use rustix::event::PollFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::server::Shared;
use super::verdict::Why;
use crate::names::check::{self, CheckedAddress};
use crate::names::lookup::{Lookup, LookupError};

/// How long until the next address is tried as well, and how long all are waited for.
const STAGGER: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// A connection that was made.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) stream: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
    /// How long the name was looked up, if it was.
    pub(super) lookup: Option<Duration>,
    /// How long it took to connect.
    pub(super) connect: Duration,
}

/// Connects to where `candidates` lead.
pub(super) async fn dial(
    shared: &Shared,
    network: &Network,
    candidates: &Candidates<'_>,
) -> Result<Dialled, Why> {
    let begun = Instant::now();
    let (addresses, was_looked_up) = addresses(shared, network, candidates).await?;
    let found = Instant::now();
    match connect(&addresses, candidates.port()).await {
        Ok((stream, remote)) => {
            let local = stream.local_addr().map_err(|error| Why::Unreachable(error.kind()))?;
            // What either side's own settings hold back, they have held back already.
            let _ = stream.set_nodelay(true);
            let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
            let lookup = was_looked_up.then(|| found.duration_since(begun));
            Ok(Dialled { stream, remote, local, lookup, connect: found.elapsed() })
        }
        Err(error) => {
            if let Destination::Name(name) = candidates.destination() {
                shared.pins.borrow_mut().forget(name);
            }
            Err(Why::Unreachable(error))
        }
    }
}

/// The addresses that may be dialled, and whether a name was looked up for them.
async fn addresses(
    shared: &Shared,
    network: &Network,
    candidates: &Candidates<'_>,
) -> Result<(Vec<CheckedAddress>, bool), Why> {
    if let Some(known) = check::known(candidates, network) {
        return Ok((vec![known], false));
    }
    let name = match candidates.destination() {
        Destination::Name(name) => name,
        Destination::Address(address) => return Err(Why::Policy(Refusal::Address(*address))),
    };
    let pinned = shared.pins.borrow().addresses(name).map(<[IpAddr]>::to_vec);
    let (found, was_looked_up) = match pinned {
        Some(pinned) => (pinned, false),
        None => (look_up(shared, name).await.map_err(Why::Lookup)?, true),
    };
    let checked = check::found(candidates, found);
    match checked.refused.first() {
        Some((address, class)) if checked.dialable.is_empty() => Err(Why::Special(*address, *class)),
        None if checked.dialable.is_empty() => Err(Why::Lookup(LookupError::NoAddress)),
        _ => Ok((checked.dialable, was_looked_up)),
    }
}

/// Looks a name up, and pins what was found: of two lookups at once, the first one counts.
async fn look_up(shared: &Shared, name: &HostName) -> Result<Vec<IpAddr>, LookupError> {
    let _turn = shared.lookups.acquire().await.map_err(|_| LookupError::Silence)?;
    let mut lookup = Lookup::start(name, &shared.sources, Instant::now());
    let found = loop {
        if let Some(outcome) = lookup.advance(Instant::now()) {
            break outcome?;
        }
        wait_for(&lookup).await.map_err(|error| LookupError::Server(error.kind()))?;
    };
    let mut pins = shared.pins.borrow_mut();
    pins.keep(name, found.clone());
    Ok(pins.addresses(name).map_or(found, <[IpAddr]>::to_vec))
}

/// Waits until one of its sockets has something, or it wants to go on.
async fn wait_for(lookup: &Lookup) -> io::Result<()> {
    let mut sockets = Vec::new();
    for (socket, events) in lookup.sockets() {
        let interest = if events.contains(PollFlags::OUT) { Interest::WRITABLE } else { Interest::READABLE };
        let socket: OwnedFd = socket.try_clone_to_owned()?;
        #[expect(deprecated, reason = "what it is unsound for is a type that may change its descriptor")]
        sockets.push((AsyncFd::with_interest(socket, interest)?, interest));
    }
    let any = std::future::poll_fn(|context| {
        let is_ready = sockets.iter().any(|(socket, interest)| match *interest {
            Interest::WRITABLE => socket.poll_write_ready(context).is_ready(),
            _ => socket.poll_read_ready(context).is_ready(),
        });
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    });
    let until = tokio::time::Instant::from_std(lookup.wake_at());
    tokio::select! {
        () = any => {}
        () = tokio::time::sleep_until(until) => {}
    }
    Ok(())
}

async fn connect(addresses: &[CheckedAddress], port: u16) -> Result<(TcpStream, SocketAddr), io::ErrorKind> {
    if let [only] = addresses {
        let only = SocketAddr::new(only.ip(), port);
        let stream = timeout(LONGEST, TcpStream::connect(only)).await.map_err(|_| io::ErrorKind::TimedOut)?;
        return stream.map(|stream| (stream, only)).map_err(|error| error.kind());
    }
    let mut waiting = addresses.iter().map(|address| SocketAddr::new(address.ip(), port));
    let mut attempts = JoinSet::new();
    let mut last = io::ErrorKind::AddrNotAvailable;
    let deadline = sleep(LONGEST);
    tokio::pin!(deadline);
    loop {
        if let Some(next) = waiting.next() {
            attempts.spawn_local(async move { TcpStream::connect(next).await.map(|stream| (stream, next)) });
        }
        tokio::select! {
            attempt = attempts.join_next() => match attempt {
                Some(Ok(Ok(connected))) => return Ok(connected),
                Some(Ok(Err(error))) => last = error.kind(),
                Some(Err(_)) => {}
                None => return Err(last),
            },
            () = sleep(STAGGER), if waiting.len() > 0 => {}
            () = &mut deadline => return Err(io::ErrorKind::TimedOut),
        }
    }
}
