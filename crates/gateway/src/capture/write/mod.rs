//! A capture of what was relayed, for Wireshark and other programs that read pcapng.
//!
//! The gateway relays bytes and never sees a packet, so the packets are made up: [`Writer`] turns "at this time, this
//! side said these bytes" into raw IP packets of a TCP connection that is opened, spoken over and closed, with sequence
//! numbers and checksums as they must be. What is made up is only that: times, ends, order and bytes are what was
//! relayed. Segments are larger than a network would carry, as on a loopback interface.
//!
//! The first packet of each flow has a comment that says whose flow it is: [`Origin`].
//!
//! A capture grows with what is relayed: who writes one decides where to stop. An error of the file ends the capture,
//! and nothing else; its packets so far stay readable.

mod block;
mod packet;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use event::{CallId, Process, RunId};

use crate::flow::Side;
use packet::{ACK, FIN, Header, PSH, RST, SYN};

/// The most bytes in one segment.
pub const SEGMENT: usize = 16 * 1024;

/// The most bytes in one datagram, which leaves room for the headers of either IP version.
pub const DATAGRAM: usize = 65_535 - 48;

/// Whose flow it is: the comment on its first packet.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The call, where it is known.
    pub call: Option<CallId>,
    /// The process, where it is known.
    pub process: Option<&'a Process>,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}", self.run)?;
        if let Some(call) = self.call {
            write!(f, ", call {}", call.number())?;
        }
        let Some(process) = self.process else { return Ok(()) };
        write!(f, ", process {}", process.host_pid)?;
        process.exe.as_ref().map_or(Ok(()), |exe| write!(f, " {exe}"))
    }
}

/// Writes a capture.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// One block, reused.
    block: Vec<u8>,
}

/// A TCP connection in a capture, and how far each side has come.
#[derive(Debug)]
pub struct Connection {
    ends: [SocketAddr; 2],
    next: [u32; 2],
    has_shut: [bool; 2],
}

impl<W: Write> Writer<W> {
    /// A capture on this, which should be buffered: it gets two or more blocks at once.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self { out, block: Vec::new() };
        block::section(&mut writer.block);
        block::interface(&mut writer.block);
        writer.out.write_all(&writer.block)?;
        Ok(writer)
    }

    /// A connection is opened; the handshake takes no time.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn open(
        &mut self,
        now: Duration,
        client: SocketAddr,
        server: SocketAddr,
        origin: &impl fmt::Display,
    ) -> io::Result<Connection> {
        let mut connection = Connection::new(client, server);
        self.segment(now, &connection, Side::Client, SYN, &[], &origin.to_string())?;
        connection.next[0] = connection.next[0].wrapping_add(1);
        self.segment(now, &connection, Side::Server, SYN | ACK, &[], "")?;
        connection.next[1] = connection.next[1].wrapping_add(1);
        self.segment(now, &connection, Side::Client, ACK, &[], "")?;
        Ok(connection)
    }

    /// A connection is asked for and refused.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn refuse(
        &mut self,
        now: Duration,
        client: SocketAddr,
        server: SocketAddr,
        origin: &impl fmt::Display,
    ) -> io::Result<()> {
        let mut connection = Connection::new(client, server);
        self.segment(now, &connection, Side::Client, SYN, &[], &origin.to_string())?;
        connection.next[0] = connection.next[0].wrapping_add(1);
        self.segment(now, &connection, Side::Server, RST | ACK, &[], "")
    }

    /// A side says something. What it says after its end is not written.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn data(
        &mut self,
        now: Duration,
        connection: &mut Connection,
        side: Side,
        bytes: &[u8],
    ) -> io::Result<()> {
        if connection.has_shut[side as usize] {
            return Ok(());
        }
        let mut segments = bytes.chunks(SEGMENT).peekable();
        while let Some(segment) = segments.next() {
            let flags = if segments.peek().is_some() { ACK } else { PSH | ACK };
            self.segment(now, connection, side, flags, segment, "")?;
            let next = &mut connection.next[side as usize];
            *next = next.wrapping_add(segment.len() as u32); // at most SEGMENT
        }
        Ok(())
    }

    /// A side says that it has said all, and the other one acknowledges it.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn shut(&mut self, now: Duration, connection: &mut Connection, side: Side) -> io::Result<()> {
        let at = side as usize;
        if connection.has_shut[at] {
            return Ok(());
        }
        self.segment(now, connection, side, FIN | ACK, &[], "")?;
        connection.has_shut[at] = true;
        connection.next[at] = connection.next[at].wrapping_add(1);
        self.segment(now, connection, other(side), ACK, &[], "")
    }

    /// Both sides have said all, in this order where one hasn't said so yet.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn close(&mut self, now: Duration, mut connection: Connection, first: Side) -> io::Result<()> {
        self.shut(now, &mut connection, first)?;
        self.shut(now, &mut connection, other(first))
    }

    /// A side cuts the connection.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn reset(&mut self, now: Duration, connection: Connection, side: Side) -> io::Result<()> {
        self.segment(now, &connection, side, RST | ACK, &[], "")
    }

    /// A datagram is sent. What is longer than [`DATAGRAM`] is cut there.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn datagram(
        &mut self,
        now: Duration,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
        origin: &impl fmt::Display,
    ) -> io::Result<()> {
        let bytes = bytes.get(..DATAGRAM).unwrap_or(bytes);
        self.block.clear();
        let comment = origin.to_string();
        block::packet(&mut self.block, now, &comment, |out| packet::udp(out, from, to, bytes));
        self.out.write_all(&self.block)
    }

    /// Passes on what the writer below has buffered.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What it was written on.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn segment(
        &mut self,
        now: Duration,
        connection: &Connection,
        side: Side,
        flags: u8,
        bytes: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        let (own, peer) = (side as usize, other(side) as usize);
        let header = Header {
            from: connection.ends[own],
            to: connection.ends[peer],
            sequence: connection.next[own],
            acknowledged: if flags & ACK == 0 { 0 } else { connection.next[peer] },
            flags,
        };
        self.block.clear();
        block::packet(&mut self.block, now, comment, |out| packet::tcp(out, &header, bytes));
        self.out.write_all(&self.block)
    }
}

impl Connection {
    /// Both sides begin to count at zero, which no host does: nothing that is written here was sent like this.
    const fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self { ends: [client, server], next: [0; 2], has_shut: [false; 2] }
    }
}

const fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

#[cfg(test)]
mod tests;
