//! Which call caused which flow: a superposition of point processes, fitted to what was seen.
//!
//! The flows to one destination at one place come from the background, from calls that are open, from calls that left something
//! behind, and from what caused the flow before. Each has a rate; a component's share in the sum of the rates at the moment of a flow is
//! the probability that it caused it (stochastic declustering: Zhuang, Ogata and Vere-Jones, *J. Am. Stat. Assoc.* 97, 2002). The
//! rates come from the same flows, by expectation maximisation ([`fit`]); then each flow is judged ([`Model::judge`]).
//!
//! | component | rate at a moment |
//! |---|---|
//! | background | λ(destination) |
//! | an open call | (a(kind, destination) + m·\[it names the destination\]) · h(time since it began) |
//! | a call that has ended | (b(leaves something, destination) + n·\[names\]) · q(time since it ended) |
//! | the flow before it, to the same | c(group) · r(time since that) |
//!
//! `a` of a kind of command and a destination is drawn to `a` of the kind and the destination's group (its port), and that to the group's
//! over all calls, as gamma priors do: one flow to a pool that no other call ever went to is judged by how flows to
//! unheard-of places on that port mostly come about. `h` is fitted freely, in steps; `q` and `r` decay as 1/(τ + t).
//!
//! A time that is not known exactly enters as the mean of the rate over its interval, so that clocks, resolution and log delay need no rules
//! of their own.

use std::collections::HashMap;

use foldhash::fast::FixedState;

mod fit;
mod judge;
mod rates;
mod shape;

pub use fit::fit;
pub use judge::{Candidate, Verdict};

use shape::Shape;

/// By numbers that are given out one after the other, so that nobody can choose them to collide; always in the same order, since sums of
/// fractions depend on it.
type Map<K, V> = HashMap<K, V, FixedState>;

/// A destination's or a kind's number: an index into the caller's list.
pub type Id = u32;

/// A tool call, by the trace's clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// Whose call it is.
    pub run: u32,
    /// When it began.
    pub start: i64,
    /// When it ended, or the last moment at which it may have.
    pub end: i64,
    /// The kind of its command.
    pub kind: Id,
    /// It may have left something behind.
    pub leaves_behind: bool,
    /// When its run is over for good, and with it what it left behind.
    pub gone: i64,
}

/// A flow, by the trace's clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// The earliest moment at which it may have begun.
    pub from: i64,
    /// The latest.
    pub until: i64,
    /// Where it went.
    pub destination: Id,
}

/// All that happened at one place. Both are in the order of their (earliest) begin.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its calls.
    pub calls: Vec<Call>,
    /// Its flows.
    pub flows: Vec<Flow>,
    /// For each call, the destinations that it names, itself or by a file; sorted.
    pub names: Vec<Vec<Id>>,
}

/// What is known of destinations.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// The group of each: those that are alike if nothing else is known of them, by port.
    pub groups: Vec<Id>,
}

/// The rates and shapes.
#[derive(Clone, Debug)]
pub struct Model {
    destinations: Destinations,
    rates: rates::Rates,
    opening: Shape,
}

impl Destinations {
    fn group(&self, destination: Id) -> Id {
        self.groups.get(destination as usize).copied().unwrap_or(Id::MAX)
    }
}

pub use shape::LEAD;

pub(crate) const SECOND: f64 = 1e9;
/// A call is open a little longer than its end, for what was on its way.
pub const LINGER: i64 = 500_000_000;
/// A call that gives no sign of leaving anything behind may still have, for so long.
pub(crate) const UNSAID: i64 = 180_000_000_000;
/// How fast left-behind activity decays (τ of `q`), and how fast repetition does (τ of `r`), in seconds.
const LEFT_TAU: f64 = 30.0;
const AGAIN_TAU: f64 = 20.0;
/// A flow is no repetition of one that is longer ago.
pub(crate) const AGAIN: f64 = 7200.0;

/// ∫ 1/(τ + t) from 0, in no unit.
fn decayed(seconds: f64, tau: f64) -> f64 {
    (1.0 + seconds.max(0.0) / tau).ln()
}

/// The mean of 1/(τ + t) over an interval that may begin before 0.
fn decay(from: f64, until: f64, tau: f64) -> f64 {
    let length = until - from;
    if length < 1e-6 {
        return if from < 0.0 { 0.0 } else { 1.0 / (tau + from) };
    }
    (decayed(until, tau) - decayed(from, tau)) / length
}

#[cfg(test)]
mod tests;
