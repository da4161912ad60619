//! How often each component begins flows to each destination.

use std::hash::Hash;

use super::{Destinations, Id, Map};

/// Counts of flows, by what caused them. Fractions, since causes are shares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) background: Map<Id, f64>,
    pub(crate) open: Map<(Id, Id), f64>,
    /// By whether the call leaves something behind.
    pub(crate) left: Map<(bool, Id), f64>,
    pub(crate) again: Map<Id, f64>,
    pub(crate) named: f64,
    pub(crate) left_named: f64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        add_up(&mut self.background, other.background);
        add_up(&mut self.open, other.open);
        add_up(&mut self.left, other.left);
        add_up(&mut self.again, other.again);
        self.named += other.named;
        self.left_named += other.left_named;
    }
}

fn add_up<K: Eq + Hash>(sums: &mut Map<K, f64>, others: Map<K, f64>) {
    for (key, count) in others {
        *sums.entry(key).or_default() += count;
    }
}

/// How much there was in which flows could have begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposure {
    /// Seconds, over all places at which a destination was called, by destination.
    pub(crate) background: Map<Id, f64>,
    /// Seconds over all places.
    pub(crate) seconds: f64,
    /// Calls of each kind, each as ∫ h over its time.
    pub(crate) open: Map<Id, f64>,
    /// Calls that have ended, each as ∫ q over the time after, by whether they leave something behind.
    pub(crate) left: [f64; 2],
    /// Pairs of a call and a destination that it names, as above.
    pub(crate) named: f64,
    pub(crate) left_named: f64,
    /// Flows, each as ∫ r until the next to the same, by group.
    pub(crate) again: Map<Id, f64>,
}

/// The rates, with what they are drawn to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    background: Map<Id, f64>,
    open: Map<(Id, Id), f64>,
    left: Map<(bool, Id), f64>,
    again: Map<Id, f64>,
    group_background: Map<Id, f64>,
    group_open: Map<(Id, Id), f64>,
    all_open: Map<Id, f64>,
    group_left: Map<(bool, Id), f64>,
    named: f64,
    left_named: f64,
    least: f64,
}

/// Before anything was seen, a place is quiet by itself for so many seconds: without that, a run of seconds would tell nothing.
const QUIET: f64 = 3600.0;
/// What one more flow would be worth: how strongly a rate is drawn to that of its group.
const PULL: f64 = 1.0;

impl Rates {
    /// What is believed before anything was seen: flows mostly come from open calls, and from calls that name where they go.
    pub(crate) fn before(seconds: f64) -> Self {
        Self { named: 0.5, left_named: 0.05, least: 1.0 / seconds.max(1.0), ..Self::default() }
    }

    pub(crate) fn fitted(counts: &Counts, exposure: &Exposure, destinations: &Destinations) -> Self {
        let members = members(destinations, exposure);
        let least = 0.01 / exposure.seconds.max(1.0);
        let mut rates = Self { least, ..Self::default() };
        let per_member = |group: Id| 1.0 / members.get(&group).copied().unwrap_or(1.0).max(1.0);
        let group = |destination: Id| destinations.group(destination);

        let by_group =
            sum(counts.background.iter().map(|(destination, count)| (group(*destination), *count)));
        for (id, count) in &by_group {
            rates.group_background.insert(*id, (count * per_member(*id) + 0.05) / (exposure.seconds + QUIET));
        }
        for (destination, seconds) in &exposure.background {
            let prior = rates.group_background.get(&group(*destination)).copied().unwrap_or(least);
            let count = counts.background.get(destination).copied().unwrap_or(0.0);
            rates.background.insert(*destination, drawn(count, *seconds, prior));
        }

        let calls: f64 = exposure.open.values().sum();
        let open_by_group = sum(counts
            .open
            .iter()
            .map(|((kind, destination), count)| ((*kind, group(*destination)), *count)));
        let by_group = sum(open_by_group.iter().map(|((_, group), count)| (*group, *count)));
        for (id, count) in &by_group {
            rates.all_open.insert(*id, (count * per_member(*id) + 0.05) / calls.max(1.0));
        }
        for ((kind, id), count) in &open_by_group {
            let prior = rates.all_open.get(id).copied().unwrap_or(least);
            let of_kind = exposure.open.get(kind).copied().unwrap_or(0.0);
            rates.group_open.insert((*kind, *id), drawn(count * per_member(*id), of_kind, prior));
        }
        for ((kind, destination), count) in &counts.open {
            let prior = rates.open_prior(*kind, group(*destination));
            let of_kind = exposure.open.get(kind).copied().unwrap_or(0.0);
            rates.open.insert((*kind, *destination), drawn(*count, of_kind, prior));
        }

        let left_by_group = sum(counts
            .left
            .iter()
            .map(|((leaves, destination), count)| ((*leaves, group(*destination)), *count)));
        for ((leaves, id), count) in &left_by_group {
            let calls = exposure.left[usize::from(*leaves)].max(1.0);
            rates.group_left.insert((*leaves, *id), (count * per_member(*id) + 0.01) / calls);
        }
        for ((leaves, destination), count) in &counts.left {
            let prior = rates.group_left.get(&(*leaves, group(*destination))).copied().unwrap_or(least);
            rates
                .left
                .insert((*leaves, *destination), drawn(*count, exposure.left[usize::from(*leaves)], prior));
        }
        for (id, spent) in &exposure.again {
            let count = counts.again.get(id).copied().unwrap_or(0.0);
            rates.again.insert(*id, (count + 0.1) / (spent + 1.0));
        }
        rates.named = (counts.named + 1.0) / (exposure.named + 2.0);
        rates.left_named = (counts.left_named + 0.1) / (exposure.left_named + 2.0);
        rates
    }

    /// Flows a second.
    pub(crate) fn background(&self, destination: Id, group: Id) -> f64 {
        let known = self.background.get(&destination).or_else(|| self.group_background.get(&group));
        known.copied().unwrap_or(self.least)
    }

    /// Flows a call.
    pub(crate) fn open(&self, kind: Id, destination: Id, group: Id) -> f64 {
        self.open.get(&(kind, destination)).copied().unwrap_or_else(|| self.open_prior(kind, group))
    }

    fn open_prior(&self, kind: Id, group: Id) -> f64 {
        let known = self.group_open.get(&(kind, group)).or_else(|| self.all_open.get(&group));
        known.copied().unwrap_or(self.least)
    }

    /// Flows a call that has ended.
    pub(crate) fn left(&self, leaves: bool, destination: Id, group: Id) -> f64 {
        let known = self.left.get(&(leaves, destination)).or_else(|| self.group_left.get(&(leaves, group)));
        known.copied().unwrap_or(self.least)
    }

    /// Flows a flow.
    pub(crate) fn again(&self, group: Id) -> f64 {
        self.again.get(&group).copied().unwrap_or(0.05)
    }

    /// Flows a call to a destination that it names.
    pub(crate) fn named(&self) -> f64 {
        self.named
    }

    /// The same, after it ended.
    pub(crate) fn left_named(&self) -> f64 {
        self.left_named
    }
}

/// The mean of a gamma distribution that had the mean `prior` and the weight of [`PULL`] flows, after `count` flows in `exposure`.
fn drawn(count: f64, exposure: f64, prior: f64) -> f64 {
    (count + PULL) / (exposure + PULL / prior.max(f64::MIN_POSITIVE))
}

fn sum<K: Eq + std::hash::Hash>(of: impl Iterator<Item = (K, f64)>) -> Map<K, f64> {
    let mut sums = Map::default();
    for (key, count) in of {
        *sums.entry(key).or_default() += count;
    }
    sums
}

/// How many destinations of each group were seen.
fn members(destinations: &Destinations, exposure: &Exposure) -> Map<Id, f64> {
    sum(exposure.background.keys().map(|destination| (destinations.group(*destination), 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_speaks_for_itself_and_little_is_drawn_to_the_group() {
        assert!((drawn(1000.0, 100.0, 0.1) - 10.0).abs() < 1.0);
        assert!(drawn(0.0, 1.0, 0.25) > 0.1);
        assert!((drawn(0.0, 0.0, 0.25) - 0.25).abs() < 1e-9);
    }
}
