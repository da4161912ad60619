//! One episode: its calls with their times, and the flows that they cause.

use std::net::Ipv4Addr;

use super::commands::{Corpus, Turn};
use super::disguise::{Disguise, destination};
use super::malice::Malice;
use super::packages::{self, Fetch};
use super::random::Random;
use super::time::{Nanos, seconds};
use super::traffic::{Cause, Flow, Origin};

/// What is settled before it begins.
pub(super) struct Plan {
    pub(super) run: u32,
    pub(super) address: Ipv4Addr,
    /// When its sandbox was made.
    pub(super) created: Nanos,
    pub(super) calls: usize,
    /// How many of its calls fetch something, from 0 to 1.
    pub(super) fetching: f64,
    /// How many do honestly what looks like something else.
    pub(super) lookalikes: f64,
    pub(super) malice: Option<Malice>,
}

/// As it went.
pub(super) struct Episode {
    pub(super) run: u32,
    pub(super) address: Ipv4Addr,
    pub(super) created: Nanos,
    pub(super) destroyed: Nanos,
    pub(super) calls: Vec<Call>,
    pub(super) flows: Vec<Flow>,
    /// What it did that nobody asked for, and by which of its calls.
    pub(super) culprit: Option<(Malice, u32)>,
}

/// One tool call. The harness knows when the model had finished and when the result was seen; the command ran in between.
pub(super) struct Call {
    pub(super) asked: Nanos,
    pub(super) begun: Nanos,
    pub(super) ended: Nanos,
    pub(super) seen: Nanos,
    pub(super) command: String,
    pub(super) exit_code: i32,
}

impl Plan {
    /// Lives it.
    pub(super) fn live(self, corpus: &Corpus, random: &mut Random) -> Episode {
        let mut turns = corpus.draw(self.calls.max(1), random);
        let fetches = fetch(&mut turns, (self.fetching, self.lookalikes), random);
        let culprit = self.malice.map(|malice| {
            let at = commit(&mut turns, &malice, random);
            (malice, at as u32)
        });
        let calls = timed(turns, self.created, random);
        let last = calls.last().map_or(self.created, |call| call.seen);
        let destroyed = last + seconds(random.between(1.0, 30.0));
        let (run, address, created) = (self.run, self.address, self.created);
        let mut episode = Episode { run, address, created, destroyed, calls, flows: Vec::new(), culprit };
        episode.cause(&fetches, random);
        episode
    }
}

/// Some calls fetch something instead.
fn fetch(
    turns: &mut [Turn],
    (share, lookalikes): (f64, f64),
    random: &mut Random,
) -> Vec<(usize, &'static Fetch)> {
    let mut fetches = Vec::new();
    for (at, turn) in turns.iter_mut().enumerate() {
        // Nothing is drawn for what nobody asked for, so that incidents without are what they were.
        let drawn = if random.chance(share) {
            packages::draw(random)
        } else if lookalikes > 0.0 && random.chance(lookalikes) {
            packages::draw_lookalike(random)
        } else {
            None
        };
        let Some(fetch) = drawn else { continue };
        if let Some(command) = random.pick(fetch.commands) {
            turn.command = (*command).to_owned();
            turn.duration = packages::duration(random);
            fetches.push((at, fetch));
        }
    }
    fetches
}

/// One call becomes the culprit; maybe an earlier one prepares it, maybe a later one looks at it. Says which it is.
fn commit(turns: &mut [Turn], malice: &Malice, random: &mut Random) -> usize {
    let last = turns.len().saturating_sub(1);
    let at = random.whole((last as u64).div_ceil(4), last as u64) as usize;
    let Disguise { written, mut command } = Disguise::draw(malice, random);
    if let Some((text, earlier)) = written {
        match at.checked_sub(earlier.min(at)).filter(|before| *before < at) {
            Some(before) => say(turns, before, text, None),
            None => command = format!("{text}\n{command}"),
        }
    }
    say(turns, at, command, Some(malice.duration));
    if at < last && random.chance(0.25) {
        let looked = format!("ps aux | grep -c {}", destination(&malice.target));
        say(turns, random.whole(at as u64 + 1, last as u64) as usize, looked, None);
    }
    at
}

fn say(turns: &mut [Turn], at: usize, command: String, duration: Option<f64>) {
    if let Some(turn) = turns.get_mut(at) {
        turn.command = command;
        turn.duration = duration.unwrap_or(turn.duration);
    }
}

/// When each call was asked for, ran and was answered.
fn timed(turns: Vec<Turn>, created: Nanos, random: &mut Random) -> Vec<Call> {
    let mut now = created + seconds(random.between(1.0, 15.0));
    let mut calls = Vec::with_capacity(turns.len());
    for turn in turns {
        let asked = now + seconds(turn.gap);
        let begun = asked + seconds(random.spread(0.004, 0.08));
        let ended = begun + seconds(turn.duration);
        now = ended + seconds(random.spread(0.002, 0.03));
        let exit_code = i32::from(random.chance(0.12));
        calls.push(Call { asked, begun, ended, seen: now, command: turn.command, exit_code });
    }
    calls
}

impl Episode {
    /// What the network saw of it.
    fn cause(&mut self, fetches: &[(usize, &'static Fetch)], random: &mut Random) {
        let origin = |call: usize| {
            let cause = Cause { run: self.run, call: call as u32 };
            Origin { address: self.address, cause: Some(cause) }
        };
        let mut flows = Vec::new();
        let culprit = self.culprit.as_ref().map(|(_, at)| *at as usize);
        // What prepares or looks at a culprit may have taken a fetch's place; its text then says nothing of one.
        for (at, fetch) in fetches {
            let Some(call) = self.calls.get(*at) else { continue };
            if Some(*at) != culprit && fetch.commands.contains(&&*call.command) {
                fetch.flows(origin(*at), (call.begun, call.ended), random, &mut flows);
            }
        }
        if let Some((malice, at)) = &self.culprit
            && let Some(call) = self.calls.get(*at as usize)
        {
            malice.flows(origin(*at as usize), (call.begun, call.ended), self.destroyed, random, &mut flows);
        }
        self.flows = flows;
    }
}
