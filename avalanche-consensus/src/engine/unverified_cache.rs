//! Blocks that could not be verified, kept as long as there is room.

use std::collections::BTreeMap;

use crate::vocabulary::IdMap;
use crate::{HashKey, Id};

/// Blocks by identifier, where the least recently used leave when their bytes exceed a budget
/// (AvalancheGo's `snow/engine/snowman/engine.go`, `nonVerifiedCache`).
///
/// A block weighs what it has in bytes, 32 for its identifier and
/// [`UnverifiedCache::OVERHEAD_BYTES`]. `B` is the caller's block; only the number of its bytes
/// matters here.
///
/// # Limits
///
/// The weight is never above [`UnverifiedCache::BUDGET_BYTES`], or what
/// [`UnverifiedCache::with_budget_bytes`] says. A block that is heavier than that is not kept, and
/// nothing leaves for it. Since each block weighs 40 at least, there are at most 1,677,721 of them.
/// Every call is O(log n).
///
/// ```
/// use avalanche_consensus::engine::UnverifiedCache;
/// use avalanche_consensus::{HashKey, Id};
///
/// let key = HashKey::from_seed([0; 32]);
/// let mut cache = UnverifiedCache::new(key).with_budget_bytes(300);
/// let [a, b, c] = [b"a", b"b", b"c"].map(|name| Id::hash(name));
/// cache.put(a, "a", 100);
/// cache.put(b, "b", 100);
/// assert_eq!(cache.get(&a), Some(&"a"));
/// cache.put(c, "c", 100);
/// assert!(cache.contains(&a) && !cache.contains(&b));
/// ```
#[derive(Clone, Debug)]
pub struct UnverifiedCache<B> {
    entries: IdMap<Id, Entry<B>>,
    /// Blocks by their latest use.
    uses: BTreeMap<u64, Id>,
    /// Uses so far.
    clock: u64,
    weight: usize,
    budget: usize,
}

#[derive(Clone, Debug)]
struct Entry<B> {
    block: B,
    weight: usize,
    used: u64,
}

impl<B> UnverifiedCache<B> {
    /// The weight of all blocks unless the caller says otherwise: 64 MiB.
    pub const BUDGET_BYTES: usize = 64 << 20;
    /// What a block weighs besides its bytes and its identifier: the 8 of a pointer, on every
    /// target.
    pub const OVERHEAD_BYTES: usize = 8;

    /// An empty cache.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        Self {
            entries: IdMap::new(key),
            uses: BTreeMap::new(),
            clock: 0,
            weight: 0,
            budget: Self::BUDGET_BYTES,
        }
    }

    /// Sets the weight of all blocks. Blocks leave with the next one that is put.
    #[must_use]
    pub fn with_budget_bytes(mut self, budget: usize) -> Self {
        self.budget = budget;
        self
    }

    /// Keeps a block of so many bytes as the latest used, in place of one of the same name.
    pub fn put(&mut self, id: Id, block: B, bytes: usize) {
        self.remove(&id);
        let weight = bytes.saturating_add(size_of::<Id>() + Self::OVERHEAD_BYTES);
        if weight > self.budget {
            return;
        }
        while self.weight > self.budget - weight {
            let Some((_, oldest)) = self.uses.first_key_value() else { break };
            let oldest = *oldest;
            self.remove(&oldest);
        }
        let used = self.next_use();
        self.uses.insert(used, id);
        self.entries.insert(id, Entry { block, weight, used });
        self.weight += weight;
    }

    /// A block, which becomes the latest used.
    pub fn get(&mut self, id: &Id) -> Option<&B> {
        let used = self.next_use();
        let entry = self.entries.get_mut(id)?;
        self.uses.remove(&entry.used);
        self.uses.insert(used, *id);
        entry.used = used;
        Some(&entry.block)
    }

    /// Takes a block out.
    pub fn remove(&mut self, id: &Id) -> Option<B> {
        let entry = self.entries.remove(id)?;
        self.uses.remove(&entry.used);
        self.weight -= entry.weight;
        Some(entry.block)
    }

    /// Whether a block is kept. This is no use of it.
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        self.entries.contains(id)
    }

    /// What all blocks weigh.
    #[must_use]
    pub const fn weight_bytes(&self) -> usize {
        self.weight
    }

    /// Number of blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no block is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn next_use(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    fn id(byte: u8) -> Id {
        Id::new([byte; 32])
    }

    fn cache(budget: usize) -> UnverifiedCache<u8> {
        UnverifiedCache::new(HashKey::from_seed([0; 32])).with_budget_bytes(budget)
    }

    #[test]
    fn weights_and_the_edge_of_the_budget() {
        assert_eq!(UnverifiedCache::<u8>::new(HashKey::from_seed([0; 32])).budget, 67_108_864);
        let mut cache = cache(100);
        cache.put(id(1), 1, 10);
        cache.put(id(2), 2, 10);
        assert_eq!((cache.weight_bytes(), cache.len()), (100, 2));
        cache.put(id(3), 3, 0);
        assert_eq!((cache.weight_bytes(), cache.contains(&id(1))), (90, false));
        // Too heavy by one byte: not kept, and nothing leaves. As heavy as the budget: alone.
        cache.put(id(4), 4, 61);
        cache.put(id(4), 4, usize::MAX);
        assert_eq!((cache.len(), cache.contains(&id(4))), (2, false));
        cache.put(id(5), 5, 60);
        assert_eq!((cache.len(), cache.get(&id(5))), (1, Some(&5)));
        assert_eq!((cache.remove(&id(5)), cache.weight_bytes()), (Some(5), 0));
        assert!(cache.is_empty() && cache.uses.is_empty());
    }

    /// Against a list in the order of use.
    #[test]
    fn any_calls_do_what_a_list_would() {
        let [evicted, replaced, touched] = [0; 3].map(Cell::new);
        let strategy = prop::collection::vec((0_u8..5, 0_u8..12, 0_usize..200), 1..100);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&strategy, |steps| {
                let (mut cache, mut model) = (cache(500), Vec::<(u8, usize)>::new());
                let sum = |model: &[(u8, usize)]| model.iter().map(|(_, w)| w).sum::<usize>();
                for (kind, name, bytes) in steps {
                    let place = model.iter().position(|(known, _)| *known == name);
                    let known = place.map(|place| model.remove(place));
                    match kind {
                        0 => prop_assert_eq!(cache.remove(&id(name)), known.map(|(b, _)| b)),
                        1 | 2 => {
                            touched.set(touched.get() + u32::from(known.is_some()));
                            model.extend(known);
                            prop_assert_eq!(cache.get(&id(name)).copied(), known.map(|(b, _)| b));
                        }
                        _ => {
                            replaced.set(replaced.get() + u32::from(known.is_some()));
                            model.push((name, bytes + 40));
                            while sum(&model) > 500 {
                                model.remove(0);
                                evicted.set(evicted.get() + 1);
                            }
                            cache.put(id(name), name, bytes);
                        }
                    }
                    prop_assert_eq!(cache.weight_bytes(), sum(&model));
                    let order = cache.uses.values().copied();
                    prop_assert!(order.eq(model.iter().map(|(name, _)| id(*name))));
                }
                Ok(())
            })
            .expect("the cache equals its model");
        for count in [&evicted, &replaced, &touched] {
            assert!(count.get() > 100, "{evicted:?} {replaced:?} {touched:?}");
        }
    }
}
