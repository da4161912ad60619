//! One call: a command that runs in a sandbox, and all that it leaves behind.

use crate::cgroup::CallCgroup;
use crate::channel::Channel;
use crate::inside::Inside;
use crate::protocol::{Fields, Report};
use crate::reactor::lock;
use crate::storage;
use crate::streams::{Input, Output, Terminal, Which};
use event::fact::{CallEnded, EndReason, Io, OutputBytes};
use event::{CallId, Cause};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use thiserror::Error;

/// A call that has begun.
#[derive(Debug)]
pub struct Call {
    /// What it reads, if that was asked for.
    pub stdin: Option<Input>,
    /// What it writes, if that was asked for.
    pub stdout: Option<Output>,
    /// What it writes as errors, if that was asked for.
    pub stderr: Option<Output>,
    /// Its terminal, if it has one.
    pub terminal: Option<Terminal>,
    pub(crate) state: Arc<CallState>,
    pub(crate) inside: Arc<Inside>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The command's own code; 128 and the number of the signal that killed it; 126 if it can't be executed, 127
    /// if it can't be found.
    pub exit_code: i32,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Why it ended.
    pub reason: EndReason,
    /// From its first instruction to the end of its first process.
    pub wall: Duration,
    /// Processor time of all its processes until then, in microseconds.
    pub cpu_us: Option<u64>,
    /// The most memory that it used at once, in bytes. Without version 2 controllers, and where other calls were alive
    /// at the same time, that of the largest process among those that its first process waited for.
    pub peak_memory_bytes: Option<u64>,
    /// What its processes read from storage, and wrote to it.
    pub io: Option<Io>,
    /// What it wrote that we have read.
    pub output: OutputBytes,
    /// Processes that it left alive.
    pub processes_left: u32,
}

/// Why a call did not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The sandbox has ended.
    #[error("cannot start the call: the sandbox has ended")]
    Gone,
    /// There are as many as there may be.
    #[error("cannot start the call: {LIVE} calls are alive in this sandbox; end some first", LIVE = crate::protocol::LIVE_CALLS)]
    TooMany,
    /// The folder to start in.
    #[error("cannot start the call in {folder}: {errno}; name a folder that exists inside", folder = folder.display())]
    Folder {
        /// As it was given.
        folder: PathBuf,
        /// Why not.
        errno: Errno,
    },
    /// Something was refused on our side or in the sandbox, such as one process too many.
    #[error("cannot start the call: could not {what}: {errno}")]
    Refused {
        /// What was refused.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
}

impl Call {
    /// Its number in the run.
    pub fn id(&self) -> CallId {
        self.state.cause.call
    }

    /// Waits for the end of its first process.
    pub fn wait(&self) -> Ended {
        self.state.wait()
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        lock(&self.state.ended).clone()
    }

    /// Kills it with all that it started and left behind, and nothing of other calls.
    pub fn kill(&self) {
        self.inside.kill_call(&self.state, EndReason::Killed);
    }

    /// Sends a signal to its first process and that one's process group.
    ///
    /// # Errors
    /// The kernel's, if it is gone.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        Ok(self.state.signal_group(signal)?)
    }
}

/// How far a call's command came.
#[derive(Clone, Copy, Debug, Default)]
struct Launch {
    failure: Option<Errno>,
}

/// What is known of a call.
#[derive(Debug)]
pub(crate) struct CallState {
    pub(crate) cause: Cause,
    pub(crate) started: Instant,
    /// Its first process.
    pub(crate) pid: u32,
    /// The name of its UTS namespace: every descendant has it, and nobody else.
    pub(crate) mark: PathBuf,
    pub(crate) cgroup: Option<CallCgroup>,
    channel: Channel,
    launch: Mutex<Launch>,
    ended: Mutex<Option<Ended>>,
    told: Condvar,
    end: OwnedFd,
    killed_for: Mutex<Option<EndReason>>,
    output: [AtomicU64; 2],
    /// Of both streams together.
    written: AtomicU64,
    gone: AtomicBool,
    concluded: AtomicBool,
}

/// What the kernel told the init about the end of a process.
pub(crate) struct Exit {
    pub(crate) status: i32,
    pub(crate) cpu_us: u64,
    pub(crate) peak_memory_bytes: u64,
    /// What it and those that it waited for read and wrote.
    pub(crate) io: Io,
    /// The same of orphans, since a call began when no other was live.
    pub(crate) orphans: Io,
}

impl Exit {
    /// Reads the rest of [`Report::Exited`].
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let status = fields.signed()?;
        let cpu_us = fields.number()?.saturating_add(fields.number()?);
        let peak_memory_bytes = fields.number()?.saturating_mul(1024);
        let (io, orphans) = (storage::of_blocks(fields)?, storage::of_blocks(fields)?);
        Some(Self { status, cpu_us, peak_memory_bytes, io, orphans })
    }
}

/// What others counted for a call when its first process ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Books {
    /// Processes that it left alive.
    pub(crate) processes_left: u32,
    /// The most memory of all its processes together, where nothing else was alive.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// What all its processes read and wrote.
    pub(crate) io: Option<Io>,
}

impl CallState {
    pub(crate) fn new(
        cause: Cause,
        pid: u32,
        mark: PathBuf,
        cgroup: Option<CallCgroup>,
        channel: Channel,
    ) -> Result<Self, Errno> {
        Ok(Self {
            cause,
            started: Instant::now(),
            pid,
            mark,
            cgroup,
            channel,
            launch: Mutex::default(),
            ended: Mutex::default(),
            told: Condvar::new(),
            end: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            killed_for: Mutex::default(),
            output: Default::default(),
            written: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            concluded: AtomicBool::new(false),
        })
    }

    /// Becomes readable when the call has ended, and stays so.
    pub(crate) fn end_descriptor(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }

    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.ended).is_some()
    }

    /// Whether it was worked out how it did, be it told or not.
    pub(crate) fn is_concluded(&self) -> bool {
        self.concluded.load(Ordering::SeqCst)
    }

    /// Nothing of it is alive any more.
    pub(crate) fn set_gone(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// Lets the first process go on, and waits until it has executed the command or could not. False: it has
    /// done neither, because another process of the sandbox holds it up.
    pub(crate) fn launch(&self, patience: Duration) -> Result<bool, Errno> {
        self.channel.give_leave()?;
        let ready = crate::channel::readable(&[self.channel.as_fd()], patience)?;
        self.learn_launch();
        Ok(ready.first() == Some(&true))
    }

    /// Takes in what the first process said of its execution: the caller and the reactor may both come for it.
    fn learn_launch(&self) -> Launch {
        let mut launch = lock(&self.launch);
        if let Ok(Some(message)) = self.channel.receive_now()
            && let Some((Report::NotExecuted, mut fields)) = message.report()
        {
            launch.failure = fields.signed().map(Errno::from_raw_os_error);
        }
        *launch
    }

    pub(crate) fn signal_group(&self, signal: i32) -> Result<(), Errno> {
        let group = rustix::process::Pid::from_raw(self.pid.cast_signed()).ok_or(Errno::SRCH)?;
        // The process is its session's and group's first; while it is not reaped its id can't be another's.
        if self.has_ended() {
            return Err(Errno::SRCH);
        }
        crate::sys::process::signal_group(group, signal)
    }

    /// Notes why it is killed; the first reason stays.
    pub(crate) fn kill_for(&self, reason: EndReason) {
        lock(&self.killed_for).get_or_insert(reason);
    }

    /// Adds to what the call wrote. Gives how much that was before, of both streams.
    pub(crate) fn count(&self, which: Which, bytes: u64) -> u64 {
        let [stdout, stderr] = &self.output;
        let stream = if which == Which::Stdout { stdout } else { stderr };
        stream.fetch_add(bytes, Ordering::Relaxed);
        self.written.fetch_add(bytes, Ordering::Relaxed)
    }

    pub(crate) fn wait(&self) -> Ended {
        let mut ended = lock(&self.ended);
        loop {
            if let Some(ended) = ended.as_ref() {
                return ended.clone();
            }
            ended = self.told.wait(ended).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// The first process has ended: works out how the call did. `None` if that was done before.
    pub(crate) fn conclude(&self, exit: Option<&Exit>, books: &Books) -> Option<Ended> {
        if self.concluded.swap(true, Ordering::SeqCst) {
            return None;
        }
        let (exit_code, signal, reason) = self.verdict(exit.map(|exit| exit.status));
        let cgroup = self.cgroup.as_ref();
        let [stdout, stderr] = &self.output;
        Some(Ended {
            exit_code,
            signal,
            reason,
            wall: self.started.elapsed(),
            cpu_us: cgroup.and_then(CallCgroup::cpu_us).or(exit.map(|exit| exit.cpu_us)),
            peak_memory_bytes: cgroup
                .and_then(CallCgroup::peak_memory)
                .or_else(|| books.peak_memory_bytes.max(exit.map(|exit| exit.peak_memory_bytes))),
            io: books.io,
            output: OutputBytes {
                stdout: stdout.load(Ordering::Relaxed),
                stderr: stderr.load(Ordering::Relaxed),
            },
            processes_left: books.processes_left,
        })
    }

    fn verdict(&self, status: Option<i32>) -> (i32, Option<i32>, EndReason) {
        let killed_for = *lock(&self.killed_for);
        let Some(status) = status else {
            return (128 + libc::SIGKILL, Some(libc::SIGKILL), killed_for.unwrap_or(EndReason::Killed));
        };
        if let Some(errno) = self.learn_launch().failure {
            return match errno {
                Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG => {
                    (127, None, EndReason::NotFound)
                }
                _ => (126, None, EndReason::NotExecutable),
            };
        }
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            return (128 + signal, Some(signal), killed_for.unwrap_or(EndReason::Signalled));
        }
        (libc::WEXITSTATUS(status), None, killed_for.unwrap_or(EndReason::Exited))
    }

    /// Tells all who wait.
    pub(crate) fn announce(&self, ended: Ended) {
        *lock(&self.ended) = Some(ended);
        self.told.notify_all();
        let _ = rustix::io::write(&self.end, &1u64.to_ne_bytes());
    }

    /// Whether a process with this UTS namespace is one of its own.
    pub(crate) fn owns(&self, mark: &Path) -> bool {
        self.mark == mark
    }
}

impl Ended {
    /// The event.
    pub(crate) fn fact(&self) -> CallEnded {
        CallEnded {
            exit_code: self.exit_code,
            signal: self.signal,
            reason: self.reason,
            wall_us: u64::try_from(self.wall.as_micros()).unwrap_or(u64::MAX),
            cpu_us: self.cpu_us,
            peak_memory_bytes: self.peak_memory_bytes,
            io: self.io,
            output_bytes: self.output,
            processes_left: self.processes_left,
        }
    }
}
