//! Changes of keys, sorted, with the hashes of their leaves.

use super::Hash;
use super::hash::{EMPTY, LANES, leaf_hashes};
use super::node::Leaf;
use super::path::nibble;

/// A change of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyChange {
    /// The key's hash.
    pub(crate) key: Hash,
    /// Its new value's hash; `None` deletes it.
    pub(crate) value: Option<Hash>,
}

/// A change, with the hash of its leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// Key hash and value hash: what the leaf's hash is made of.
    halves: [Hash; 2],
    /// The leaf's hash.
    hash: Hash,
    /// Whether there is no leaf: then the value and the hash mean nothing.
    deletes: bool,
}

impl Change {
    /// The hash of the key that changes.
    pub(crate) const fn key(&self) -> &Hash {
        let [key, _] = &self.halves;
        key
    }

    /// Its new value's hash; `None` deletes it.
    pub(crate) fn value(&self) -> Option<&Hash> {
        let [_, value] = &self.halves;
        (!self.deletes).then_some(value)
    }

    /// The hash of its new leaf, if there is one.
    pub(crate) const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Its new leaf; `None` deletes it.
    pub(crate) fn leaf(&self) -> Option<Leaf> {
        let ([key, value], hash) = (self.halves, self.hash);
        (!self.deletes).then_some(Leaf { key, value, hash })
    }

    /// Where it leads below a node.
    pub(crate) fn nibble(&self, depth: usize) -> usize {
        nibble(self.key(), depth)
    }

    /// Sorts by key hash, where of several changes of a key the last one stays, and hashes all
    /// leaves.
    pub(crate) fn list(changes: &[KeyChange]) -> Vec<Self> {
        // Sorting numbers, of the first bits and the place, is several times faster than sorting
        // the changes.
        let places = changes.len().next_power_of_two() as u64 - 1;
        let first = |key: &Hash| key.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let numbers = (0_u64..).zip(changes);
        let numbers = numbers.map(|(at, change)| first(&change.key) & !places | at);
        let mut order: Vec<u64> = numbers.collect();
        order.sort_unstable();
        let change = |number: u64| changes.get(usize::try_from(number & places).ok()?);
        // Keys that share these bits are rare, but by their own bytes they have to stand.
        for same in order.chunk_by_mut(|a, b| a & !places == b & !places) {
            if same.len() > 1 {
                same.sort_by(|a, b| {
                    let key = |number: u64| change(number).map(|change| &change.key);
                    key(*a).cmp(&key(*b))
                });
            }
        }
        let mut sorted: Vec<Self> = Vec::with_capacity(changes.len());
        for change in order.iter().filter_map(|number| change(*number)) {
            let KeyChange { key, value } = *change;
            let deletes = value.is_none();
            let change = Self { halves: [key, value.unwrap_or(EMPTY)], hash: EMPTY, deletes };
            match sorted.last_mut() {
                Some(last) if *last.key() == key => *last = change,
                _ => sorted.push(change),
            }
        }
        Self::hash_all(&mut sorted);
        sorted
    }

    fn hash_all(changes: &mut [Self]) {
        for some in changes.chunks_mut(LANES) {
            let mut hashes = [EMPTY; LANES];
            let pair = |lane| some.get::<usize>(lane)?.halves.as_flattened().first_chunk();
            leaf_hashes(some.len(), pair, &mut hashes);
            for (change, hash) in some.iter_mut().zip(hashes) {
                change.hash = hash;
            }
        }
    }
}
