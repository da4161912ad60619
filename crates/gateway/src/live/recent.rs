//! What was noted last, of things that an agent can have as many of as it likes.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map that forgets what was put into it first once it is full.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
    most: usize,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), most }
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.values.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.values.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_nothing_grows() {
        let mut recent = Recent::new(3);
        for round in 0..10 {
            recent.put(1, round);
        }
        (2..=4).for_each(|key| recent.put(key, 0));
        assert_eq!((recent.get(&1), recent.get(&4)), (None, Some(&0)));
        assert_eq!((recent.values.len(), recent.order.len()), (3, 3));
    }
}
