//! A sandbox: one life of an agent behind a boundary that was proven.

use crate::call::{Call, CallError, CallState, Exit};
use crate::cgroup::RunCgroup;
use crate::channel::Channel;
use crate::command::Command;
use crate::environment::{self, Environment};
use crate::launch;
use crate::notify::Scene;
use crate::population;
use crate::proof::Proof;
use crate::protocol::Report;
use crate::reactor::{Token, lock};
use crate::sources::{InitSource, ProcessSource};
use crate::start::{self, Setup, StartError, Started};
use crate::streams::Which;
use crate::supervisor::{Shared, Supervisor};
use crate::sys;
use crate::watch::{View, Watch};
use crate::witness::Witness;
use event::fact::{EndReason, Fact, Limit, LimitAction, LimitHit, ResourceSample, TelemetryGap, WorkspacePlanted};
use event::{CallId, Cause, Observation, Process, Text};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A sandbox whose boundary stands: there is no other way to have one than [`Sandbox::start`], and that gives one
/// only when every probe of the proof was refused. Dropping it ends it, and all in it.
#[derive(Debug)]
pub struct Sandbox(Arc<Inside>);

/// What a sandbox uses, or used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time so far, in microseconds.
    pub cpu_us: Option<u64>,
    /// Memory in use, in bytes.
    pub memory_bytes: Option<u64>,
    /// The most memory that was in use at once, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Processes alive.
    pub processes: Option<u64>,
    /// Bytes in the scratch layer.
    pub scratch_bytes: Option<u64>,
}

/// A sandbox's state, shared with the reactor.
pub(crate) struct Inside {
    pub(crate) shared: Arc<Shared>,
    pub(crate) channel: Channel,
    pub(crate) witness: Arc<dyn Witness>,
    pub(crate) cgroup: Option<RunCgroup>,
    pub(crate) root: OwnedFd,
    pub(crate) setup: Setup,
    pub(crate) environment: Environment,
    child: sys::clone::Child,
    scratch: OwnedFd,
    scratch_device: u64,
    proof: Proof,
    home: PathBuf,
    /// What would be protected in the workspace, had it been there.
    absent: Vec<PathBuf>,
    calls: Mutex<BTreeMap<CallId, Arc<CallState>>>,
    next_call: AtomicU32,
    tracked: Mutex<HashMap<u32, (Token, Arc<ProcessSource>)>>,
    watch: Mutex<Watch>,
    init_token: Mutex<Option<Token>>,
    sampling: AtomicBool,
    samples: Samples,
    over: AtomicBool,
}

/// Counts looks, so that a sample is told once a second however often limits are looked at.
#[derive(Debug, Default)]
struct Samples(AtomicU32);

impl Samples {
    fn tick(&self, slow: bool) -> bool {
        let every = if slow { 1 } else { 10 };
        self.0.fetch_add(1, Ordering::Relaxed) % every == 0
    }
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inside").field("init", &self.child.pid).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts a sandbox and proves its boundary. `witness` is told everything that is seen in it.
    ///
    /// # Errors
    /// A control can't be established, or the proof found a hole: nothing of the agent was started, and the error
    /// names the control.
    pub fn start(supervisor: &Supervisor, setup: &Setup, witness: Arc<dyn Witness>) -> Result<Self, StartError> {
        let started = start::start(&supervisor.0, setup)?;
        let inside = Arc::new(Inside::new(Arc::clone(&supervisor.0), setup, started, witness));
        let source = Arc::new(InitSource { inside: Arc::clone(&inside) });
        let added = inside.shared.reactor.add(source, EventFlags::IN);
        *lock(&inside.init_token) =
            Some(added.map_err(|source| StartError::Control { control: "init", source })?);
        inside.limit_time();
        Ok(Self(inside))
    }

    /// The proof of its boundary.
    pub fn proof(&self) -> &Proof {
        &self.0.proof
    }

    /// The home folder, inside.
    pub fn home(&self) -> &Path {
        &self.0.home
    }

    /// The process id of its init, on the host.
    pub fn init_pid(&self) -> u32 {
        self.0.child.pid
    }

    /// Starts a call. Calls may overlap, and be started from any thread. What a call leaves behind lives on and
    /// stays its own.
    ///
    /// # Errors
    /// The call could not be set up. That a command does not exist is no error but how the call ends.
    pub fn call(&self, command: Command) -> Result<Call, CallError> {
        if self.0.over.load(Ordering::SeqCst) {
            return Err(CallError::Gone);
        }
        let number = self.0.next_call.fetch_add(1, Ordering::SeqCst);
        let id = CallId::new(number).ok_or(CallError::TooMany)?;
        let call = launch::launch(&self.0, id, command)?;
        self.0.start_sampling();
        Ok(call)
    }

    /// Stops every process, until [`Sandbox::thaw`].
    ///
    /// # Errors
    /// The kernel's, or that the processes could not be stopped: then [`Sandbox::kill`] is left.
    pub fn freeze(&self) -> io::Result<()> {
        match &self.0.cgroup {
            Some(cgroup) => cgroup.freeze(true),
            None if population::stop_all(self.0.root.as_fd()) => Ok(()),
            None => Err(io::Error::other("the sandbox makes processes faster than they can be stopped")),
        }
    }

    /// Lets them run on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn thaw(&self) -> io::Result<()> {
        match &self.0.cgroup {
            Some(cgroup) => cgroup.freeze(false),
            None => {
                population::continue_all(self.0.root.as_fd());
                Ok(())
            }
        }
    }

    /// Kills everything in it, its init first. May be called again, and at any time.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// What it uses now.
    pub fn usage(&self) -> Usage {
        self.0.usage()
    }

    /// The folder of the scratch layer on the host's side: `tmp`, `home`, `run`, `shm` and `var-tmp` are in it.
    pub fn scratch(&self) -> BorrowedFd<'_> {
        self.0.scratch.as_fd()
    }

    /// Kills what is left, waits until all of it is gone, and has the witness told the last of it.
    pub fn end(self) -> Usage {
        self.0.end()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Inside {
    fn new(shared: Arc<Shared>, setup: &Setup, started: Started, witness: Arc<dyn Witness>) -> Self {
        let environment =
            environment::base(setup, &started.user, &started.home, &started.visible);
        Self {
            shared,
            channel: started.channel,
            witness,
            child: started.child,
            cgroup: started.cgroup,
            root: started.root,
            scratch: started.scratch,
            scratch_device: started.scratch_device,
            proof: started.proof,
            home: started.home,
            environment,
            absent: setup.workspace.absent(),
            setup: setup.clone(),
            calls: Mutex::default(),
            next_call: AtomicU32::new(1),
            tracked: Mutex::default(),
            watch: Mutex::default(),
            init_token: Mutex::default(),
            sampling: AtomicBool::new(false),
            samples: Samples::default(),
            over: AtomicBool::new(false),
        }
    }

    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene { root: self.root.as_fd(), scratch_device: self.scratch_device }
    }

    fn see(&self, fact: impl Into<Fact>) {
        self.witness.see(Observation::new(fact));
    }

    // Calls.

    /// The first process of a call has ended: the call has.
    pub(crate) fn first_process_ended(&self, call: u32, exit: &Exit) {
        let call = CallId::new(call).and_then(|id| lock(&self.calls).get(&id).cloned());
        if let Some(call) = call {
            self.conclude(&call, Some(exit));
        }
    }

    fn conclude(&self, call: &CallState, exit: Option<&Exit>) {
        let left = if exit.is_some() { self.processes_left(call) } else { 0 };
        let Some(ended) = call.conclude(exit, left) else { return };
        self.look_at_limits();
        self.witness.see(Observation::new(ended.fact()).caused_by(call.cause.clone()));
        call.announce(ended);
        self.forget_if_over(call);
    }

    fn processes_left(&self, call: &CallState) -> u32 {
        if call.is_gone() {
            return 0;
        }
        let own = |member: &&population::Member| member.mark().is_some_and(|mark| call.owns(&mark)) && !member.is_dead();
        u32::try_from(population::members(self.root.as_fd()).iter().filter(own).count()).unwrap_or(u32::MAX)
    }

    /// Nothing of a call is alive any more.
    pub(crate) fn call_gone(&self, call: &CallState) {
        call.set_gone();
        self.forget_if_over(call);
    }

    fn forget_if_over(&self, call: &CallState) {
        if call.is_gone() && call.has_ended() {
            lock(&self.calls).remove(&call.cause.call);
        }
    }

    /// Kills all processes of a call.
    pub(crate) fn kill_call(&self, call: &CallState, reason: EndReason) {
        if !call.has_ended() {
            call.kill_for(reason);
        }
        let killed = match &call.cgroup {
            Some(cgroup) => cgroup.kill().is_ok(),
            None => population::kill_all(self.root.as_fd(), |member| {
                member.mark().is_some_and(|mark| call.owns(&mark))
            }),
        };
        if !killed && !self.over.load(Ordering::SeqCst) {
            self.kill();
        }
    }

    /// Counts what a call wrote, and ends it if that is too much.
    pub(crate) fn count_output(&self, call: &CallState, which: Which, bytes: u64) {
        let bound = self.setup.policy.limits().output().as_u64();
        let total = call.count(which, bytes);
        if total > bound && total - bytes <= bound {
            let hit = LimitHit::new(Limit::Output, bound, LimitAction::Killed);
            self.witness.see(Observation::new(hit).caused_by(call.cause.clone()));
            self.kill_call(call, EndReason::Limit);
        }
    }

    pub(crate) fn limit_call(self: &Arc<Self>, call: &Arc<CallState>, timeout: Option<Duration>) {
        let Some(deadline) = timeout.and_then(|timeout| call.started.checked_add(timeout)) else { return };
        let (inside, call) = (Arc::downgrade(self), Arc::downgrade(call));
        self.shared.reactor.at(deadline, move || {
            if let (Some(inside), Some(call)) = (inside.upgrade(), call.upgrade()) {
                if !call.has_ended() {
                    inside.kill_call(&call, EndReason::Timeout);
                }
            }
        });
    }

    pub(crate) fn remember(&self, call: &Arc<CallState>) {
        lock(&self.calls).insert(call.cause.call, Arc::clone(call));
    }

    // Processes.

    /// Waits for the end of a process that executes a program.
    pub(crate) fn track(self: &Arc<Self>, cause: &Cause, process: &Process) {
        let mut tracked = lock(&self.tracked);
        if tracked.contains_key(&process.host_pid) {
            return;
        }
        let pid = Pid::from_raw(process.host_pid.cast_signed());
        let opened = pid.ok_or(Errno::SRCH).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let Ok(pidfd) = opened else { return self.lose_end() };
        let source = Arc::new(ProcessSource {
            pidfd,
            process: process.clone(),
            cause: cause.clone(),
            inside: Arc::downgrade(self),
        });
        // The kernel says how it ended once it is reaped, which is when it hangs up.
        let when = if self.shared.host.tells_exits { EventFlags::empty() } else { EventFlags::IN };
        match self.shared.reactor.add(Arc::clone(&source) as Arc<_>, when) {
            Ok(token) => drop(tracked.insert(process.host_pid, (token, source))),
            Err(_) => self.lose_end(),
        }
    }

    fn lose_end(&self) {
        let reason = "the end of a process could not be waited for".into();
        self.see(TelemetryGap { lost: 1, source: "process".into(), reason });
    }

    pub(crate) fn untrack(&self, host_pid: u32) {
        lock(&self.tracked).remove(&host_pid);
    }

    // Limits and use.

    fn look_at_limits(&self) {
        let hits = lock(&self.watch).look(&View {
            policy: &self.setup.policy,
            cgroup: self.cgroup.as_ref(),
            enforces_memory: self.enforces("memory"),
            enforces_processes: self.enforces("pids"),
            root: self.root.as_fd(),
            scratch: self.scratch.as_fd(),
        });
        hits.into_iter().for_each(|hit| self.see(hit));
    }

    fn enforces(&self, controller: &str) -> bool {
        self.shared.cgroups.as_ref().is_some_and(|cgroups| cgroups.has(controller))
    }

    fn limit_time(self: &Arc<Self>) {
        let Some(bound) = self.setup.policy.limits().time() else { return };
        let Some(deadline) = Instant::now().checked_add(bound) else { return };
        let inside = Arc::downgrade(self);
        self.shared.reactor.at(deadline, move || {
            if let Some(inside) = inside.upgrade() {
                inside.time_is_up(bound);
            }
        });
    }

    fn time_is_up(&self, bound: Duration) {
        if self.over.load(Ordering::SeqCst) {
            return;
        }
        let milliseconds = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        self.see(LimitHit::new(Limit::Time, milliseconds, LimitAction::Killed));
        for call in lock(&self.calls).values() {
            call.kill_for(EndReason::Limit);
        }
        self.kill();
    }

    /// Looks at limits and use now and then, as long as calls are alive.
    pub(crate) fn start_sampling(self: &Arc<Self>) {
        if !self.sampling.swap(true, Ordering::SeqCst) {
            self.sample_later();
        }
    }

    fn sample_later(self: &Arc<Self>) {
        let inside = Arc::downgrade(self);
        let often = if self.enforces("memory") { SAMPLE_EVERY } else { GUARD_EVERY };
        self.shared.reactor.at(Instant::now() + often, move || {
            if let Some(inside) = inside.upgrade() {
                inside.sample();
            }
        });
    }

    fn sample(self: &Arc<Self>) {
        if self.over.load(Ordering::SeqCst) || lock(&self.calls).is_empty() {
            self.sampling.store(false, Ordering::SeqCst);
            return;
        }
        self.look_at_limits();
        let usage = self.usage();
        if self.samples.tick(self.enforces("memory")) {
            self.see(ResourceSample {
                cpu_us: usage.cpu_us,
                memory_bytes: usage.memory_bytes,
                processes: usage.processes,
                scratch_bytes: usage.scratch_bytes,
                io: None,
            });
        }
        self.sample_later();
    }

    fn usage(&self) -> Usage {
        let memory = self.cgroup.as_ref().and_then(RunCgroup::memory);
        let counted = self.cgroup.as_ref().and_then(RunCgroup::processes);
        let scratch = rustix::fs::fstatfs(&self.scratch).ok();
        Usage {
            cpu_us: self.cgroup.as_ref().and_then(RunCgroup::cpu_us),
            memory_bytes: memory.map(|(now, _)| now),
            peak_memory_bytes: memory.map(|(_, peak)| peak),
            processes: counted.map(|count| count.saturating_sub(1)),
            scratch_bytes: scratch.map(|usage| {
                usage.f_blocks.saturating_sub(usage.f_bfree).saturating_mul(u64::try_from(usage.f_bsize).unwrap_or(0))
            }),
        }
    }

    // The end.

    fn kill(&self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = sys::process::send_signal(self.child.pidfd.as_fd(), libc::SIGKILL);
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.kill();
        }
    }

    /// The init is gone, and with it every process: what has not ended, ends now.
    pub(crate) fn init_ended(&self) {
        self.over.store(true, Ordering::SeqCst);
        let calls: Vec<_> = lock(&self.calls).values().cloned().collect();
        for call in calls {
            self.conclude(&call, None);
        }
    }

    fn end(&self) -> Usage {
        let Some(token) = lock(&self.init_token).take() else { return self.usage() };
        let mut usage = self.usage();
        self.kill();
        let _ = self.child.reap();
        usage.cpu_us = self.usage().cpu_us.or(usage.cpu_us);
        self.shared.reactor.remove(token);
        self.drain_channel();
        self.init_ended();
        let tracked = std::mem::take(&mut *lock(&self.tracked));
        for (token, source) in tracked.into_values() {
            self.shared.reactor.remove(token);
            source.tell(self);
        }
        self.look_at_limits();
        self.report_planted();
        if let Some(cgroup) = &self.cgroup {
            cgroup.remove();
        }
        usage
    }

    /// Takes in what the init said before it was killed.
    fn drain_channel(&self) {
        while let Ok(Some(message)) = self.channel.receive_now() {
            if let Some((Report::Exited, mut fields)) = message.report() {
                if let (Some(call), Some(exit)) = (fields.short(), Exit::read(&mut fields)) {
                    self.first_process_ended(call, &exit);
                }
            }
        }
    }

    /// Files that the host would execute and that were not there before.
    fn report_planted(&self) {
        let workspace = &self.setup.workspace;
        for name in &self.absent {
            if std::fs::symlink_metadata(workspace.host().join(name)).is_ok() {
                let path = Text::from(workspace.inside().join(name));
                self.see(WorkspacePlanted { path, why: "the host would execute it or obey it".into() });
            }
        }
    }
}

/// How often limits are looked at: where the kernel enforces them, only to tell; where it doesn't, to enforce.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
const GUARD_EVERY: Duration = Duration::from_millis(100);
