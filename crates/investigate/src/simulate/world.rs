//! All of it, in the order of time: workers live one episode after the other, and their machines have habits.
//!
//! What comes next is kept in a queue, so that only what is going on is in memory, however long the simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;

use super::background::HABITS;
use super::commands::Corpus;
use super::episode::{Episode, Plan};
use super::malice::Malice;
use super::random::Random;
use super::time::{EPOCH, Nanos, seconds};
use super::traffic::Flow;
use super::training::Training;
use super::{Options, SimulateError};

/// Who takes what happens.
pub(super) trait Witness {
    /// From now on, nothing begins before `now`.
    fn advance(&mut self, now: Nanos) -> Result<(), SimulateError>;
    fn episode(&mut self, episode: &Episode, training: &Training) -> Result<(), SimulateError>;
    fn flow(&mut self, flow: Flow) -> Result<(), SimulateError>;
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    /// A place where episodes live one after the other: one sandbox of a worker.
    Lane(u32),
    /// A habit of a worker.
    Habit { worker: u32, habit: usize },
}

pub(super) struct World<'a> {
    options: &'a Options,
    corpus: &'a Corpus,
    training: Training,
    random: Random,
    queue: BinaryHeap<Reverse<(Nanos, Actor)>>,
    /// The period of each habit of each worker, in seconds.
    periods: Vec<f64>,
    begun: u32,
    calls: u64,
    malicious: u64,
    living: u32,
}

impl<'a> World<'a> {
    /// `haste` is how much more often than usual machines follow their habits.
    pub(super) fn new(options: &'a Options, corpus: &'a Corpus, haste: f64, mut random: Random) -> Self {
        let mut queue = BinaryHeap::new();
        let mut periods = Vec::new();
        let lanes = options.workers * options.sandboxes;
        for lane in 0..lanes {
            queue.push(Reverse((EPOCH + seconds(random.between(0.0, 240.0)), Actor::Lane(lane))));
        }
        for worker in 0..options.workers {
            for (habit, kept) in HABITS.iter().enumerate() {
                let period = kept.period(&mut random) / haste.max(1e-6);
                periods.push(period);
                let first = EPOCH + seconds(random.between(0.0, period.min(240.0)));
                queue.push(Reverse((first, Actor::Habit { worker, habit })));
            }
        }
        let training = Training::new(options, &mut random);
        Self {
            options,
            corpus,
            training,
            random,
            queue,
            periods,
            begun: 0,
            calls: 0,
            malicious: 0,
            living: lanes,
        }
    }

    /// Lets it happen.
    pub(super) fn run(mut self, witness: &mut dyn Witness) -> Result<Training, SimulateError> {
        while let Some(Reverse((now, actor))) = self.queue.pop() {
            witness.advance(now)?;
            match actor {
                Actor::Lane(lane) => self.lane(lane, now, witness)?,
                Actor::Habit { worker, habit } => self.habit(worker, habit, now, witness)?,
            }
            // Machines go on for ever; the story ends with the last sandbox.
            if self.living == 0 {
                break;
            }
        }
        Ok(self.training)
    }

    fn lane(&mut self, lane: u32, now: Nanos, witness: &mut dyn Witness) -> Result<(), SimulateError> {
        if self.begun == self.options.episodes {
            self.living -= 1;
            return Ok(());
        }
        let plan = self.plan(lane, now);
        let mut episode = plan.live(self.corpus, &mut self.random);
        let pause = seconds(self.random.between(1.0, 20.0));
        self.queue.push(Reverse((episode.destroyed + pause, Actor::Lane(lane))));
        witness.episode(&episode, &self.training)?;
        episode.flows.drain(..).try_for_each(|flow| witness.flow(flow))
    }

    fn plan(&mut self, lane: u32, now: Nanos) -> Plan {
        let run = self.begun;
        self.begun += 1;
        let likely = self.training.temptation(run) * self.options.malice;
        let malice = if self.random.chance(likely) {
            self.malicious += 1;
            Malice::draw(self.malicious - 1, &mut self.random)
        } else {
            None
        };
        let address = address(self.options, lane / self.options.sandboxes);
        Plan {
            run,
            address,
            created: now,
            calls: self.share_of_calls(),
            fetching: self.options.fetching,
            lookalikes: self.options.lookalikes,
            malice,
        }
    }

    /// How many calls the next episode has: about as many as are left for each, and for the last all that are left.
    fn share_of_calls(&mut self) -> usize {
        let left = self.options.calls.saturating_sub(self.calls);
        let episodes = u64::from(self.options.episodes - self.begun) + 1;
        let mean = left as f64 / episodes as f64;
        let drawn = (mean * self.random.log_normal(0.93, 0.38)).round() as u64;
        let most = left.saturating_sub(episodes - 1).max(1);
        let calls = if episodes == 1 { left } else { drawn }.clamp(1, most);
        self.calls += calls;
        calls as usize
    }

    fn habit(
        &mut self,
        worker: u32,
        habit: usize,
        now: Nanos,
        witness: &mut dyn Witness,
    ) -> Result<(), SimulateError> {
        let period = self.periods.get(worker as usize * HABITS.len() + habit).copied();
        let (Some(kept), Some(period)) = (HABITS.get(habit), period) else {
            return Ok(());
        };
        let next = kept.next(now, period, &mut self.random);
        self.queue.push(Reverse((next, Actor::Habit { worker, habit })));
        witness.flow(kept.flow(address(self.options, worker), now, &mut self.random))
    }
}

/// The address by which the network knows a worker: its own, or the one that it shares with its neighbours.
pub(super) fn address(options: &Options, worker: u32) -> Ipv4Addr {
    let (base, number) = if options.nat > 1 {
        (Ipv4Addr::new(198, 18, 0, 1), worker / options.nat)
    } else {
        (Ipv4Addr::new(10, 64, 0, 10), worker)
    };
    Ipv4Addr::from(u32::from(base) + number)
}
