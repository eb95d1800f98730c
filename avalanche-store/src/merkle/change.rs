//! Changes of keys, sorted, with the hashes of their leaves.

use super::Hash;
use super::hash::leaf_hashes;
use super::node::Leaf;

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
    /// Sorts by key hash, where of several changes of a key the last one stays, and hashes all
    /// leaves.
    pub(crate) fn list(changes: &[KeyChange]) -> Vec<Self> {
        // Sorting 16 bytes a change is several times faster than sorting the changes.
        let first = |key: &Hash| key.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let mut order: Vec<_> =
            (0..).zip(changes).map(|(at, change): (u32, _)| (first(&change.key), at)).collect();
        let key = |at: u32| changes.get(at as usize).map(|change| &change.key);
        order.sort_unstable_by(|(p, a), (q, b)| {
            p.cmp(q).then_with(|| key(*a).cmp(&key(*b))).then(a.cmp(b))
        });
        let mut sorted: Vec<KeyChange> = Vec::with_capacity(changes.len());
        for change in order.iter().filter_map(|(_, at)| changes.get(*at as usize)) {
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
