//! One question, asked until it is answered: over UDP, and over TCP where the answer doesn't fit.
//!
//! Each attempt has a socket of its own, with a source port that the kernel draws and a number drawn anew, and is connected
//! to its server, so that the kernel drops what others send. Nothing here blocks.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use rustix::event::PollFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::response::{self, Said};
use super::{LookupError, Sources};

/// Messages read at a time that are not the answer; the rest waits, so that a flood of them holds nobody up.
const STRAY: usize = 16;

/// A question on its way.
#[derive(Debug)]
pub(super) struct Exchange {
    question: Query,
    sources: Arc<Sources>,
    /// How often any server was asked.
    asked: u32,
    hops: usize,
    id: u16,
    state: State,
    until: Instant,
    /// What the last server said that gave no answer.
    failure: LookupError,
}

#[derive(Debug)]
enum State {
    Datagram(UdpSocket),
    Stream { socket: TcpStream, out: Vec<u8>, input: Vec<u8> },
    Done(Result<Vec<IpAddr>, LookupError>),
}

impl Exchange {
    pub(super) fn new(name: Name, wanted: RecordType, sources: Arc<Sources>, now: Instant) -> Self {
        let mut exchange = Self {
            question: Query::query(name, wanted),
            sources,
            asked: 0,
            hops: 0,
            id: 0,
            state: State::Done(Err(LookupError::Silence)),
            until: now,
            failure: LookupError::Silence,
        };
        exchange.ask_next(now);
        exchange
    }

    /// What was found; none while the question is on its way.
    pub(super) fn outcome(&self) -> Option<&Result<Vec<IpAddr>, LookupError>> {
        match &self.state {
            State::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The socket that the answer comes from, and what it waits for.
    pub(super) fn socket(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.state {
            State::Datagram(socket) => Some((socket.as_fd(), PollFlags::IN)),
            State::Stream { socket, out, .. } if out.is_empty() => Some((socket.as_fd(), PollFlags::IN)),
            State::Stream { socket, .. } => Some((socket.as_fd(), PollFlags::OUT)),
            State::Done(_) => None,
        }
    }

    /// When to ask again.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Takes what has come, and asks the next server when it is time.
    pub(super) fn advance(&mut self, now: Instant) {
        for _ in 0..STRAY {
            match self.receive() {
                Ok(Some(said)) => self.hear(said, now),
                Ok(None) => break,
                Err(error) => self.fail(LookupError::Server(error.kind()), now),
            }
        }
        if self.outcome().is_none() && now >= self.until {
            self.fail(LookupError::Silence, now);
        }
    }

    fn hear(&mut self, said: Said, now: Instant) {
        match said {
            Said::Nothing => {}
            Said::Truncated if matches!(self.state, State::Datagram(_)) => {
                let opened = self.open_stream();
                self.enter(opened, now);
            }
            // A stream has room for everything.
            Said::Truncated => self.fail(LookupError::Failed(ResponseCode::FormErr.into()), now),
            Said::Failed(code) => self.fail(LookupError::Failed(code.into()), now),
            Said::NoName => self.state = State::Done(Err(LookupError::NoName)),
            Said::Circle => self.state = State::Done(Err(LookupError::Circle)),
            Said::Addresses(addresses) => self.state = State::Done(Ok(addresses)),
            Said::Elsewhere(name) => {
                self.question = Query::query(name, self.question.query_type);
                self.asked = 0;
                self.ask_next(now);
            }
        }
    }

    fn fail(&mut self, failure: LookupError, now: Instant) {
        self.failure = failure;
        self.ask_next(now);
    }

    /// Asks the server whose turn it is, each of them as often as the sources say.
    fn ask_next(&mut self, now: Instant) {
        let count = u32::try_from(self.sources.servers.len()).unwrap_or(u32::MAX);
        while self.asked < count.saturating_mul(self.sources.attempts) {
            self.asked += 1;
            match self.open_datagram() {
                Ok(state) => return self.enter(Ok(state), now),
                Err(error) => self.failure = LookupError::Server(error.kind()),
            }
        }
        self.state = State::Done(Err(self.failure));
    }

    fn enter(&mut self, state: io::Result<State>, now: Instant) {
        match state {
            Ok(state) => {
                self.until = now + self.sources.wait;
                self.state = state;
            }
            Err(error) => self.fail(LookupError::Server(error.kind()), now),
        }
    }

    fn server(&self) -> io::Result<SocketAddr> {
        let turn = usize::try_from(self.asked.saturating_sub(1)).unwrap_or_default();
        let server =
            turn.checked_rem(self.sources.servers.len()).and_then(|turn| self.sources.servers.get(turn));
        server.copied().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    fn open_datagram(&mut self) -> io::Result<State> {
        let server = self.server()?;
        let any: IpAddr =
            if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(server)?;
        socket.send(&self.message()?)?;
        Ok(State::Datagram(socket))
    }

    fn open_stream(&mut self) -> io::Result<State> {
        let server = self.server()?;
        let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &server) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let message = self.message()?;
        let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let out = [&length.to_be_bytes(), message.as_slice()].concat();
        Ok(State::Stream { socket: TcpStream::from(socket), out, input: Vec::new() })
    }

    /// The question as a message, with a number drawn for it. Without EDNS: every server understands that, and what
    /// doesn't fit comes over TCP.
    fn message(&mut self) -> io::Result<Vec<u8>> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(self.question.clone());
        self.id = message.metadata.id;
        message.to_vec().map_err(|_| io::ErrorKind::InvalidInput.into())
    }

    /// One message, if one is there.
    fn receive(&mut self) -> io::Result<Option<Said>> {
        let bytes = match &mut self.state {
            State::Datagram(socket) => datagram(socket)?,
            State::Stream { socket, out, input } => stream(socket, out, input)?,
            State::Done(_) => None,
        };
        Ok(bytes.map(|bytes| response::read(&bytes, self.id, &self.question, &mut self.hops)))
    }
}

fn datagram(socket: &UdpSocket) -> io::Result<Option<Vec<u8>>> {
    // Without EDNS an answer has 512 bytes; of one that has more, the kernel cuts off the end.
    let mut bytes = [0; 4096];
    let length = unless_blocked(socket.recv(&mut bytes))?;
    Ok(length.and_then(|length| bytes.get(..length).map(<[u8]>::to_vec)))
}

/// Writes what is left of the question, and reads what there is of the answer.
fn stream(socket: &mut TcpStream, out: &mut Vec<u8>, input: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    while !out.is_empty() {
        match unless_blocked(socket.write(out))? {
            Some(0) => return Err(io::ErrorKind::WriteZero.into()),
            Some(written) => drop(out.drain(..written.min(out.len()))),
            None => return Ok(None),
        }
    }
    loop {
        if let Some(message) = whole(input) {
            return Ok(Some(message));
        }
        let mut bytes = [0; 4096];
        match unless_blocked(socket.read(&mut bytes))? {
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(length) => input.extend(bytes.iter().take(length)),
            None => return Ok(None),
        }
    }
}

/// The first message of a stream, once all of it is there; at most 64 KiB, as its length has two bytes.
fn whole(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length: [u8; 2] = input.get(..2)?.try_into().ok()?;
    let end = 2 + usize::from(u16::from_be_bytes(length));
    let message = input.get(2..end)?.to_vec();
    input.drain(..end);
    Some(message)
}

/// Nothing where there is nothing to do yet: a stream that isn't connected yet tells so as well.
fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
        Err(error) => Err(error),
    }
}
