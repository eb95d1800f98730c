//! The secret that makes hash tables of attacker-chosen identifiers safe and runs repeatable.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// The key of every hash table inside an instance.
///
/// Peers choose identifiers, so an unkeyed table could be filled with collisions; and a table keyed
/// at random would make two runs differ. So the key is an argument: from the operating system in a
/// node, from the seed in a simulation. It never influences a decision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey([u64; 4]);

impl HashKey {
    /// Derives a key from a seed. Equal seeds give equal keys.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let derived = blake3::derive_key("avalanche/consensus/hash-key/v1", &seed);
        let (words, _) = derived.as_chunks::<8>();
        let mut key = [0; 4];
        for (word, bytes) in key.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(key)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

impl BuildHasher for HashKey {
    type Hasher = IdHasher;

    #[inline]
    fn build_hasher(&self) -> IdHasher {
        IdHasher { key: self.0, state: 0 }
    }
}

/// Hashes the bytes of one identifier with two wide multiplications.
#[expect(unnameable_types, reason = "named only as the hasher that `HashKey` builds")]
#[derive(Debug)]
pub struct IdHasher {
    key: [u64; 4],
    state: u64,
}

impl Hasher for IdHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let [k0, k1, k2, k3] = self.key;
        let (blocks, rest) = bytes.as_chunks::<32>();
        for block in blocks {
            let [w0, w1, w2, w3] = words(block);
            self.state = fold(w0 ^ k0, w1 ^ k1 ^ self.state) ^ fold(w2 ^ k2, w3 ^ k3);
        }
        for chunk in rest.chunks(8) {
            let mut padded = [0; 8];
            padded.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.state = fold(u64::from_le_bytes(padded) ^ k0, self.state ^ k1);
        }
    }

    /// Lengths carry nothing here: every key of a table has the same length.
    #[inline]
    fn write_usize(&mut self, _length: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}

/// The four little-endian words of 32 bytes. The pattern holds for every input: a loop over the
/// chunks would copy them first.
#[inline]
fn words(block: &[u8; 32]) -> [u64; 4] {
    let ([a, b, c, d], _) = block.as_chunks::<8>() else { return [0; 4] };
    [*a, *b, *c, *d].map(u64::from_le_bytes)
}

/// The two halves of a 128-bit product, folded together.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let [low, high] = halves(u128::from(a) * u128::from(b));
    low ^ high
}

/// Low and high half of a 128-bit value.
#[inline]
fn halves(value: u128) -> [u64; 2] {
    let bytes = value.to_le_bytes();
    let ([low, high], _) = bytes.as_chunks::<8>() else { return [0; 2] };
    [*low, *high].map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;

    #[test]
    fn keys_follow_the_seed_and_hashes_follow_the_key() {
        let (a, b) = (HashKey::from_seed([1; 32]), HashKey::from_seed([2; 32]));
        assert_eq!(a, HashKey::from_seed([1; 32]));
        let id = Id::hash(b"x");
        assert_eq!(a.hash_one(id), a.hash_one(id));
        assert_ne!(a.hash_one(id), b.hash_one(id));
        assert_ne!(a.hash_one(id), a.hash_one(Id::hash(b"y")));
        assert_eq!(format!("{a:?}"), "HashKey(secret)");
    }

    /// Identifiers that differ in one bit only must not share the bits that a table uses.
    #[test]
    fn single_bit_changes_reach_both_ends_of_the_hash() {
        let key = HashKey::from_seed([3; 32]);
        let mut low = std::collections::BTreeSet::new();
        let mut high = std::collections::BTreeSet::new();
        for bit in 0..Id::BITS {
            let mut bytes = [0; 32];
            bytes[bit / 8] = 1 << (bit % 8);
            let hash = key.hash_one(Id::new(bytes));
            low.insert(hash & 0xffff);
            high.insert(hash >> 48);
        }
        assert!(low.len() > 250 && high.len() > 250, "{} {}", low.len(), high.len());
    }
}
