//! The queue between the judge and the one who writes: events that have their numbers.
//!
//! Not bounded by itself: what is in it weighs in the [queue](crate::queue) before it. The writer waits a moment for more,
//! since a write for each event would cost as much as the event.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::Event;

/// How long an event may wait for others before it is written.
const GATHER: Duration = Duration::from_millis(50);
/// So many are written without waiting for more.
const PLENTY: usize = 256;

/// An event, with what it weighs until it is written.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) event: Event,
    pub(crate) weight: usize,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    urgent: bool,
    is_over: bool,
}

impl State {
    fn can_wait(&self) -> bool {
        !self.urgent && !self.is_over && self.lines.len() < PLENTY
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lines {
    state: Mutex<State>,
    arrival: Condvar,
}

impl Lines {
    /// Takes lines in, in their order; what is urgent is written at once.
    pub(crate) fn push(&self, lines: &mut Vec<Line>, urgent: bool) {
        let mut state = self.lock();
        let was_waiting = state.can_wait();
        let was_empty = state.lines.is_empty();
        state.lines.append(lines);
        state.urgent |= urgent;
        if was_empty || was_waiting != state.can_wait() {
            self.arrival.notify_one();
        }
    }

    /// No more will come.
    pub(crate) fn close(&self) {
        self.lock().is_over = true;
        self.arrival.notify_one();
    }

    /// Whether no more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Waits for lines, gathers for a moment, and takes them all; none once it is over.
    pub(crate) fn take(&self) -> Option<Vec<Line>> {
        let state = self.lock();
        let state = self.arrival.wait_while(state, |state| state.lines.is_empty() && !state.is_over);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let gathered = self.arrival.wait_timeout_while(state, GATHER, |state| state.can_wait());
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        state.urgent = false;
        let lines = std::mem::take(&mut state.lines);
        (!lines.is_empty() || !state.is_over).then_some(lines)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
