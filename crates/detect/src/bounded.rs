//! A table whose size the agent does not choose.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map that holds at most so many entries. The oldest makes room for a new one, and that is counted: who looked up an
/// entry that is gone was blind.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    entries: HashMap<K, V>,
    /// Keys in the order of their arrival; some may be gone, or have come again.
    order: VecDeque<K>,
    most: usize,
    forgotten: u64,
}

impl<K: Eq + Hash + Clone, V> Bounded<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), most, forgotten: 0 }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    /// The entry of a key, made if it isn't there.
    pub(crate) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(&key) {
            self.make_room();
            self.order.push_back(key.clone());
        }
        self.entries.entry(key).or_insert_with(make)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key)
    }

    /// How many entries made room since this was asked last.
    pub(crate) fn forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    fn make_room(&mut self) {
        while self.entries.len() >= self.most {
            let Some(oldest) = self.order.pop_front() else { return };
            self.forgotten += u64::from(self.entries.remove(&oldest).is_some());
        }
        // Keys of entries that were removed stay in the order until they come to its front.
        if self.order.len() > 2 * self.most {
            let entries = &self.entries;
            self.order.retain(|key| entries.contains_key(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut table = Bounded::new(2);
        for key in 0..3 {
            *table.entry(key, || 0) += key;
        }
        assert_eq!((table.entries.len(), table.get(&0), table.get(&2)), (2, None, Some(&2)));
        assert_eq!((table.forgotten(), table.forgotten()), (1, 0));
    }

    #[test]
    fn what_is_removed_takes_no_room_and_is_not_counted() {
        let mut table = Bounded::new(4);
        for key in 0..1000 {
            table.entry(key, || ());
            table.remove(&key);
        }
        assert_eq!((table.entries.len(), table.forgotten()), (0, 0));
        assert!(table.order.len() <= 9, "{}", table.order.len());
    }
}
