//! The steps, each taken on the run and measured: a cut, a freeze, evidence, a kill, a hold, and what undoes them.
//!
//! Which are taken, and in what order, is decided by who calls. What holds of the run already is not done again, and a step that fails is
//! told as such; nothing in here decides what to do instead.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use event::fact::{Finding, Outcome, ResponseStep, Step};
use event::{Cause, Observation, Text, Timestamp};
use policy::Action;

use super::{POLICY, State, Worker};
use crate::archive::chain;
use crate::evidence::{self, Passing};
use crate::holds::{Held, Hold};

/// Who wants steps taken, and since when.
pub(super) struct Wish<'a> {
    pub(super) by: &'a str,
    pub(super) reason: Option<&'a str>,
    pub(super) finding: Option<&'a Finding>,
    pub(super) cause: Option<&'a Cause>,
    pub(super) since: Since,
}

/// From when latency is counted: an event's time, or a moment of this process.
#[derive(Clone, Copy)]
pub(super) enum Since {
    Event(Timestamp),
    Moment(Instant),
}

impl Since {
    fn elapsed(self) -> Duration {
        match self {
            Self::Event(time) => {
                let nanos = Timestamp::now().as_nanos().saturating_sub(time.as_nanos());
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
            }
            Self::Moment(moment) => moment.elapsed(),
        }
    }
}

/// A step that was taken, and is yet to be told.
pub(super) struct Taken {
    pub(super) step: Step,
    pub(super) outcome: Outcome,
    latency: Duration,
    took: Duration,
    pub(super) detail: Option<String>,
}

impl Worker {
    /// Cuts and freezes, as far as that is asked for and isn't so already.
    pub(super) fn stop(&mut self, wish: &Wish<'_>, action: Action) -> Vec<Taken> {
        let mut taken = Vec::new();
        if self.subject.control.is_over() {
            return taken;
        }
        if action >= Action::Deny && !self.done.contains(&Step::Cut) {
            taken.push(self.cut(wish));
        }
        if action >= Action::Freeze && !self.done.contains(&Step::Freeze) {
            taken.push(self.freeze(wish));
        }
        taken
    }

    /// Takes a step, and notes how long it took. `Ok(false)`: it was so before.
    fn step(
        &mut self,
        wish: &Wish<'_>,
        step: Step,
        act: impl FnOnce(&mut Self) -> Result<(bool, Option<String>), String>,
    ) -> Taken {
        let began = Instant::now();
        let acted = act(self);
        let took = began.elapsed();
        let (outcome, detail) = match acted {
            Ok((true, detail)) => (Outcome::Done, detail),
            Ok((false, detail)) => (Outcome::Already, detail),
            Err(why) => (Outcome::Failed, Some(why)),
        };
        if outcome != Outcome::Failed {
            self.done.insert(step);
        }
        Taken { step, outcome, latency: wish.since.elapsed(), took, detail }
    }

    fn cut(&mut self, wish: &Wish<'_>) -> Taken {
        let taken = self.step(wish, Step::Cut, |worker| match &worker.subject.gateway {
            None => Ok((false, Some("the run has no network".to_owned()))),
            Some(gateway) => {
                let cut = gateway.close();
                Ok((cut.is_some(), cut.map(|cut| format!("{cut} connections"))))
            }
        });
        self.set_state(State::CutOff);
        taken
    }

    fn freeze(&mut self, wish: &Wish<'_>) -> Taken {
        let taken = self.step(wish, Step::Freeze, |worker| {
            let frozen = worker.subject.control.freeze().map_err(|error| error.to_string())?;
            Ok((frozen, None))
        });
        if taken.outcome != Outcome::Failed {
            // What an operator stopped waits for them.
            self.waiting_since = (wish.by == POLICY).then(Instant::now);
            self.set_state(State::Frozen);
        }
        taken
    }

    pub(super) fn collect(&mut self, wish: &Wish<'_>, name: &str, passing: &Passing) -> Taken {
        let last = wish.finding.and_then(|finding| finding.evidence.last().copied()).unwrap_or(0);
        self.step(wish, Step::Collect, |worker| {
            let into = worker.folder.new_evidence(name);
            if let Some(finding) = wish.finding {
                into.put("finding.json", finding).map_err(|error| chain(&error))?;
            }
            let collected = evidence::keep(passing, &worker.subject, last, &into);
            let collected = collected.map_err(|error| chain(&error))?;
            let detail = format!(
                "{} processes, {} files, in {}",
                collected.processes,
                collected.files,
                into.place().display()
            );
            Ok((true, Some(detail)))
        })
    }

    pub(super) fn kill(&mut self, wish: &Wish<'_>) -> Taken {
        let taken = self.step(wish, Step::Kill, |worker| Ok((worker.subject.control.kill(), None)));
        self.waiting_since = None;
        self.set_state(State::Ended);
        taken
    }

    pub(super) fn hold(&mut self, wish: &Wish<'_>, reason: &str) -> Taken {
        self.step(wish, Step::Hold, |worker| {
            let hold = Hold {
                run: worker.subject.run,
                labels: worker.subject.labels.clone(),
                by: wish.by.to_owned(),
                reason: Text::truncated(reason.as_bytes(), 1024).to_string(),
                rule: wish.finding.map(|finding| finding.rule.to_string()),
                since: Timestamp::now(),
            };
            Ok((worker.holds.hold(&hold).map_err(|error| chain(&error))?, None))
        })
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.holds.on_run(self.subject.run).unwrap_or_else(|error| {
            // Who can't tell doesn't resume.
            Some(Held::Unreadable(self.folder.place().to_owned(), chain(&error)))
        })
    }

    pub(super) fn thaw(&mut self, wish: &Wish<'_>) -> Vec<Taken> {
        let taken = self.step(wish, Step::Thaw, |worker| {
            if worker.subject.control.is_over() {
                return Err("the run has ended".to_owned());
            }
            let thawed = worker.subject.control.thaw().map_err(|error| error.to_string())?;
            let reopened = worker.subject.gateway.as_ref().and_then(|gateway| gateway.reopen());
            Ok((thawed || reopened.is_some(), None))
        });
        if taken.outcome != Outcome::Failed {
            for step in [Step::Cut, Step::Freeze, Step::Collect, Step::Thaw] {
                self.done.remove(&step);
            }
            self.waiting_since = None;
            self.set_state(State::Running);
        }
        vec![taken]
    }

    pub(super) fn release(&mut self, wish: &Wish<'_>) -> Taken {
        let taken = self.step(wish, Step::Release, |worker| {
            let released = worker.holds.release(worker.subject.run).map_err(|error| chain(&error))?;
            Ok((released, None))
        });
        self.done.remove(&Step::Hold);
        self.done.remove(&Step::Release);
        taken
    }

    pub(super) fn tell(&self, wish: &Wish<'_>, taken: Vec<Taken>) {
        for taken in taken {
            let step = ResponseStep {
                step: taken.step,
                outcome: taken.outcome,
                finding: wish.finding.map(|finding| finding.finding),
                rule: wish.finding.map(|finding| finding.rule.clone()),
                by: wish.by.to_owned().into(),
                reason: wish.reason.map(|reason| Text::truncated(reason.as_bytes(), 1024)),
                latency_us: micros(taken.latency),
                took_us: micros(taken.took),
                detail: taken.detail.map(|detail| Text::truncated(detail.as_bytes(), 1024)),
            };
            let seen = Observation::new(step);
            (self.subject.record)(match wish.cause {
                Some(cause) => seen.caused_by(cause.clone()),
                None => seen,
            });
        }
    }

    fn set_state(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
