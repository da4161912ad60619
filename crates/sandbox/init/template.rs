//! A template's keeper: this program in a mount namespace of its own, with a root that sandboxes get copies of.
//!
//! Most of a root is the same for all sandboxes of a supervisor: mount points, settings, the image's mounts. Built once
//! and copied by the kernel, it costs a sandbox one system call instead of some two hundred. Nobody can write to what is
//! shared: the file system is made read-only before the first copy leaves, and belongs to the keeper.
//!
//! The keeper obeys the supervisor only, runs nothing, and ends with it.

use crate::build;
use crate::protocol::{EXIT_ORPHANED, EXIT_PLAN, MESSAGE_MAX, Message, Order, Report};
use crate::sys::{self, FDS_MAX, Fd};
use crate::SUPERVISOR;

/// Hands out copies until the supervisor is gone.
pub fn keep(root: Fd) -> ! {
    crate::die_with_parent();
    let mut message = [0; MESSAGE_MAX];
    let mut fds = [0; FDS_MAX];
    loop {
        match sys::receive(SUPERVISOR, &mut message, &mut fds) {
            Ok((1, 0)) if Order::from_code(message[0]) == Some(Order::Copy) => hand_out(root),
            Ok((0, _)) | Err(_) => sys::exit(EXIT_ORPHANED),
            Ok(_) => sys::exit(EXIT_PLAN),
        }
    }
}

fn hand_out(root: Fd) {
    let Ok(copy) = build::copy_tree(root) else { sys::exit(EXIT_PLAN) };
    let _ = sys::send(SUPERVISOR, Message::<1>::new(Report::Copied as u8).as_bytes(), Some(copy));
    sys::close(copy);
}
