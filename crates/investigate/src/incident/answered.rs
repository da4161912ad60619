//! What resolvers told whom an address is called, to name the flows to it that say no name themselves.
//!
//! A flow has the name that its source was told last before it began; where nothing was told before, what was told first
//! after it: clocks differ, and clients remember names from before a log begins. What is told later renames no flow of before.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use flows::{Flow, FlowKind};
use serde::{Deserialize, Serialize};

use crate::classify;

/// Names that are remembered, at most: of more, those that were read in the older half are forgotten, so that nobody can fill it up
/// before he asks for what matters.
const NAMES: usize = 1_000_000;
/// Names of one address for one source, at most; the earliest are forgotten.
const CHANGES: usize = 4096;

/// What was told, in two halves by the order of reading.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Answered {
    newer: Names,
    older: Names,
}

/// Who asked, and the address that he was told.
type Key = (Option<IpAddr>, IpAddr);

/// From when on an address had a name, and when that was told last, in nanoseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Since {
    from: i64,
    last: i64,
    name: Arc<str>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Names {
    count: usize,
    /// Each list by time.
    of: HashMap<Key, VecDeque<Since>>,
}

impl Answered {
    /// Takes note of a lookup's answers. Gives whether it names a flow by what was told, which began at the latest at `until`.
    pub(super) fn name(&mut self, flow: &mut Flow, until: i64) -> bool {
        if flow.kind == FlowKind::Lookup {
            self.hear(flow);
            return false;
        }
        let (None, Some(address)) = (&flow.destination_name, flow.destination) else { return false };
        let key = (flow.source, address);
        let (newer, older) = (self.newer.at(&key, until), self.older.at(&key, until));
        let best = match (newer, older) {
            (Some(one), Some(other)) => Some(nearer(one, other, until)),
            (one, other) => one.or(other),
        };
        flow.destination_name = best.map(|since| Arc::clone(&since.name));
        best.is_some()
    }

    fn hear(&mut self, lookup: &Flow) {
        let Some(name) = &lookup.destination_name else { return };
        if classify::is_code_host(name) && !lookup.destination.is_none_or(is_believed) {
            return;
        }
        for answer in &lookup.answers {
            if self.newer.count >= NAMES / 2 {
                self.older = std::mem::take(&mut self.newer);
            }
            self.newer.add((lookup.source, *answer), lookup.time.stamp.nanos, name);
        }
    }
}

/// Of two names of an address, one that held at that time if either did, and the one that was told closer to it.
fn nearer<'a>(one: &'a Since, other: &'a Since, at: i64) -> &'a Since {
    let rank = |since: &Since| (since.from > at, at.abs_diff(since.from.max(since.last.min(at))));
    if rank(other) < rank(one) { other } else { one }
}

impl Names {
    fn at(&self, key: &Key, until: i64) -> Option<&Since> {
        let all = self.of.get(key)?;
        let after = all.partition_point(|since| since.from <= until);
        all.get(after.saturating_sub(1))
    }

    fn add(&mut self, key: Key, time: i64, name: &Arc<str>) {
        // Almost always it is the only one.
        let all = self.of.entry(key).or_insert_with(|| VecDeque::with_capacity(1));
        let before = all.len();
        let after = all.partition_point(|known| known.from <= time);
        let new = |at: i64, name: &Arc<str>| Since { from: at, last: at, name: Arc::clone(name) };
        match after.checked_sub(1).and_then(|known| all.get_mut(known)) {
            Some(known) if known.name == *name => known.last = known.last.max(time),
            // It was called otherwise before and after.
            Some(known) if known.last > time => {
                let again = new(known.last, &known.name);
                known.last = known.from;
                all.insert(after, again);
                all.insert(after, new(time, name));
            }
            _ => match all.get_mut(after) {
                Some(next) if next.name == *name => next.from = time,
                _ => all.insert(after, new(time, name)),
            },
        }
        while all.len() > CHANGES {
            all.pop_front();
        }
        self.count = (self.count + all.len()).saturating_sub(before);
    }
}

/// Whether a resolver is believed where a name is an excuse. Anybody can run one that answers as he likes, outside.
fn is_believed(resolver: IpAddr) -> bool {
    const PUBLIC: &[[u8; 4]] =
        &[[1, 0, 0, 1], [1, 1, 1, 1], [8, 8, 4, 4], [8, 8, 8, 8], [9, 9, 9, 9], [149, 112, 112, 112]];
    let is_public = |resolver| matches!(resolver, IpAddr::V4(v4) if PUBLIC.contains(&v4.octets()));
    !classify::is_outside(resolver) || is_public(resolver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(told: &[(i64, &str)]) -> Names {
        let mut names = Names::default();
        for (time, name) in told {
            names.add(KEY, *time, &Arc::from(*name));
        }
        names
    }

    const KEY: Key = (None, IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn at(names: &Names, time: i64) -> Option<&str> {
        names.at(&KEY, time).map(|since| &*since.name)
    }

    #[test]
    fn a_name_holds_from_when_it_was_told_and_the_first_before_that_too() {
        // In any order, and told again and again.
        for order in
            [[(5, "a"), (9, "b"), (7, "a")], [(9, "b"), (7, "a"), (5, "a")], [(7, "a"), (5, "a"), (9, "b")]]
        {
            let names = names(&order);
            assert_eq!([1, 5, 8, 9, 99].map(|time| at(&names, time)), ["a", "a", "a", "b", "b"].map(Some));
            assert_eq!(names.count, 2, "{order:?}");
        }
        assert_eq!(at(&Names::default(), 5), None);
    }

    #[test]
    fn what_was_told_between_is_known_in_whatever_order_it_was_read() {
        for order in
            [[(5, "a"), (7, "b"), (9, "a")], [(5, "a"), (9, "a"), (7, "b")], [(9, "a"), (7, "b"), (5, "a")]]
        {
            let names = names(&order);
            assert_eq!([6, 8, 10].map(|time| at(&names, time)), ["a", "b", "a"].map(Some), "{order:?}");
        }
    }

    #[test]
    fn of_many_changes_the_last_are_known() {
        let told: Vec<_> = (0..10_000).map(|time| (time, if time % 2 == 0 { "a" } else { "b" })).collect();
        let names = names(&told);
        assert_eq!((names.count, names.of[&KEY].len()), (CHANGES, CHANGES));
        assert_eq!([9_998, 9_999].map(|time| at(&names, time)), ["a", "b"].map(Some));
    }

    #[test]
    fn of_two_halves_the_name_is_taken_that_was_told_last_before() {
        let told = |at: i64| Since { from: at, last: at, name: Arc::from("x") };
        let (early, late) = (told(3), told(8));
        assert_eq!(nearer(&early, &late, 9).from, 8);
        assert_eq!(nearer(&late, &early, 7).from, 3);
        assert_eq!(nearer(&late, &early, 1).from, 3);
        let again = Since { last: 12, ..told(3) };
        assert_eq!(nearer(&again, &late, 13).from, 3, "it was told again");
    }
}
