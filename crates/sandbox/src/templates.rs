//! Templates: roots that are built once and copied for each sandbox.
//!
//! Of the steps that build a root most are the same for every sandbox with the same image and the same mount points. A
//! second start with the same such steps finds a *template*: a process of ours in a mount namespace of its own (its
//! keeper, `init/template.rs`) that has taken them, and hands out copies of what they made, one system call each.
//!
//! The steps themselves are the key, down to the device and inode number of each file that is shown, so that a
//! template is never used for anything but what a sandbox would have built. A template is a shortcut and no control: where
//! none can be made, a sandbox builds its root itself, and the proof is made of what it got either way.

use crate::channel::Channel;
use crate::ids::{Ids, write_maps};
use crate::plan::Plan;
use crate::protocol::{Order, Report};
use crate::reactor::lock;
use crate::spawner::{Request, Spawner};
use crate::sys::clone::Child;
use crate::sys::process;
use rustix::fd::{AsFd, OwnedFd};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many kinds of sandboxes are remembered.
const KINDS: usize = 8;

/// How long a keeper may take to build.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was started before, the latest first.
#[derive(Debug, Default)]
pub(crate) struct Templates(Mutex<VecDeque<Kind>>);

#[derive(Debug)]
struct Kind {
    steps: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It was asked for once, which may have been all.
    Seen,
    Kept(Arc<Template>),
    /// It can't be made on this host.
    Impossible,
}

/// What a keeper is started with.
pub(crate) struct Means<'a> {
    pub(crate) spawner: &'a Spawner,
    pub(crate) program: &'a Arc<OwnedFd>,
    /// Where we have no privileges, the keeper has its own user namespace, with these ids.
    pub(crate) ids: Option<&'a Ids>,
}

impl Templates {
    /// A copy of the root that `plan` makes. `None`: there is no template, and the sandbox builds its root itself.
    pub(crate) fn copy(&self, plan: &Plan, means: &Means<'_>) -> Option<OwnedFd> {
        let template = self.template(plan, means)?;
        let copy = template.copy();
        if copy.is_none() {
            self.forget(plan);
        }
        copy
    }

    fn template(&self, plan: &Plan, means: &Means<'_>) -> Option<Arc<Template>> {
        let mut kinds = lock(&self.0);
        let Some(place) = kinds.iter().position(|kind| kind.steps == plan.as_bytes()) else {
            kinds.push_front(Kind { steps: plan.as_bytes().to_vec(), state: State::Seen });
            kinds.truncate(KINDS);
            return None;
        };
        let mut kind = kinds.remove(place)?;
        if matches!(kind.state, State::Seen) {
            kind.state =
                Template::make(plan, means).map_or(State::Impossible, |made| State::Kept(Arc::new(made)));
        }
        let template = match &kind.state {
            State::Kept(template) => Some(Arc::clone(template)),
            State::Seen | State::Impossible => None,
        };
        kinds.push_front(kind);
        template
    }

    /// Its keeper has died: the next but one start makes a new one.
    fn forget(&self, plan: &Plan) {
        lock(&self.0).retain(|kind| kind.steps != plan.as_bytes());
    }
}

/// A template that is kept. Its keeper ends with it.
#[derive(Debug)]
struct Template {
    keeper: Child,
    /// Held from a question to its answer.
    channel: Mutex<Channel>,
}

impl Template {
    fn make(plan: &Plan, means: &Means<'_>) -> Option<Self> {
        let (channel, theirs) = Channel::pair().ok()?;
        let user = if means.ids.is_some() { libc::CLONE_NEWUSER } else { 0 };
        let request = Request {
            program: Arc::clone(means.program),
            arguments: vec![c"aurelian-template".to_owned()],
            socket: theirs,
            namespaces: (user | libc::CLONE_NEWNS) as u64,
            cgroup: None,
            rules_network: false,
        };
        let keeper = means.spawner.spawn(request).ok()?;
        let template = Self { keeper, channel: Mutex::new(channel) };
        if let Some(ids) = means.ids {
            write_maps(template.keeper.pid, ids).ok()?;
        }
        let plan = plan.seal().ok()?;
        lock(&template.channel).order(Order::Begin, &[0], &[plan.as_fd()]).ok()?;
        // The first copy shows that it was built.
        template.copy().map(|_| template)
    }

    fn copy(&self) -> Option<OwnedFd> {
        let channel = lock(&self.channel);
        channel.order(Order::Copy, &[], &[]).ok()?;
        let answer = channel.receive(PATIENCE).ok()??;
        matches!(answer.report(), Some((Report::Copied, _))).then_some(answer.descriptor)?
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        let _ = process::send_signal(self.keeper.pidfd.as_fd(), libc::SIGKILL);
        let _ = self.keeper.reap();
    }
}
