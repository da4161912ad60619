//! The operator's two output streams, which several threads write: what the command prints, headings, and a
//! line that is drawn over while nothing else is.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::operator;
use crate::terminal_guard::TerminalGuard;

/// One of our output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn write(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(bytes),
        }
    }

    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    fn guard(self) -> Option<TerminalGuard> {
        let utf8 = match self {
            Self::Stdout => operator::speaks_utf8(&io::stdout()),
            Self::Stderr => operator::speaks_utf8(&io::stderr()),
        };
        let guard = if utf8 { TerminalGuard::new } else { TerminalGuard::for_ascii };
        self.is_terminal().then(guard)
    }
}

/// Keeps the writers apart.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    state: Mutex<State>,
    /// The last of what commands printed, as evidence.
    tail: Mutex<VecDeque<u8>>,
}

/// Bytes of output that are kept as evidence.
const TAIL: usize = 64 * 1024;

#[derive(Debug, Default)]
struct State {
    /// A line is drawn that isn't output.
    is_drawn: bool,
    /// What the terminal shows last is an unfinished line of output.
    is_mid_line: bool,
}

impl Screen {
    /// Writes output, over the drawn line.
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.erase();
        if let (Some(last), true) = (bytes.last(), stream.is_terminal()) {
            state.is_mid_line = *last != b'\n';
        }
        stream.write(bytes)
    }

    /// Writes a line of our own to stderr, on a line of its own.
    pub(crate) fn note(&self, line: &str) {
        let mut state = self.lock();
        state.erase();
        let begin = if std::mem::take(&mut state.is_mid_line) { "\n" } else { "" };
        let _ = Stream::Stderr.write(format!("{begin}{line}\n").as_bytes());
    }

    /// Draws a line over the last one drawn, unless that would spoil a line of output.
    pub(crate) fn draw(&self, line: &str) {
        let mut state = self.lock();
        if !state.is_mid_line {
            let _ = Stream::Stderr.write(format!("\r\x1b[2K{line}").as_bytes());
            state.is_drawn = true;
        }
    }

    /// Takes the drawn line away.
    pub(crate) fn clear(&self) {
        self.lock().erase();
    }

    /// The last of what commands printed.
    pub(crate) fn tail(&self) -> Vec<u8> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn keep(&self, bytes: &[u8]) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        let too_many = (tail.len() + bytes.len()).saturating_sub(TAIL);
        tail.drain(..too_many);
        tail.extend(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn erase(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            let _ = Stream::Stderr.write(b"\r\x1b[2K");
        }
    }
}

/// What the command writes to one of its streams, on its way to one of ours.
#[derive(Debug)]
pub(crate) struct Outlet<'a> {
    screen: &'a Screen,
    stream: Stream,
    guard: Option<TerminalGuard>,
    safe: Vec<u8>,
}

impl<'a> Outlet<'a> {
    pub(crate) fn new(screen: &'a Screen, stream: Stream) -> Self {
        Self { screen, stream, guard: stream.guard(), safe: Vec::new() }
    }

    /// Passes output on: to a terminal only what is safe there, to all else as it is.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.screen.keep(bytes);
        let Some(guard) = &mut self.guard else { return self.screen.write(self.stream, bytes) };
        self.safe.clear();
        guard.filter(bytes, &mut self.safe);
        self.screen.write(self.stream, &self.safe)
    }

    /// Takes back what the output did to the terminal, and tells what was kept from it.
    pub(crate) fn finish(mut self) -> Option<TerminalGuard> {
        let mut guard = self.guard.take()?;
        self.safe.clear();
        guard.finish(&mut self.safe);
        if !self.safe.is_empty() {
            let _ = self.screen.write(self.stream, &self.safe);
        }
        Some(guard)
    }
}
