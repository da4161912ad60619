//! The operator's side: their terminal, and the limits of our own process.
//!
//! A terminal that was set to raw mode is set back on every way out: when the guard is dropped, when we panic, and when a
//! signal ends us at once. So what it was is kept where all of these can reach it.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

use rustix::fd::AsFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::termios::{InputModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
use sandbox::WindowSize;

/// How the operator's terminal was before it was set to raw mode; none while it isn't.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The operator's terminal in raw mode: each key goes to the program inside.
#[derive(Debug)]
pub(crate) struct RawMode(());

impl RawMode {
    /// Sets the terminal on stdin to raw mode, until this is dropped.
    pub(crate) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let guard = Self(());
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(guard)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Sets the operator's terminal back, if we changed it.
pub(crate) fn restore_terminal() {
    // Not waited for: a panic may have come while it was held.
    let before = BEFORE.try_lock().ok().and_then(|mut before| before.take());
    if let Some(before) = before {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// Forgets what was typed and not read, such as answers of the terminal that the program inside asked for.
pub(crate) fn discard_input() {
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
}

/// Has a panic restore the terminal, and say what happened in one line.
pub(crate) fn tidy_up_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        restore_terminal();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        crate::failure::complain(&format_args!("a defect in aurelian at {place}; please report it"));
    }));
}

/// Each call has a few descriptors here, and the usual limit of 1024 is for programs that use select(2).
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // If it can't be raised, the first call that lacks one says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Whether a command can have a terminal of its own that is shown on ours: both ends are a terminal, and ours to
/// read.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && is_foreground()
}

/// Whether we may read the terminal: a job in the background is stopped when it tries.
pub(crate) fn is_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Whether the terminal is in UTF-8 mode, as it told the kernel, or as the locale has it.
pub(crate) fn speaks_utf8(terminal: &impl AsFd) -> bool {
    let told = tcgetattr(terminal).is_ok_and(|modes| modes.input_modes.contains(InputModes::IUTF8));
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|l| !l.is_empty()));
    told || locale.is_some_and(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

/// The size of the terminal.
pub(crate) fn window_size(terminal: &impl AsFd) -> Option<WindowSize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(WindowSize { rows: size.ws_row, columns: size.ws_col })
}
