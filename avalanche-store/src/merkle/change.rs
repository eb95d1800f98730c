//! Changes of keys, sorted, with the hashes of their leaves.

use super::Hash;
use super::hash::leaf_hashes;
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
    pub(super) key: Hash,
    /// Its new leaf; `None` deletes it.
    pub(super) leaf: Option<Leaf>,
}

impl Change {
    /// Where it leads below a node.
    pub(crate) fn nibble(&self, depth: usize) -> usize {
        nibble(&self.key, depth)
    }

    /// Sorts by key hash, where of several changes of a key the last one stays, and hashes all
    /// leaves.
    pub(crate) fn list(changes: &[KeyChange]) -> Vec<Self> {
        // Sorting numbers, of the first 64 bits and of the place, is several times faster than
        // sorting the changes.
        let first = |key: &Hash| key.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let numbers = (0_u32..).zip(changes);
        let numbers =
            numbers.map(|(at, change)| u128::from(first(&change.key)) << 32 | u128::from(at));
        let mut order: Vec<u128> = numbers.collect();
        order.sort_unstable();
        let place = |number: u128| usize::try_from(number & 0xffff_ffff).unwrap_or(usize::MAX);
        // Keys that share 64 bits are rare, but by their own bytes they have to stand.
        for same in order.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|same| same.len() > 1) {
            same.sort_by(|a, b| {
                let key = |number: u128| changes.get(place(number)).map(|change| &change.key);
                key(*a).cmp(&key(*b))
            });
        }
        let mut sorted: Vec<KeyChange> = Vec::with_capacity(changes.len());
        for change in order.iter().filter_map(|number| changes.get(place(*number))) {
            match sorted.last_mut() {
                Some(last) if last.key == change.key => *last = *change,
                _ => sorted.push(*change),
            }
        }
        Self::hashed(&sorted)
    }

    fn hashed(changes: &[KeyChange]) -> Vec<Self> {
        let pairs = changes.iter().filter_map(|change| Some(pair(&change.key, &change.value?)));
        let mut hashes = Vec::new();
        leaf_hashes(&pairs.collect::<Vec<_>>(), &mut hashes);
        let mut hashes = hashes.into_iter();
        let hashed = changes.iter().map(|change| {
            let leaf = change
                .value
                .and_then(|value| Some(Leaf { key: change.key, value, hash: hashes.next()? }));
            Self { key: change.key, leaf }
        });
        hashed.collect()
    }
}

/// What a hash of two is made of.
pub(super) fn pair(left: &Hash, right: &Hash) -> [u8; 64] {
    let mut pair = [0; 64];
    let (a, b) = pair.split_at_mut(32);
    a.copy_from_slice(left);
    b.copy_from_slice(right);
    pair
}
