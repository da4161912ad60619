//! Sandboxes that are ready before they are needed.
//!
//! A pool keeps some sandboxes of one setup built and proven, so that taking one costs a fraction of starting one. What
//! can have changed since is looked at again: a sandbox whose protected files are no longer those of the workspace,
//! or whose init has died, is dropped for a new one.

use crate::inside::Inside;
use crate::plan::FileIdentity;
use crate::reactor::lock;
use crate::sandbox::Sandbox;
use crate::start::{self, Setup, StartError, Started};
use crate::supervisor::Supervisor;
use crate::witness::Witness;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Prepared sandboxes of one setup. Dropping it ends those that were not taken.
#[derive(Debug)]
pub struct Pool {
    store: Arc<Store>,
    worker: Option<JoinHandle<()>>,
}

struct Store {
    supervisor: Supervisor,
    setup: Setup,
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("size", &self.size).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    ready: VecDeque<Prepared>,
    taken: Option<Instant>,
    closed: bool,
}

/// A sandbox that stands, and what it protects.
struct Prepared {
    started: Started,
    protected: Vec<(PathBuf, Option<FileIdentity>)>,
}

/// How long the worker leaves the machine to whoever has taken a sandbox and wants to use it.
const CALM: Duration = Duration::from_millis(3);

/// How long the worker waits after a start that failed: what failed may be a lack that passes.
const PAUSE: Duration = Duration::from_millis(100);

impl Pool {
    /// A pool of `size` sandboxes, filled from now on by a thread of its own.
    ///
    /// # Errors
    /// The thread can't be made.
    pub fn new(supervisor: &Supervisor, setup: &Setup, size: usize) -> io::Result<Self> {
        let store = Arc::new(Store {
            supervisor: supervisor.clone(),
            setup: setup.clone(),
            size,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&store);
        let worker = thread::Builder::new().name("aurelian-pool".into()).spawn(move || shared.fill())?;
        Ok(Self { store, worker: Some(worker) })
    }

    /// A sandbox: a prepared one if there is one, else one that is started now.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub fn take(&self, witness: Arc<dyn Witness>) -> Result<Sandbox, StartError> {
        let store = &self.store;
        let protected = store.setup.workspace.protection().watched();
        loop {
            let prepared = store.pop();
            let Some(prepared) = prepared else {
                return Sandbox::start(&store.supervisor, &store.setup, witness);
            };
            if prepared.protected == protected && prepared.started.is_alive() {
                return store.hand_over(prepared.started, witness);
            }
            prepared.started.discard();
        }
    }

    /// How many are ready now.
    pub fn ready(&self) -> usize {
        lock(&self.store.state).ready.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.store.state).closed = true;
        self.store.changed.notify_all();
        if let Some(worker) = self.worker.take() {
            // It ends at the latest when the start that it is at is done.
            let _ = worker.join();
        }
        for prepared in lock(&self.store.state).ready.drain(..) {
            prepared.started.discard();
        }
    }
}

impl Store {
    fn hand_over(&self, started: Started, witness: Arc<dyn Witness>) -> Result<Sandbox, StartError> {
        Inside::attach(Arc::clone(&self.supervisor.0), &self.setup, started, witness)
            .map(Sandbox::of)
            .map_err(|source| StartError::Control { control: "init", source })
    }

    fn fill(&self) {
        while self.wait_for_room() {
            let protected = self.setup.workspace.protection().watched();
            match start::start(&self.supervisor.0, &self.setup) {
                Ok(started) => lock(&self.state).ready.push_back(Prepared { started, protected }),
                // Whoever takes one then starts it, and gets the error.
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    fn pop(&self) -> Option<Prepared> {
        let mut state = lock(&self.state);
        state.taken = Some(Instant::now());
        let prepared = state.ready.pop_front();
        self.changed.notify_all();
        prepared
    }

    /// False: the pool is closed.
    fn wait_for_room(&self) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return false;
            }
            let pause = self.pause(&state);
            if pause == Some(Duration::ZERO) {
                return true;
            }
            state = match pause {
                Some(pause) => self
                    .changed
                    .wait_timeout(state, pause)
                    .map_or_else(|error| error.into_inner().0, |woken| woken.0),
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// How long until the next start is due. `None`: all are there. What is left of the half that is held back lasts
    /// through a moment of calm; once it is gone there is none.
    fn pause(&self, state: &State) -> Option<Duration> {
        match state.ready.len() {
            ready if ready >= self.size => None,
            ready if ready * 2 < self.size => Some(Duration::ZERO),
            _ => Some(state.taken.map_or(Duration::ZERO, |taken| CALM.saturating_sub(taken.elapsed()))),
        }
    }
}
