//! What the reactor waits for on behalf of a sandbox: its init, its calls' listeners, its processes' ends, and
//! connections that are under way.

use crate::call::{CallState, Exit};
use crate::inside::Inside;
use crate::notify::{self, Decision, Outcome, Sighting};
use crate::protocol::Report;
use crate::reactor::{Source, Token, lock};
use crate::sys;
use crate::sys::seccomp::{Answer, Notification, receive, respond};
use event::fact::{ProcessExited, TelemetryGap};
use event::{Cause, Observation, Process};
use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// The socket to the init.
pub(crate) struct InitSource {
    pub(crate) inside: Arc<Inside>,
}

impl Source for InitSource {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.inside.channel.as_fd()
    }

    fn serve(&self) -> bool {
        match self.inside.channel.receive_now() {
            Ok(Some(message)) => {
                if let Some((Report::Exited, mut fields)) = message.report() {
                    let call = fields.short();
                    if let (Some(call), Some(exit)) = (call, Exit::read(&mut fields)) {
                        self.inside.first_process_ended(call, &exit);
                    }
                }
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Ok(None) | Err(_) => {
                self.inside.init_ended();
                false
            }
        }
    }
}

/// The listener of a call.
pub(crate) struct ListenerSource {
    pub(crate) listener: Arc<OwnedFd>,
    pub(crate) call: Arc<CallState>,
    pub(crate) inside: Weak<Inside>,
    pub(crate) token: Mutex<Option<Token>>,
}

/// How long a call waits whose witness can't take more.
const PAUSE: Duration = Duration::from_millis(2);

impl Source for ListenerSource {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    fn serve(&self) -> bool {
        let Some(inside) = self.inside.upgrade() else { return false };
        if !inside.witness.is_ready() {
            self.pause(&inside);
            return true;
        }
        match receive(self.listener.as_fd()) {
            Ok(notification) => {
                let decision = notify::decide(self.listener.as_fd(), &notification, &inside.scene());
                self.carry_out(&inside, &notification, decision);
                true
            }
            Err(Errno::INTR | Errno::AGAIN) => true,
            // Either one task was killed while it waited, or the last one of the call is gone.
            Err(_) => {
                let unused = is_unused(self.listener.as_fd());
                if unused {
                    inside.call_gone(&self.call);
                }
                !unused
            }
        }
    }
}

fn is_unused(listener: BorrowedFd<'_>) -> bool {
    let mut entry = [PollFd::new(&listener, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut entry, Some(&now)).is_ok() && entry.iter().any(|entry| entry.revents().contains(PollFlags::HUP))
}

impl ListenerSource {
    /// Looks away for a moment. The tasks wait in their system calls, and nothing is lost.
    fn pause(&self, inside: &Arc<Inside>) {
        let Some(token) = *lock(&self.token) else { return };
        inside.shared.reactor.attend(token, EventFlags::empty());
        let shared = Arc::downgrade(&inside.shared);
        inside.shared.reactor.at(Instant::now() + PAUSE, move || {
            if let Some(shared) = shared.upgrade() {
                shared.reactor.attend(token, EventFlags::IN);
            }
        });
    }

    fn carry_out(&self, inside: &Arc<Inside>, notification: &Notification, decision: Decision) {
        let id = notification.id;
        match decision.sighting {
            Some(Sighting::Execution(execution)) => {
                inside.track(&self.call.cause, &execution.process);
                inside.witness.execution(self.call.cause.clone(), *execution);
            }
            Some(Sighting::Refused(fact)) => {
                let process = notify::describe(notification.task);
                let observation =
                    Observation::new(*fact).caused_by(self.call.cause.clone()).with_process(process);
                inside.witness.see(observation);
            }
            Some(Sighting::Blind(why)) => {
                let gap = TelemetryGap { lost: 1, source: "seccomp".into(), reason: why.into() };
                inside.witness.see(Observation::new(gap).caused_by(self.call.cause.clone()));
            }
            None => {}
        }
        match decision.outcome {
            // The task may be gone by now; then nobody needs the answer.
            Outcome::Now(answer) => drop(respond(self.listener.as_fd(), id, answer)),
            Outcome::WhenConnected(socket) => self.wait_for_connection(inside, id, socket),
        }
    }

    fn wait_for_connection(&self, inside: &Arc<Inside>, id: u64, socket: OwnedFd) {
        let source = Arc::new(ConnectSource { socket, listener: Arc::clone(&self.listener), id });
        if inside.shared.reactor.add(source, EventFlags::OUT).is_err() {
            let _ = respond(self.listener.as_fd(), id, Answer::Fail(Errno::NOBUFS));
        }
    }
}

/// A connection that is under way for a task that waits for it.
struct ConnectSource {
    socket: OwnedFd,
    listener: Arc<OwnedFd>,
    id: u64,
}

impl Source for ConnectSource {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn serve(&self) -> bool {
        let answer = match rustix::net::sockopt::socket_error(&self.socket) {
            Ok(Ok(())) => Answer::Value(0),
            Ok(Err(errno)) | Err(errno) => Answer::Fail(errno),
        };
        let _ = respond(self.listener.as_fd(), self.id, answer);
        false
    }
}

/// A process that was seen to execute a program.
pub(crate) struct ProcessSource {
    pub(crate) pidfd: OwnedFd,
    pub(crate) process: Process,
    pub(crate) cause: Cause,
    pub(crate) inside: Weak<Inside>,
}

impl Source for ProcessSource {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    fn serve(&self) -> bool {
        if let Some(inside) = self.inside.upgrade() {
            inside.untrack(self.process.host_pid);
            self.tell(&inside);
        }
        false
    }
}

impl ProcessSource {
    /// Tells that the process has ended, and how if the kernel says.
    pub(crate) fn tell(&self, inside: &Inside) {
        let status = sys::process::exit_status(self.pidfd.as_fd());
        let exited = status.filter(|status| libc::WIFEXITED(*status)).map(|status| libc::WEXITSTATUS(status));
        let signalled =
            status.filter(|status| libc::WIFSIGNALED(*status)).map(|status| libc::WTERMSIG(status));
        let fact = ProcessExited { exit_code: exited, signal: signalled };
        let observation =
            Observation::new(fact).caused_by(self.cause.clone()).with_process(self.process.clone());
        inside.witness.see(observation);
    }
}
