//! The state of a sandbox, shared with the reactor: its calls, the processes that are watched, and its end.

use crate::alone::Alone;
use crate::call::{Books, CallError, CallState, Exit};
use crate::cgroup::RunCgroup;
use crate::channel::Channel;
use crate::decoys::{Laid, Told};
use crate::environment::{self, Environment};
use crate::gate::Network;
use crate::notify::{Scene, WayOut};
use crate::oversight::Samples;
use crate::placeholder::Placeholder;
use crate::plan::FileIdentity;
use crate::planted::Planted;
use crate::population::{self, Member};
use crate::proof::Proof;
use crate::protocol::Report;
use crate::reactor::{Token, lock};
use crate::sandbox::Usage;
use crate::sources::{InitSource, ProcessSource};
use crate::start::{Setup, Started};
use crate::storage;
use crate::streams::Which;
use crate::supervisor::Shared;
use crate::sys;
use crate::watch::Watch;
use crate::witness::Witness;
use crate::written::Written;
use event::fact::{EndReason, Fact, Limit, LimitAction, LimitHit, TelemetryGap, WorkspacePlanted};
use event::{CallId, Cause, Observation, Process, Text};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A sandbox's state, shared with the reactor.
pub(crate) struct Inside {
    pub(crate) shared: Arc<Shared>,
    pub(crate) channel: Channel,
    pub(crate) witness: Arc<dyn Witness>,
    pub(crate) cgroup: Option<RunCgroup>,
    pub(crate) root: OwnedFd,
    pub(crate) setup: Setup,
    pub(crate) environment: Environment,
    pub(crate) child: sys::clone::Child,
    pub(crate) scratch: OwnedFd,
    written: Written,
    network: Mutex<Option<Arc<Network>>>,
    identity: Option<(u32, u32)>,
    pub(crate) proof: Proof,
    pub(crate) home: PathBuf,
    /// The decoys that are laid as files.
    pub(crate) decoys: Vec<Laid>,
    pub(crate) decoys_told: Mutex<Told>,
    pub(crate) planted: Mutex<Planted>,
    /// Dropped after the init: nothing inside may see it go.
    _placeholders: Vec<Placeholder>,
    /// What is protected in the workspace, or would be had it been there.
    watched: Vec<(PathBuf, Option<FileIdentity>)>,
    calls: Mutex<BTreeMap<CallId, Arc<CallState>>>,
    /// The call that is alive alone since it began, if there is one.
    alone: Mutex<Option<Alone>>,
    next_call: AtomicU32,
    tracked: Mutex<HashMap<u32, (Token, Arc<ProcessSource>)>>,
    pub(crate) watch: Mutex<Watch>,
    init_token: Mutex<Option<Token>>,
    pub(crate) sampling: AtomicBool,
    pub(crate) samples: Samples,
    /// Somebody looks what calls are busy with.
    pub(crate) is_looked_at: AtomicBool,
    /// Every process stands still because somebody asked for it.
    pub(crate) frozen: Mutex<bool>,
    over: AtomicBool,
    /// The init is gone, and no call that begins will be told of its end.
    init_gone: AtomicBool,
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inside").field("init", &self.child.pid).finish_non_exhaustive()
    }
}

impl Inside {
    /// Takes over a sandbox that was started, and waits for what its init says.
    pub(crate) fn attach(
        shared: Arc<Shared>,
        setup: &Setup,
        started: Started,
        witness: Arc<dyn Witness>,
    ) -> io::Result<Arc<Self>> {
        let mut started = started;
        let sockets = std::mem::take(&mut started.sockets);
        let open = |gateway: &Arc<_>| Network::open(&**gateway, sockets, Arc::clone(&witness));
        let network = match setup.gateway.as_ref().map(open).transpose() {
            Ok(network) => network.map(Arc::new),
            Err(error) => {
                started.discard();
                return Err(error);
            }
        };
        let inside = Arc::new(Self::new(shared, setup, started, network, witness));
        let source = Arc::new(InitSource { inside: Arc::clone(&inside) });
        let token = inside.shared.reactor.add(source, EventFlags::IN)?;
        *lock(&inside.init_token) = Some(token);
        inside.know_planted();
        inside.watch_decoys();
        Ok(inside)
    }

    fn new(
        shared: Arc<Shared>,
        setup: &Setup,
        started: Started,
        network: Option<Arc<Network>>,
        witness: Arc<dyn Witness>,
    ) -> Self {
        let environment = environment::base(setup, &started.user, &started.home, &started.visible);
        Self {
            shared,
            channel: started.channel,
            witness,
            child: started.child,
            cgroup: started.cgroup,
            root: started.root,
            scratch: started.scratch,
            written: started.written,
            network: Mutex::new(network),
            identity: started.identity,
            proof: started.proof,
            home: started.home,
            decoys: started.decoys,
            decoys_told: Mutex::default(),
            planted: Mutex::default(),
            environment,
            watched: setup.workspace.protection().watched(),
            _placeholders: started.placeholders,
            setup: setup.clone(),
            calls: Mutex::default(),
            alone: Mutex::default(),
            next_call: AtomicU32::new(1),
            tracked: Mutex::default(),
            watch: Mutex::default(),
            init_token: Mutex::default(),
            sampling: AtomicBool::new(false),
            samples: Samples::default(),
            is_looked_at: AtomicBool::new(false),
            frozen: Mutex::new(false),
            over: AtomicBool::new(false),
            init_gone: AtomicBool::new(false),
        }
    }

    /// What decisions about a call need to know.
    pub(crate) fn scene<'a>(&'a self, network: Option<&'a Network>, cause: &'a Cause) -> Scene<'a> {
        Scene {
            root: self.root.as_fd(),
            identity: self.identity,
            written: self.written,
            network: network.map(|network| WayOut { network, cause }),
        }
    }

    /// The way out, while there is one.
    pub(crate) fn network(&self) -> Option<Arc<Network>> {
        lock(&self.network).clone()
    }

    /// Whether what has this device number was written inside.
    pub(crate) fn is_written(&self, device: u64) -> bool {
        self.written.is_on(device)
    }

    pub(crate) fn see(&self, fact: impl Into<Fact>) {
        self.witness.see(Observation::new(fact));
    }

    // Calls.

    /// The number of the next call.
    pub(crate) fn next_call(&self) -> Result<CallId, CallError> {
        if self.is_over() {
            return Err(CallError::Gone);
        }
        CallId::new(self.next_call.fetch_add(1, Ordering::SeqCst)).ok_or(CallError::TooMany)
    }

    /// Whether it was killed, or ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// The call whose processes have this mark.
    pub(crate) fn call_of(&self, mark: &std::path::Path) -> Option<CallId> {
        let calls = lock(&self.calls);
        calls.iter().find(|(_, call)| call.owns(mark)).map(|(id, _)| *id)
    }

    /// The calls of which something is alive.
    pub(crate) fn living(&self) -> Vec<Arc<CallState>> {
        lock(&self.calls).values().cloned().collect()
    }

    /// Whether no process of any call is alive.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.calls).is_empty()
    }

    /// Ends all calls, and says why.
    pub(crate) fn kill_for(&self, reason: EndReason) {
        lock(&self.calls).values().for_each(|call| call.kill_for(reason));
        self.kill();
    }

    /// The first process of a call has ended: the call has.
    pub(crate) fn first_process_ended(&self, call: u32, exit: &Exit) {
        let call = CallId::new(call).and_then(|id| lock(&self.calls).get(&id).cloned());
        if let Some(call) = call {
            self.conclude(&call, Some(exit));
        }
    }

    fn conclude(&self, call: &CallState, exit: Option<&Exit>) {
        let books = exit.map(|exit| self.books(call, exit)).unwrap_or_default();
        let Some(ended) = call.conclude(exit, &books) else { return };
        self.look_at_limits();
        let alone = self.alone().filter(|alone| alone.is(call.cause.call));
        self.tell_planted(alone.map(|_| &call.cause));
        self.witness.see(Observation::new(ended.fact()).caused_by(call.cause.clone()));
        self.forget_if_over(call);
        call.announce(ended);
    }

    /// What is counted of a call besides what its first process is told to have used.
    fn books(&self, call: &CallState, exit: &Exit) -> Books {
        let left = self.left_alive(call);
        let alone = self.alone().filter(|alone| alone.is(call.cause.call));
        let orphans = alone.as_ref().map(|_| exit.orphans).unwrap_or_default();
        let io =
            left.iter().filter_map(storage::of_process).fold(storage::sum(exit.io, orphans), storage::sum);
        Books {
            processes_left: u32::try_from(left.len()).unwrap_or(u32::MAX),
            peak_memory_bytes: alone
                .zip(self.cgroup.as_ref())
                .and_then(|(alone, cgroup)| alone.peak_memory(cgroup)),
            io: Some(io),
        }
    }

    fn left_alive(&self, call: &CallState) -> Vec<population::Member> {
        if call.is_gone() {
            return Vec::new();
        }
        let is_left =
            |member: &Member| member.mark().is_some_and(|mark| call.owns(&mark)) && !member.is_dead();
        population::each_member(self.root.as_fd()).filter(is_left).collect()
    }

    /// Nothing of a call is alive any more.
    pub(crate) fn call_gone(&self, call: &CallState) {
        self.catch_up_with_decoys();
        call.set_gone();
        self.forget_if_over(call);
        self.witness.call_over(call.cause.call);
    }

    /// Forgets a call of which nothing is to come. Before anybody is told, who may begin the next call at once: that one is
    /// alone only if this one is not here any more.
    fn forget_if_over(&self, call: &CallState) {
        if call.is_gone() && call.is_concluded() {
            lock(&self.calls).remove(&call.cause.call);
        }
    }

    /// Kills all processes of a call.
    pub(crate) fn kill_call(&self, call: &CallState, reason: EndReason) {
        if !call.has_ended() {
            call.kill_for(reason);
        }
        let (root, is_its) = (self.root.as_fd(), |member: &Member| Some(call.owns(&member.mark()?)));
        let killed = match &call.cgroup {
            Some(cgroup) => population::kill_all_by(|| cgroup.kill().is_ok(), root, is_its),
            None => population::kill_all(root, is_its),
        };
        if !killed && !self.is_over() {
            self.kill();
        }
    }

    /// Counts what a call wrote, and ends it if that is too much. Gives how much of it is within the limit.
    pub(crate) fn count_output(&self, call: &CallState, which: Which, bytes: usize) -> usize {
        let bound = self.setup.policy.limits().output().as_u64();
        let before = call.count(which, bytes as u64);
        let Some(left) = bound.checked_sub(before) else { return 0 };
        if left >= bytes as u64 {
            return bytes;
        }
        let hit = LimitHit::new(Limit::Output, bound, LimitAction::Killed);
        self.witness.see(Observation::new(hit).caused_by(call.cause.clone()));
        self.kill_call(call, EndReason::Limit);
        usize::try_from(left).unwrap_or(bytes)
    }

    pub(crate) fn limit_call(self: &Arc<Self>, call: &Arc<CallState>, timeout: Option<Duration>) {
        let Some(deadline) = timeout.and_then(|timeout| call.started.checked_add(timeout)) else { return };
        let (inside, call) = (Arc::downgrade(self), Arc::downgrade(call));
        self.shared.reactor.at(deadline, move || {
            if let (Some(inside), Some(call)) = (inside.upgrade(), call.upgrade())
                && !call.has_ended()
            {
                inside.kill_call(&call, EndReason::Timeout);
            }
        });
    }

    /// Takes note of a call, before its first process goes on.
    pub(crate) fn remember(&self, call: &Arc<CallState>) {
        self.catch_up_with_decoys();
        let mut calls = lock(&self.calls);
        let alone = calls.is_empty().then(|| Alone::begin(&call.cause, self.cgroup.as_ref()));
        calls.insert(call.cause.call, Arc::clone(call));
        *lock(&self.alone) = alone;
        drop(calls);
        // It may have ended between the call's first word and now, without this call among those that it took along.
        if self.init_gone.load(Ordering::SeqCst) {
            self.conclude(call, None);
        }
    }

    /// The call that has been alive alone since it began, if there is one.
    pub(crate) fn alone(&self) -> Option<Alone> {
        lock(&self.alone).clone()
    }

    // Processes.

    /// Waits for the end of a process that executes a program.
    pub(crate) fn track(self: &Arc<Self>, cause: &Cause, process: &Process) {
        let mut tracked = lock(&self.tracked);
        if tracked.contains_key(&process.host_pid) {
            return;
        }
        if self.shared.is_crowded() {
            return self.lose_end();
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

    /// The id on the host of a process inside.
    pub(crate) fn host_pid(&self, pid: u32) -> Option<u32> {
        let tracked = lock(&self.tracked);
        let known = tracked.values().find(|(_, source)| source.process.pid == Some(pid));
        let known = known.map(|(_, source)| source.process.host_pid);
        drop(tracked);
        known.or_else(|| population::host_pid(pid, self.child.pid))
    }

    pub(crate) fn untrack(&self, host_pid: u32) {
        lock(&self.tracked).remove(&host_pid);
    }

    // The end.

    pub(crate) fn kill(&self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = sys::process::send_signal(self.child.pidfd.as_fd(), libc::SIGKILL);
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.kill();
        }
    }

    /// The init is gone, and with it every process: what has not ended, ends now.
    pub(crate) fn init_ended(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.init_gone.store(true, Ordering::SeqCst);
        let calls: Vec<_> = lock(&self.calls).values().cloned().collect();
        for call in calls {
            self.conclude(&call, None);
        }
    }

    pub(crate) fn end(&self) -> Usage {
        let Some(token) = lock(&self.init_token).take() else { return self.usage() };
        let mut usage = self.usage();
        self.kill();
        let _ = self.child.reap();
        usage.cpu_us = self.usage().cpu_us.or(usage.cpu_us);
        self.shared.reactor.remove(token);
        self.shared.reactor.settle();
        self.drain_channel();
        self.init_ended();
        let tracked = std::mem::take(&mut *lock(&self.tracked));
        for (token, source) in tracked.into_values() {
            self.shared.reactor.remove(token);
            source.tell(self);
        }
        self.shared.reactor.settle();
        *lock(&self.network) = None;
        self.look_at_limits();
        self.forget_decoys();
        self.tell_planted(self.alone().as_ref().map(Alone::cause));
        self.report_planted();
        if let Some(cgroup) = &self.cgroup {
            cgroup.remove();
        }
        usage
    }

    /// Takes in what the init said before it was killed.
    fn drain_channel(&self) {
        while let Ok(Some(message)) = self.channel.receive_now() {
            if let Some((Report::Exited, mut fields)) = message.report()
                && let (Some(call), Some(exit)) = (fields.short(), Exit::read(&mut fields))
            {
                self.first_process_ended(call, &exit);
            }
        }
    }

    /// Files that the host would execute and that are not those of before. That the host replaced one ends its
    /// protection: the kernel takes a mount off a name whose file is removed or replaced, in all namespaces.
    fn report_planted(&self) {
        const APPEARED: &str = "it was not there before, and the host executes it or obeys it";
        const REPLACED: &str =
            "the host replaced it during the run, which ended its protection: look at it before you use it";
        let workspace = &self.setup.workspace;
        for (name, before) in &self.watched {
            let now = workspace.protection().identity_of(name);
            if now.is_none() || now == *before {
                continue;
            }
            let why = if before.is_none() { APPEARED } else { REPLACED };
            self.see(WorkspacePlanted { path: Text::from(workspace.inside().join(name)), why: why.into() });
        }
    }
}
