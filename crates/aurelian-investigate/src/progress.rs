//! What is going on, for who waits: a line on the terminal that is written over, and nothing where nobody looks.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::terminal;

const EVERY: Duration = Duration::from_millis(200);

/// What is done at the moment.
pub(crate) struct Progress {
    shown: bool,
    last: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), last: Instant::now() }
    }

    /// Now and then, says how far it is.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.shown && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            self.line(&what());
        }
    }

    /// Says what begins now.
    pub(crate) fn begin(&mut self, what: &str) {
        if self.shown {
            self.line(what);
        }
    }

    fn line(&self, text: &str) {
        // Progress that can't be shown is no trouble.
        let _ = write!(io::stderr(), "\r\x1b[K{}", terminal::shown(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            self.line("");
        }
    }
}
