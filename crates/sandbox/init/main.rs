//! The sandbox's first process: pid 1 of its pid namespace.
//!
//! It builds the inside as the plan says, drops what it no longer needs, proves that the boundary holds,
//! then starts calls when told and reaps whatever dies. It decides nothing: the plan, the filter and the
//! records all come from the supervisor. It never reads a byte that the agent wrote.
//!
//! It is a program of its own rather than the supervisor re-executed, because then its memory holds nothing
//! worth stealing, it costs some 60 kB, and it starts in a fraction of a millisecond. It needs no libc, no
//! allocation and no other crate. The same program is the janitor (see `janitor.rs`).
#![no_std]
#![no_main]
#![deny(unsafe_op_in_unsafe_fn)]

mod build;
mod calls;
mod janitor;
mod landlock;
mod network;
mod proof;
#[path = "../src/protocol.rs"]
#[allow(dead_code)]
mod protocol;
mod sys;
mod template;

use protocol::{EXIT_ORPHANED, EXIT_PLAN, MESSAGE_MAX, Message, Order, Report};
use sys::{Arguments, FDS_MAX, Fd};

/// The socket to the supervisor: the only descriptor that the init is born with.
pub const SUPERVISOR: Fd = 3;

fn main(arguments: Arguments) -> ! {
    if arguments.item(0) == Some(b"aurelian-janitor") {
        janitor::wait_and_clean(arguments);
    }
    die_with_parent();
    // What the kernel keeps for a session, such as its share of the processors, is not the operator's.
    let _ = sys::call(sys::NR_SETSID, [0; 6]);
    calls::reset_signals();
    let _ = sys::call(sys::NR_UMASK, [0; 6]);
    let mut fds = [0; FDS_MAX];
    let begin = receive_begin(&mut fds);
    let inside = match build::build(begin.plan, begin.groups, begin.mounts) {
        Ok(inside) => inside,
        Err(failure) => report_failure(failure),
    };
    let _ = sys::send(SUPERVISOR, inside.ready(), Some(inside.scratch));
    sys::close(inside.scratch);
    calls::serve(&inside)
}

const PR_SET_PDEATHSIG: usize = 1;
const SIGKILL: usize = 9;

struct Begin<'a> {
    plan: &'static [u8],
    groups: &'a [Fd],
    mounts: &'a [Fd],
}

fn receive_begin(fds: &mut [Fd; FDS_MAX]) -> Begin<'_> {
    let mut message = [0; MESSAGE_MAX];
    let Ok((length, count)) = sys::receive(SUPERVISOR, &mut message, fds) else { sys::exit(EXIT_ORPHANED) };
    if length == 0 {
        sys::exit(EXIT_ORPHANED);
    }
    if count == 0 || Order::from_code(message[0]) != Some(Order::Begin) {
        sys::exit(EXIT_PLAN);
    }
    let plan = sys::identity(fds[0]).and_then(|file| sys::map_file(fds[0], file.size));
    let Ok(plan) = plan else { sys::exit(EXIT_PLAN) };
    let rest = fds.get(1..count).unwrap_or_default();
    let Some((groups, mounts)) = rest.split_at_checked(message[1].into()) else { sys::exit(EXIT_PLAN) };
    Begin { plan, groups, mounts }
}

fn report_failure(failure: build::Failure) -> ! {
    let message = Message::<16>::new(Report::Failed as u8)
        .with(&failure.step.to_le_bytes())
        .with(&failure.errno.to_le_bytes());
    let _ = sys::send(SUPERVISOR, message.as_bytes(), None);
    sys::exit(EXIT_PLAN)
}

/// Asks the kernel to kill this process when the thread that made it ends. The socket's end does the same
/// where this can't (`calls::serve`).
pub fn die_with_parent() {
    let _ = sys::prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
}
