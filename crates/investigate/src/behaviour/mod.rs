//! Which behaviour is it? What malicious traffic goes together with: tools, kinds of command, tasks, steps of the training, models; and
//! whether it keeps hours.
//!
//! All of it stands on the probabilities of answers ([`Tallies`]): nobody is counted as the cause, each candidate is with its
//! probability.
//!
//! | question | answer | module |
//! |---|---|---|
//! | did this call, this episode do it? | 1 − Π(1 − p) over bouts of flows | `causes` |
//! | does it go together with a property? | odds ratio with its interval; Fisher's exact test on whole numbers | `fourfold` |
//! | how many such answers are chance? | Benjamini and Hochberg's q over all that was tested, of all classes and factors at once | `chances` |
//! | what is tested? | tables whose sums could show anything at all (Tarone); the others are counted | `fourfold` |
//! | is it more frequent than in a baseline? | ratio of rates with its interval; exact test of a binomial share ([`crate::baseline`]) | `binomial` |
//! | does it keep hours? | χ² of episodes against the hours of work | `hours` |
//!
//! Units are calls for what calls have (tool, kind of command) and episodes for what episodes have (`units`). Only what could
//! have been an answer counts: calls with a place and a time. An association is none of cause and effect: what a task draws, its
//! tools draw too.
//!
//! Units are taken as independent of each other. Calls of one episode are not quite: an agent that came upon a thing goes on with it, and a
//! few episodes with many calls can make a tool or a kind of command look clearer than it is (`p` and `q` are too small then). Tasks, steps and
//! models are not concerned, for there an episode counts once.
//!
//! Left out: when in the training it began, and where it goes ([`crate::report::gather`], which puts all of it together).

mod association;
pub(crate) mod binomial;
mod causes;
mod chances;
mod fourfold;
mod hours;
#[cfg(test)]
mod tests;
mod units;

use crate::attribution::Timeline;
use crate::incident::Incident;

pub use association::Associations;
pub(crate) use association::TESTABLE;
pub use causes::Tallies;
pub(crate) use chances::false_discovery_rates;
pub(crate) use hours::chances;

/// What goes together with what.
pub fn associations(incident: &Incident, timeline: &Timeline, tallies: Tallies) -> Associations {
    association::find(incident, timeline, &causes::Causes::of(tallies))
}
