//! What may happen to a run from outside while it goes on: the operator's signals, and a new size of their terminal.
//!
//! The first SIGINT goes to the current call's process group, as a terminal would send it. A second one, or any of SIGTERM,
//! SIGHUP and SIGQUIT, kills the sandbox; the run then ends as it always does, with its record. One more ends us at once,
//! and the sandbox with us. In a terminal that we pass through, Ctrl-C is a key like any other and no signal of ours.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandbox::{Call, Sandbox, Terminal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::operator;

/// A run that goes on.
pub(crate) struct Session<'a> {
    pub(crate) sandbox: &'a Sandbox,
    current: Mutex<Current>,
    /// How often the operator asked for an end.
    asked: AtomicU32,
    /// The signal that killed the sandbox; 0 while none did.
    killed_by: AtomicI32,
}

#[derive(Default)]
struct Current {
    call: Option<Arc<Call>>,
    terminal: Option<Arc<Terminal>>,
    /// A SIGINT came while no call was there to get it.
    is_interrupted: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox) -> Self {
        Self { sandbox, current: Mutex::default(), asked: AtomicU32::new(0), killed_by: AtomicI32::new(0) }
    }

    /// Signals go to this call from now on.
    pub(crate) fn attend(&self, call: &Arc<Call>, terminal: Option<&Arc<Terminal>>) {
        let mut current = self.lock();
        if std::mem::take(&mut current.is_interrupted) {
            // It may have ended already.
            let _ = call.signal(SIGINT);
        }
        current.call = Some(Arc::clone(call));
        current.terminal = terminal.map(Arc::clone);
    }

    /// The number of the current call.
    pub(crate) fn call_number(&self) -> Option<u32> {
        self.lock().call.as_ref().map(|call| call.id().number())
    }

    /// Whether the operator wants no more calls.
    pub(crate) fn is_asked_to_end(&self) -> bool {
        self.asked.load(Ordering::SeqCst) > 0
    }

    /// The signal that killed the sandbox.
    pub(crate) fn killed_by(&self) -> Option<i32> {
        Some(self.killed_by.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Serves signals until they are closed.
    pub(crate) fn serve(&self, mut signals: Signals) {
        for signal in signals.forever() {
            match signal {
                SIGWINCH => self.resize(),
                signal => self.end(signal),
            }
        }
    }

    fn end(&self, signal: i32) {
        let before = self.asked.fetch_add(1, Ordering::SeqCst);
        if before == 0 && signal == SIGINT {
            return self.interrupt();
        }
        if self.killed_by().is_some() {
            operator::restore_terminal();
            std::process::exit(128 + signal);
        }
        self.killed_by.store(signal, Ordering::SeqCst);
        self.sandbox.kill();
    }

    fn interrupt(&self) {
        let mut current = self.lock();
        let told = current.call.as_ref().is_some_and(|call| call.signal(SIGINT).is_ok());
        current.is_interrupted = !told;
    }

    fn resize(&self) {
        let current = self.lock();
        if let (Some(terminal), Some(size)) = (&current.terminal, operator::window_size(&io::stdout())) {
            // The program inside may be gone by now.
            let _ = terminal.resize(size);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The signals that a session serves. One that whoever started us wants ignored, as nohup(1) does, stays ignored.
pub(crate) fn signals() -> io::Result<Signals> {
    let ignored = ignored_signals();
    let is_served = |signal: &i32| ignored & (1 << (signal - 1)) == 0;
    Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH].into_iter().filter(is_served))
}

/// The mask of ignored signals (proc_pid_status(5)).
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
