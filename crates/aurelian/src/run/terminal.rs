//! A command with a terminal of its own, shown on the operator's.
//!
//! The operator's keys go to the sandbox's pty, and what comes out of it goes through the
//! [`TerminalGuard`](crate::terminal_guard) to the operator's terminal, which the command never gets hold of. Keys are read
//! even when the command doesn't read them: an answer of the terminal must not wait there for the operator's shell.

use std::io;
use std::sync::Arc;
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use sandbox::{Call, Terminal};

use super::screen::{Outlet, Screen, Stream};
use crate::operator::{self, RawMode};
use crate::terminal_guard::TerminalGuard;

const CHUNK: usize = 64 * 1024;
/// Keys that may wait for the command. What is typed beyond that is dropped, as a terminal does.
const KEYS: usize = 64 * 1024;

/// Passes keys and output on until the call ends. Gives what was kept from the operator's terminal.
pub(crate) fn pass_through(
    screen: &Screen,
    call: &Arc<Call>,
    terminal: &Terminal,
) -> io::Result<Option<TerminalGuard>> {
    let end = eventfd(0, EventfdFlags::CLOEXEC)?;
    fcntl_setfl(terminal, fcntl_getfl(terminal)? | OFlags::NONBLOCK)?;
    let raw = RawMode::enter()?;
    let mut outlet = Outlet::new(screen, Stream::Stdout);
    let passed = thread::scope(|scope| {
        scope.spawn(|| {
            call.wait();
            let _ = rustix::io::write(&end, &1u64.to_ne_bytes());
        });
        let passed = Passage { terminal, keys: Vec::new(), is_typing: true }.run(&end, &mut outlet);
        if passed.is_err() {
            // The operator's terminal is gone: nobody could end the call, so that it must not go on.
            call.kill();
        }
        passed
    });
    let guard = outlet.finish();
    if guard.as_ref().is_some_and(|guard| guard.answers() > 0) {
        operator::discard_input();
    }
    drop(raw);
    passed.map(|()| guard)
}

struct Passage<'a> {
    terminal: &'a Terminal,
    /// What was typed and not yet passed on.
    keys: Vec<u8>,
    /// The operator's terminal may have more.
    is_typing: bool,
}

impl Passage<'_> {
    fn run(mut self, end: &OwnedFd, outlet: &mut Outlet<'_>) -> io::Result<()> {
        let mut is_open = true;
        loop {
            let (ended, typed, ready) = self.wait(end, is_open)?;
            if typed {
                self.type_in()?;
            }
            if ready.contains(PollFlags::OUT) {
                self.pass_keys();
            }
            if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                is_open = self.show(outlet)?;
            }
            if ended {
                while is_open && self.show(outlet)? && self.has_more()? {}
                return Ok(());
            }
        }
    }

    /// Waits for the call's end, keys, and what the pty is ready for.
    fn wait(&self, end: &OwnedFd, is_open: bool) -> io::Result<(bool, bool, PollFlags)> {
        let stdin = io::stdin();
        let wanted = if self.keys.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let none = PollFlags::empty();
        let mut entries = vec![PollFd::new(end, PollFlags::IN)];
        entries
            .push(PollFd::from_borrowed_fd(stdin.as_fd(), if self.is_typing { PollFlags::IN } else { none }));
        if is_open {
            entries.push(PollFd::new(self.terminal, wanted));
        }
        rustix::io::retry_on_intr(|| poll(&mut entries, None))?;
        let result = |index: usize| entries.get(index).map_or(none, PollFd::revents);
        let typed = self.is_typing && !result(1).is_empty();
        Ok((!result(0).is_empty(), typed, result(2)))
    }

    fn type_in(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        match rustix::io::read(io::stdin(), &mut chunk) {
            Ok(0) => self.is_typing = false,
            Ok(count) if self.keys.len() + count <= KEYS => {
                self.keys.extend_from_slice(chunk.get(..count).unwrap_or_default());
            }
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.pass_keys();
        Ok(())
    }

    fn pass_keys(&mut self) {
        match rustix::io::write(self.terminal, &self.keys) {
            Ok(count) => drop(self.keys.drain(..count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.keys.clear(),
        }
    }

    /// Passes on what the command printed. False when nobody is left to print.
    fn show(&self, outlet: &mut Outlet<'_>) -> io::Result<bool> {
        let mut chunk = vec![0; CHUNK];
        match rustix::io::read(self.terminal, &mut chunk) {
            Ok(count) if count > 0 => outlet.pass(chunk.get(..count).unwrap_or_default()).map(|()| true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(true),
            // EIO: all descriptors of the pty's other side are closed (pty(7)).
            Ok(_) | Err(_) => Ok(false),
        }
    }

    fn has_more(&self) -> io::Result<bool> {
        let mut entry = [PollFd::new(self.terminal, PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::io::retry_on_intr(|| poll(&mut entry, Some(&now)))?;
        Ok(entry.iter().any(|entry| entry.revents().contains(PollFlags::IN)))
    }
}
