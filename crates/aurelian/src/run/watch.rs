//! The watch over a run: who judges what is seen, and who acts on it.
//!
//! The detector sits with the recorder's judge; the hand can be laid on only once the sandbox stands, and nothing of the agent runs before.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use detect::{Baselines, Detector, Rules};
use event::fact::{Fact, RulesReplaced};
use event::{Cause, Event, Observation, Timestamp};
use response::control::{Operated, RunStatus};
use response::{Act, Acted, Hand};
use sensor::{Judge, Recorder};

use crate::failure::{self, Failure};

/// How often the folders with the operator's rules are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The hand on a run, once there is one.
pub(crate) type LateHand = Arc<OnceLock<Hand>>;

/// Judges, and hands findings on.
pub(crate) struct Watch {
    /// Made when the first event comes, on the judge's thread: the sandbox starts while the rules are loaded.
    detector: Option<Detector>,
    hand: LateHand,
    /// When the event was observed that is judged, or that led to it.
    at: Timestamp,
    rules: Arc<Fresh>,
    /// Where it is kept what calls usually do.
    baseline: Option<Arc<Mutex<Baselines>>>,
}

impl Watch {
    pub(crate) fn new(rules: Arc<Fresh>, baseline: Option<Arc<Mutex<Baselines>>>, hand: LateHand) -> Self {
        Self { detector: None, hand, at: Timestamp::now(), rules, baseline }
    }

    fn detector(&mut self) -> &mut Detector {
        let (rules, baseline) = (&self.rules, &self.baseline);
        self.detector.get_or_insert_with(|| {
            let known = baseline.as_ref().map(|known| lock(known).clone()).unwrap_or_default();
            Detector::new(rules.wait()).with_baselines(known)
        })
    }
}

impl Judge for Watch {
    fn judge(&mut self, event: &Event, tell: &mut Vec<Observation>) {
        match &event.fact {
            Fact::Finding(finding) => {
                if let Some(hand) = self.hand.get() {
                    let cause =
                        event.call.map(|call| Cause { call, tool_call_id: event.tool_call_id.clone() });
                    hand.found((**finding).clone(), cause, self.at);
                }
            }
            fact if fact.kind().starts_with("analysis.") => {}
            _ => self.at = event.time,
        }
        let detector = self.detector();
        detector.judge(event, tell);
        if let (Fact::CallEnded(_), Some(baseline)) = (&event.fact, self.baseline.clone()) {
            lock(&baseline).clone_from(self.detector().baselines());
        }
        if let Some(rules) = self.rules.take() {
            self.detector().set_rules(rules);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rules that came, and that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    rules: Mutex<Option<Arc<Rules>>>,
    arrival: Condvar,
}

impl Fresh {
    fn put(&self, rules: Rules) {
        *lock(&self.rules) = Some(Arc::new(rules));
        self.arrival.notify_all();
    }

    /// Those that came, if any did.
    fn take(&self) -> Option<Arc<Rules>> {
        // Whoever puts some there doesn't stay.
        lock(&self.rules).take()
    }

    /// The first ones, once they are there.
    fn wait(&self) -> Arc<Rules> {
        let rules = self.arrival.wait_while(lock(&self.rules), |rules| rules.is_none());
        rules.unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

/// The rules of a run, with the folders that the operator's own are in.
#[derive(Debug)]
pub(crate) struct RuleBook {
    folders: Vec<PathBuf>,
    fresh: Arc<Fresh>,
    signature: Vec<(PathBuf, SystemTime, u64)>,
    count: usize,
}

impl Default for RuleBook {
    /// None.
    fn default() -> Self {
        Self { folders: Vec::new(), fresh: Arc::default(), signature: Vec::new(), count: 0 }
    }
}

impl RuleBook {
    /// Reads the rules.
    pub(crate) fn open(folders: Vec<PathBuf>) -> Result<Self, Failure> {
        let signature = signature(&folders);
        let fresh = Arc::<Fresh>::default();
        if folders.is_empty() {
            let theirs = Arc::clone(&fresh);
            let load = move || {
                // A test holds that they can be read: a run without them would be one that nobody watches.
                let rules =
                    Rules::shipped().unwrap_or_else(|error| std::process::exit(failure::fatal(&error)));
                theirs.put(rules);
            };
            let thread = std::thread::Builder::new().name("rules".into()).spawn(load);
            thread.map_err(|source| Failure::Host { what: "start a thread", source })?;
            return Ok(Self { folders, fresh, signature, count: 0 });
        }
        let rules = Rules::load(&folders)?;
        for notice in rules.notices() {
            failure::warn(notice);
        }
        let count = rules.len();
        fresh.put(rules);
        Ok(Self { folders, fresh, signature, count })
    }

    pub(crate) fn fresh(&self) -> Arc<Fresh> {
        Arc::clone(&self.fresh)
    }

    /// Whether the rules can change at all.
    pub(crate) fn can_change(&self) -> bool {
        !self.folders.is_empty()
    }

    /// Looks after the folders until the other end is dropped.
    pub(crate) fn look_after(mut self, recorder: &Recorder, end: &std::sync::mpsc::Receiver<()>) {
        while end.recv_timeout(LOOK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let now = signature(&self.folders);
            if now == self.signature {
                continue;
            }
            self.signature = now;
            let reason = match Rules::load(&self.folders) {
                Ok(rules) => {
                    rules.notices().iter().for_each(|notice| failure::warn(notice));
                    self.count = rules.len();
                    self.fresh.put(rules);
                    None
                }
                Err(error) => {
                    let why = failure::chain(&error);
                    failure::complain(&format_args!("{why}; the rules before them still hold"));
                    Some(why.as_str().into())
                }
            };
            recorder.record(Observation::new(RulesReplaced { rules: self.count as u64, reason }));
        }
    }
}

/// What changes when somebody changes a rule.
fn signature(folders: &[PathBuf]) -> Vec<(PathBuf, SystemTime, u64)> {
    let mut files = Vec::new();
    let mut todo: Vec<(PathBuf, u32)> = folders.iter().map(|folder| (folder.clone(), 0)).collect();
    while let Some((folder, depth)) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
            if metadata.is_dir() && depth < 16 {
                todo.push((entry.path(), depth + 1));
            } else {
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((entry.path(), modified, metadata.len()));
            }
        }
    }
    files.sort_unstable();
    files
}

/// The run, as operators see it.
pub(crate) struct Desk {
    pub(crate) hand: LateHand,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) labels: std::collections::BTreeMap<String, String>,
    pub(crate) started: Timestamp,
}

impl Operated for Desk {
    fn status(&self) -> RunStatus {
        let progress = self.recorder.progress();
        RunStatus {
            run: self.recorder.run(),
            labels: self.labels.clone(),
            state: self.hand.get().map(Hand::state).unwrap_or_default(),
            started: self.started,
            pid: std::process::id(),
            uid: rustix::process::geteuid().as_raw(),
            calls: progress.calls,
            refused: progress.refused,
            findings: progress.findings,
        }
    }

    fn act(&self, act: Act, by: &str, reason: Option<String>) -> Acted {
        match self.hand.get() {
            Some(hand) => hand.act(act, by, reason),
            None => Acted::Failed("the run has not begun".to_owned()),
        }
    }
}
