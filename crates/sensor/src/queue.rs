//! The queue between those who see and the one who judges.
//!
//! Bounded by weight, which is a thing's size in KiB: the agent chooses the arguments of what it executes, and must
//! not choose how much memory the record takes. What was judged and is not yet written counts as well, so that an output that
//! stands still holds the agent back. The judge is woken at once: what is judged late is stopped late.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use event::{CallId, Cause, Observation, Process};
use sandbox::{Execution, Usage};

use crate::clock::Moment;

/// Above this weight the sandbox is asked to wait.
const HIGH_WATER: usize = 2048;
/// Above this weight things are lost.
const CAPACITY: usize = 4096;

/// Something that was seen, and when.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) at: Moment,
    pub(crate) what: What,
    /// To be given back once it is written.
    pub(crate) weight: usize,
}

/// What was seen.
#[derive(Debug)]
pub(crate) enum What {
    Fact(Box<Observation>),
    Execution(Cause, Box<Execution>),
    CallOver(CallId),
    /// Somebody waits until all before this was judged.
    Barrier(SyncSender<()>),
}

impl What {
    /// Its size in KiB, at least one.
    fn weight(&self) -> usize {
        let process = match self {
            Self::Fact(observation) => observation.process.as_ref(),
            Self::Execution(_, execution) => Some(&execution.process),
            Self::CallOver(_) | Self::Barrier(_) => None,
        };
        1 + process.map_or(0, |process| size(process) / 1024)
    }
}

fn size(process: &Process) -> usize {
    let argv = process.argv.as_deref().unwrap_or_default();
    // An empty argument takes room too.
    argv.iter().map(|item| item.as_bytes().len() + size_of::<event::Text>()).sum()
}

/// What the judge takes at once.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) seen: VecDeque<Seen>,
    /// How much was lost after these.
    pub(crate) lost: u64,
    /// Given when this is the last.
    pub(crate) end: Option<End>,
}

/// How the record ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The run has ended, and used so much.
    Finished(Usage),
    /// Nobody cares for it any more.
    Abandoned,
}

#[derive(Debug, Default)]
struct State {
    seen: VecDeque<Seen>,
    lost: u64,
    end: Option<End>,
}

impl State {
    fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.lost == 0 && self.end.is_none()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    arrival: Condvar,
    /// The weight of what is queued or being written.
    pending: AtomicUsize,
}

impl Queue {
    /// Whether there is room for more than the agent can do before it is held back.
    pub(crate) fn is_ready(&self) -> bool {
        self.pending.load(Ordering::Relaxed) < HIGH_WATER
    }

    /// Takes what was seen, or counts it as lost. After the end nothing is taken.
    pub(crate) fn push(&self, what: What) {
        let weight = what.weight();
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        let was_empty = state.is_empty();
        if self.pending.load(Ordering::Relaxed) < CAPACITY {
            self.pending.fetch_add(weight, Ordering::Relaxed);
            // Read under the lock, so that the order of times is that of numbers.
            state.seen.push_back(Seen { at: Moment::now(), what, weight });
        } else {
            state.lost += 1;
        }
        if was_empty {
            self.arrival.notify_one();
        }
    }

    /// Takes nothing more, and has the judge finish. Only the first end counts.
    pub(crate) fn close(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.arrival.notify_one();
    }

    /// Waits for something, and takes all there is.
    pub(crate) fn take(&self) -> Batch {
        let state = self.lock();
        let state = self.arrival.wait_while(state, |state| state.is_empty());
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        Batch { seen: std::mem::take(&mut state.seen), lost: std::mem::take(&mut state.lost), end: state.end }
    }

    /// Something was written that had this weight, or will never be.
    pub(crate) fn release(&self, weight: usize) {
        self.pending.fetch_sub(weight, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::fact::ResourceSample;

    fn fact() -> What {
        What::Fact(Box::new(Observation::new(ResourceSample::default())))
    }

    #[test]
    fn the_agent_is_held_back_before_anything_is_lost() {
        let queue = Queue::default();
        let mut pushed = 0;
        while queue.is_ready() {
            queue.push(fact());
            pushed += 1;
        }
        assert_eq!(pushed, HIGH_WATER);
        let batch = queue.take();
        assert_eq!((batch.seen.len(), batch.lost), (HIGH_WATER, 0));
        assert!(!queue.is_ready(), "what is being judged and written counts as well");
        queue.release(batch.seen.iter().map(|seen| seen.weight).sum());
        assert!(queue.is_ready());
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let queue = Queue::default();
        for _ in 0..CAPACITY + 3 {
            queue.push(fact());
        }
        let batch = queue.take();
        assert_eq!((batch.seen.len(), batch.lost), (CAPACITY, 3));
    }

    #[test]
    fn long_arguments_weigh_what_they_take() {
        let process = Process::new(1).with_argv([vec![b'x'; 40 * 1024]]);
        let heavy = What::Fact(Box::new(Observation::new(ResourceSample::default()).with_process(process)));
        assert_eq!(heavy.weight(), 41);
        let many = Process::new(1).with_argv(vec![""; event::Argv::MAX_ITEMS]);
        let heavy = What::Fact(Box::new(Observation::new(ResourceSample::default()).with_process(many)));
        assert!(heavy.weight() > 16, "{}", heavy.weight());
        assert_eq!(fact().weight(), 1);
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let queue = Queue::default();
        queue.push(fact());
        queue.close(End::Finished(Usage::default()));
        queue.push(fact());
        queue.close(End::Abandoned);
        let batch = queue.take();
        assert_eq!(batch.seen.len(), 1);
        assert!(matches!(batch.end, Some(End::Finished(_))));
    }
}
