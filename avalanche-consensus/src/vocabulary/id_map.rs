//! Lookups by identifier: the one place where the core hashes.

#![expect(
    clippy::disallowed_types,
    reason = "keyed by the caller and never iterated, so no order can be observed"
)]

use std::collections::HashMap;

use super::HashKey;

/// A map from identifiers to `V`, which can be asked but not walked.
#[derive(Clone, Debug)]
pub(crate) struct IdMap<K, V> {
    entries: HashMap<K, V, HashKey>,
}

impl<K: Eq + std::hash::Hash, V> IdMap<K, V> {
    /// An empty map.
    pub(crate) fn new(key: HashKey) -> Self {
        Self { entries: HashMap::with_hasher(key) }
    }

    /// The value of `id`.
    pub(crate) fn get(&self, id: &K) -> Option<&V> {
        self.entries.get(id)
    }

    /// The value of `id`, to change it.
    pub(crate) fn get_mut(&mut self, id: &K) -> Option<&mut V> {
        self.entries.get_mut(id)
    }

    /// Whether `id` has a value.
    pub(crate) fn contains(&self, id: &K) -> bool {
        self.entries.contains_key(id)
    }

    /// Sets the value of `id` and returns the earlier one.
    pub(crate) fn insert(&mut self, id: K, value: V) -> Option<V> {
        self.entries.insert(id, value)
    }

    /// Removes `id` and returns its value.
    pub(crate) fn remove(&mut self, id: &K) -> Option<V> {
        self.entries.remove(id)
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Removes everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
