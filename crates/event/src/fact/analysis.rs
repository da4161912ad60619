//! What analyzers saw that no rule can see, with the figures that they judged by.
//!
//! An analysis is no finding yet: several weak votes make one, or one strong one. Rules can build on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Protocol, Text};

/// What speaks for a judgement, and how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vote {
    /// The sign, by a stable name.
    pub sign: Name,
    /// How sure this one makes it, in percent.
    #[schemars(range(max = 100))]
    pub percent: u8,
}

/// Votes, and what they come to: the chance that not all of them are wrong, 1 − ∏(1 − p), as if they were independent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Votes {
    /// Each sign once.
    pub votes: Vec<Vote>,
    /// What they come to, in percent.
    #[schemars(range(max = 100))]
    pub score: u8,
}

impl Votes {
    /// Adds a vote; the higher one of a sign counts. True if that changed anything.
    pub fn add(&mut self, sign: impl Into<Name>, percent: u8) -> bool {
        let (sign, percent) = (sign.into(), percent.min(100));
        match self.votes.iter_mut().find(|vote| vote.sign == sign) {
            Some(vote) if vote.percent >= percent => return false,
            Some(vote) => vote.percent = percent,
            None => self.votes.push(Vote { sign, percent }),
        }
        let doubt = |vote: &Vote| 1.0 - f64::from(vote.percent) / 100.0;
        let score = 100.0 * (1.0 - self.votes.iter().map(doubt).product::<f64>());
        // From 0 to 100.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 100"
        )]
        let score = score.round().clamp(0.0, 100.0) as u8;
        self.score = score;
        true
    }

    /// Whether there is this sign.
    pub fn has(&self, sign: &str) -> bool {
        self.votes.iter().any(|vote| vote.sign == sign)
    }
}

/// Work is done for a pool, or looks like it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MiningSeen {
    /// The signs.
    #[serde(flatten)]
    pub votes: Votes,
    /// The flow, where one shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<u64>,
    /// Where the pool is, or whose name was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text>,
    /// The dialect of Stratum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Name>,
    /// Threads that were busy all the time, of the process that was busiest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_threads: Option<u64>,
    /// For how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_ms: Option<u64>,
    /// Its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// Somebody outside acts through a flow, or looks like it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TunnelSeen {
    /// The signs.
    #[serde(flatten)]
    pub votes: Votes,
    /// The flow, where one shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<u64>,
    /// Where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text>,
    /// What it speaks on the outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Protocol>,
    /// Idle times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gaps: Option<u64>,
    /// How many of them the far side ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gaps_ended_by_server: Option<u64>,
}

/// Places are tried one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanSeen {
    /// The signs.
    #[serde(flatten)]
    pub votes: Votes,
    /// Different hosts.
    pub hosts: u64,
    /// Different ports.
    pub ports: u64,
    /// Different pairs of both.
    pub places: u64,
    /// How many of the attempts were refused or failed.
    pub refused: u64,
    /// From the first to the last attempt.
    pub window_ms: u64,
    /// Some of the places.
    pub examples: Vec<Text>,
}

/// Something is taken that opens other doors, or was put there to look so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TheftSeen {
    /// The signs.
    #[serde(flatten)]
    pub votes: Votes,
    /// What is taken: a decoy's name, a file, a service.
    pub what: Text,
    /// Where it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text>,
}

/// The boundary is tried, or those who watch it are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EscapeSeen {
    /// The signs.
    #[serde(flatten)]
    pub votes: Votes,
    /// Families of refused system calls, such as `namespaces`, `mounts`.
    pub families: Vec<Name>,
    /// Attempts of all families together.
    pub attempts: u64,
}

/// Something is to act later, or does so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PersistenceSeen {
    /// The signs.
    #[serde(flatten)]
    pub votes: Votes,
    /// How it is to come back: `shell-profile`, `cron`, `process`, …
    pub mechanism: Name,
    /// The file or the process.
    pub what: Text,
}

/// More leaves than is usual, or in an unusual way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExfiltrationSeen {
    /// The signs.
    #[serde(flatten)]
    pub votes: Votes,
    /// The host, or the domain below which names were asked for.
    pub host: Text,
    /// Bytes that were sent there; of names, the bytes of their labels.
    pub bytes: u64,
    /// Different names below the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<u64>,
    /// The longest label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_label: Option<u64>,
}

/// An agent gets itself what no task gave it: money, machines, accounts, a copy of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourcesSeen {
    /// The signs.
    #[serde(flatten)]
    pub votes: Votes,
    /// What kind: `wallet`, `exchange`, `faucet`, `cloud`, `gpu-rental`, `mail`, `model-weights`, `self-copy`.
    pub category: Name,
    /// The name, file or program.
    pub what: Text,
}

/// A call did what calls of its label set don't do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnomalySeen {
    /// The labels whose calls it was compared with, as `key=value`.
    pub labels: Vec<Text>,
    /// Calls that it was compared with.
    pub calls: u64,
    /// The distance, in hundredths: the largest robust z-score of all figures.
    pub distance_centi: u64,
    /// The figures that stood out, with their z-scores in hundredths.
    pub figures: Vec<Figure>,
}

/// One figure of a call that stood out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// Which one: `cpu_us`, `bytes_out`, `destinations`, …
    pub name: Name,
    /// Its value for this call.
    pub value: u64,
    /// What it usually is: the median.
    pub usual: u64,
    /// The robust z-score, in hundredths.
    pub z_centi: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_votes_add_up_and_none_counts_twice() {
        let mut votes = Votes::default();
        assert!(votes.add("a", 50) && votes.add("b", 50) && votes.add("c", 60));
        assert_eq!(votes.score, 90);
        assert!(!votes.add("a", 40));
        assert_eq!((votes.score, votes.votes.len()), (90, 3));
        assert!(votes.add("a", 100));
        assert_eq!(votes.score, 100);
    }
}
