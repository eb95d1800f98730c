//! Requests that ended lately.

use std::collections::{BTreeMap, VecDeque};

use super::Key;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    Failed,
    Answered,
}

/// The latest requests that ended, oldest forgotten first.
#[derive(Debug)]
pub(super) struct Memory {
    entries: BTreeMap<Key, (u64, Remembered)>,
    /// Every insertion of late; some may be of keys that were forgotten or inserted again.
    order: VecDeque<(u64, Key)>,
    insertions: u64,
    max: usize,
}

impl Memory {
    pub(super) const fn new(max: usize) -> Self {
        Self { entries: BTreeMap::new(), order: VecDeque::new(), insertions: 0, max }
    }

    pub(super) fn insert(&mut self, key: Key, outcome: Remembered) {
        self.insertions += 1;
        self.entries.insert(key, (self.insertions, outcome));
        self.order.push_back((self.insertions, key));
        while self.order.len() > self.max {
            let Some((number, key)) = self.order.pop_front() else { break };
            if self.entries.get(&key).is_some_and(|(latest, _)| *latest == number) {
                self.entries.remove(&key);
            }
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    pub(super) fn get(&self, key: &Key) -> Option<Remembered> {
        self.entries.get(key).map(|(_, outcome)| *outcome)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        debug_assert!(self.entries.len() <= self.order.len());
        self.order.len()
    }
}
