//! The hand on a run: takes the steps of containment, one after the other, for findings and for operators.
//!
//! There is one for each run, with a thread of its own, so that no two steps are taken at once and none is taken twice. The order is that of
//! what can do harm soonest: flows are cut, processes stand still, evidence is collected from what stands still, it is killed, it
//! is held. What can't be stopped is killed. Each step becomes an event with its latency, once what it stands for is kept.

mod steps;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use event::fact::{Finding, Outcome, Severity, Step, TelemetryGap};
use event::{Cause, Observation, RunId, Timestamp};
use policy::{Action, Response};
use sandbox::Control;
use serde::Serialize;

use crate::archive::{Archive, ArchiveError, RunFolder, chain};
use crate::evidence;
use crate::holds::Holds;
use crate::notify::Notifier;
use steps::{Since, Taken, Wish};

/// Who acts where no operator does.
const POLICY: &str = "policy";
/// Findings that may wait to be kept.
const BACKLOG: usize = 4096;

/// A run, as far as a hand needs to get hold of it.
pub struct Subject {
    /// Its id.
    pub run: RunId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its processes.
    pub control: Control,
    /// Its scratch layer.
    pub scratch: Option<OwnedFd>,
    /// The files of it that are decoys, by device and inode: who opens one is told of.
    pub decoys: BTreeSet<(u64, u64)>,
    /// Its way out, if it has one.
    pub gateway: Option<Arc<gateway::Gateway>>,
    /// What its policy says.
    pub response: Response,
    /// The state folder.
    pub archive: Archive,
    /// What is kept of it elsewhere, by its name: its events, its capture.
    pub records: BTreeMap<&'static str, PathBuf>,
    /// Takes steps down as events.
    pub record: Box<dyn Fn(Observation) + Send + Sync>,
    /// The last of what its calls printed.
    pub output: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
    /// Tells the operator at this terminal what was done.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
}

/// What an operator may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// To stand still.
    Freeze,
    /// To go on.
    Thaw,
    /// To be killed.
    Kill,
    /// To stand still, and not to be resumed.
    Hold,
    /// To be held no more.
    Release,
}

impl Act {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Kill => "kill",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "detail")]
pub enum Acted {
    /// It is so now.
    Done,
    /// It was so before.
    Already,
    /// It may not be done, and why.
    Refused(String),
    /// It could not be done, and why.
    Failed(String),
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It runs.
    #[default]
    Running,
    /// It runs without a network.
    CutOff,
    /// It stands still.
    Frozen,
    /// It was killed, or has ended.
    Ended,
}

enum Task {
    Found { finding: Box<Finding>, cause: Option<Cause>, at: Timestamp },
    Asked { act: Act, by: String, reason: Option<String>, at: Instant, answer: Sender<Acted> },
    End,
}

/// The hand on a run.
#[derive(Debug)]
pub struct Hand {
    tasks: Sender<Task>,
    thread: Mutex<Option<JoinHandle<()>>>,
    state: Arc<Mutex<State>>,
}

impl Hand {
    /// Lays a hand on a run.
    ///
    /// # Errors
    /// The state folder can't be used, or the host gives no more threads.
    pub fn on(subject: Subject) -> Result<Self, ArchiveError> {
        let folder = subject.archive.run(subject.run);
        let holds = Holds::of(&subject.archive);
        let state = Arc::<Mutex<State>>::default();
        let thread_error = ArchiveError::new("start a thread for", folder.place());
        let notifier = Notifier::of(&subject.response);
        let worker = Worker {
            subject,
            folder,
            holds,
            notifier,
            done: BTreeSet::new(),
            waiting_since: None,
            state: Arc::clone(&state),
        };
        let (tasks, todo) = mpsc::channel();
        let thread = std::thread::Builder::new().name("hand".into());
        let thread = thread.spawn(move || worker.run(&todo)).map_err(thread_error)?;
        Ok(Self { tasks, thread: Mutex::new(Some(thread)), state })
    }

    /// Has something done about a finding of this call; `at` is the time of the event that completed it.
    pub fn found(&self, finding: Finding, cause: Option<Cause>, at: Timestamp) {
        // Once it has ended there is nobody left to do anything about it.
        let _ = self.tasks.send(Task::Found { finding: Box::new(finding), cause, at });
    }

    /// Does what an operator asks for, and waits for it.
    pub fn act(&self, act: Act, by: &str, reason: Option<String>) -> Acted {
        let (answer, answered) = mpsc::channel();
        let task = Task::Asked { act, by: by.to_owned(), reason, at: Instant::now(), answer };
        let gone = || Acted::Failed("the run has ended".to_owned());
        if self.tasks.send(task).is_err() { gone() } else { answered.recv().unwrap_or_else(|_| gone()) }
    }

    /// What the run is doing.
    pub fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is left to do, and takes the hand off. What is found later is not answered.
    pub fn finish(&self) {
        let _ = self.tasks.send(Task::End);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.finish();
    }
}

struct Worker {
    subject: Subject,
    folder: RunFolder,
    holds: Holds,
    notifier: Option<Notifier>,
    /// What holds of the run now.
    done: BTreeSet<Step>,
    /// Since when it stands still, where no operator has attended to it.
    waiting_since: Option<Instant>,
    state: Arc<Mutex<State>>,
}

impl Worker {
    fn run(mut self, todo: &Receiver<Task>) {
        let mut backlog = VecDeque::new();
        let mut is_ending = false;
        loop {
            if backlog.is_empty() {
                if is_ending {
                    break;
                }
                let task = match self.patience() {
                    None => todo.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    Some(patience) => todo.recv_timeout(patience),
                };
                match task {
                    Ok(task) => backlog.push_back(task),
                    Err(RecvTimeoutError::Timeout) => self.give_up_waiting(),
                    Err(RecvTimeoutError::Disconnected) => is_ending = true,
                }
            }
            backlog.extend(todo.try_iter());
            self.shorten(&mut backlog);
            match self.next(&mut backlog) {
                Some(Task::Found { finding, cause, at }) => self.found(&finding, cause.as_ref(), at),
                Some(Task::Asked { act, by, reason, at, answer }) => {
                    let wish = Wish {
                        by: &by,
                        reason: reason.as_deref(),
                        finding: None,
                        cause: None,
                        since: Since::Moment(at),
                    };
                    self.asked(act, &wish, &answer);
                }
                Some(Task::End) => is_ending = true,
                None => {}
            }
        }
        if let Some(notifier) = self.notifier.take() {
            notifier.finish(&self.subject.record);
        }
    }

    /// The task that can't wait, or else the first: an agent that makes findings which are only kept, one after the other,
    /// must not gain time by it.
    fn next(&self, backlog: &mut VecDeque<Task>) -> Option<Task> {
        let urgent = backlog.iter().position(|task| self.is_urgent(task));
        backlog.remove(urgent.unwrap_or(0))
    }

    fn is_urgent(&self, task: &Task) -> bool {
        match task {
            Task::Asked { .. } => true,
            Task::Found { finding, .. } => {
                self.subject.response.action(&finding.rule, finding.severity) > Action::Alert
                    || self.subject.response.hold().is_some_and(|from| finding.severity >= from)
            }
            Task::End => false,
        }
    }

    /// Gives up the oldest findings that are only to be kept, where there are too many of them. They are in the record.
    fn shorten(&self, backlog: &mut VecDeque<Task>) {
        let mut lost = 0;
        while backlog.len() > BACKLOG
            && let Some(oldest) =
                backlog.iter().position(|task| matches!(task, Task::Found { .. }) && !self.is_urgent(task))
        {
            backlog.remove(oldest);
            lost += 1;
        }
        if lost > 0 {
            let reason = "more findings came than could be kept beside the record".into();
            (self.subject.record)(Observation::new(TelemetryGap { lost, source: "response".into(), reason }));
        }
    }

    /// How long a frozen run still waits for an operator.
    fn patience(&self) -> Option<Duration> {
        let since = self.waiting_since?;
        let most = self.subject.response.freeze_for()?;
        Some(most.saturating_sub(since.elapsed()))
    }

    fn give_up_waiting(&mut self) {
        let waited = "no operator decided in the time that the policy gives";
        let wish = Wish {
            by: POLICY,
            reason: Some(waited),
            finding: None,
            cause: None,
            since: Since::Moment(Instant::now()),
        };
        let taken = vec![self.kill(&wish)];
        (self.subject.say)(&format!("killed: {waited}"));
        self.tell(&wish, taken);
    }

    fn found(&mut self, finding: &Finding, cause: Option<&Cause>, at: Timestamp) {
        let action = self.subject.response.action(&finding.rule, finding.severity);
        let is_held = self.subject.response.hold().is_some_and(|from| finding.severity >= from);
        let wish = Wish { by: POLICY, reason: None, finding: Some(finding), cause, since: Since::Event(at) };
        // What can do harm is stopped before anything is written.
        let mut taken = self.stop(&wish, action);
        let stands = |taken: &Taken| taken.step == Step::Freeze && taken.outcome != Outcome::Failed;
        let is_frozen = taken.iter().any(stands);
        let has_failed = taken.iter().any(|taken| taken.step == Step::Freeze && !stands(taken));
        let is_doomed = action == Action::Kill || has_failed;
        let passing = is_frozen.then(|| evidence::look(&self.subject.control, is_doomed));
        taken.extend((is_doomed && !self.done.contains(&Step::Kill)).then(|| self.kill(&wish)));
        if let Err(error) = self.folder.append("findings.jsonl", &Kept { cause, finding }) {
            let reason = format!("a finding could not be kept: {}", chain(&error)).into();
            let gap = TelemetryGap { lost: 1, source: "response".into(), reason };
            (self.subject.record)(Observation::new(gap));
        }
        if let Some(passing) = passing {
            taken.push(self.collect(&wish, &finding.finding.to_string(), &passing));
        }
        if is_held && finding.severity > Severity::Informational && !self.done.contains(&Step::Hold) {
            let reason = format!("{}: {}", finding.rule, finding.message);
            taken.push(self.hold(&wish, &reason));
        }
        self.announce(finding, cause, &taken);
        self.tell(&wish, taken);
        if let Some(notifier) = &self.notifier {
            notifier.notify(self.subject.run, finding, cause, &self.subject.record);
        }
    }

    /// Does what an operator asks for, and answers.
    fn asked(&mut self, act: Act, wish: &Wish<'_>, answer: &Sender<Acted>) {
        // They attend to it, whatever they want.
        self.waiting_since = None;
        let reply = |acted| drop(answer.send(acted));
        let taken = match act {
            Act::Freeze | Act::Kill => self.asked_to_stop(act, wish, answer),
            Act::Hold => {
                let mut taken = self.asked_to_stop(act, wish, answer);
                taken.push(self.hold(wish, wish.reason.unwrap_or("an operator asked for it")));
                taken
            }
            Act::Thaw => match self.held() {
                Some(held) => return reply(Acted::Refused(format!("{held}; release it first"))),
                None => self.thaw(wish),
            },
            Act::Release => vec![self.release(wish)],
        };
        reply(of(&taken, act));
        self.tell(wish, taken);
    }

    /// Has all stand still, or more, and keeps what there was. That all is killed is answered at once.
    fn asked_to_stop(&mut self, act: Act, wish: &Wish<'_>, answer: &Sender<Acted>) -> Vec<Taken> {
        let mut taken = self.stop(wish, Action::Freeze);
        let is_frozen = |taken: &Taken| taken.step == Step::Freeze && taken.outcome != Outcome::Failed;
        let passing =
            taken.iter().any(is_frozen).then(|| evidence::look(&self.subject.control, act == Act::Kill));
        if act == Act::Kill {
            let killed = self.kill(wish);
            // Whoever asked may be gone.
            let _ = answer.send(of(std::slice::from_ref(&killed), act));
            taken.push(killed);
        }
        if let Some(passing) = passing {
            let name = format!("asked-{}", Timestamp::now().as_nanos() / 1_000_000);
            taken.push(self.collect(wish, &name, &passing));
        }
        taken
    }

    /// Tells the operator who sits before the run, if anything was done.
    fn announce(&self, finding: &Finding, cause: Option<&Cause>, taken: &[Taken]) {
        let Some(last) =
            taken.iter().rev().find(|taken| matches!(taken.step, Step::Cut | Step::Freeze | Step::Kill))
        else {
            return;
        };
        let what = match last.step {
            Step::Cut => "cut off from every network",
            Step::Freeze => "frozen",
            _ => "killed",
        };
        let call = cause.map_or_else(String::new, |cause| format!(" in call {}", cause.call.number()));
        let then = match last.step {
            Step::Kill => String::new(),
            _ => {
                let run = self.subject.run;
                format!("\n  aurelian thaw {run}, or aurelian kill {run}")
            }
        };
        (self.subject.say)(&format!(
            "{what}: {} ({}){call}: {}{then}",
            finding.rule,
            finding.severity.as_str(),
            finding.message
        ));
    }
}

/// A finding as it is kept.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(serialize_with = "call_of")]
    #[serde(rename = "call")]
    cause: Option<&'a Cause>,
    #[serde(flatten)]
    finding: &'a Finding,
}

fn call_of<S: serde::Serializer>(cause: &Option<&Cause>, serializer: S) -> Result<S::Ok, S::Error> {
    cause.map(|cause| cause.call).serialize(serializer)
}

/// What an act came to: its own step says it, where there is one.
fn of(taken: &[Taken], act: Act) -> Acted {
    let own = match act {
        Act::Freeze => Step::Freeze,
        Act::Thaw => Step::Thaw,
        Act::Kill => Step::Kill,
        Act::Hold => Step::Hold,
        Act::Release => Step::Release,
    };
    match taken.iter().find(|taken| taken.step == own) {
        None => Acted::Already,
        Some(taken) => match (taken.outcome, &taken.detail) {
            (Outcome::Done, _) => Acted::Done,
            (Outcome::Already, _) => Acted::Already,
            (Outcome::Failed, detail) => Acted::Failed(detail.clone().unwrap_or_default()),
        },
    }
}
