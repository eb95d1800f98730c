//! The four hashes, each with a domain of its own.

use blake3::IncrementCounter;
use blake3::platform::{Platform, words_from_le_bytes_32};

/// A BLAKE3 hash: of a key, a value, a leaf or an inner node.
pub type Hash = [u8; 32];

/// The hash of a subtree without a leaf, and so the root of an empty map.
pub const EMPTY: Hash = [0; 32];

const KEY: &Hash = b"avalanche/store/merkle-key/v1\0\0\0";
const VALUE: &Hash = b"avalanche/store/merkle-value/v1\0";
const LEAF: &Hash = b"avalanche/store/merkle-leaf/v1\0\0";
const INNER: &Hash = b"avalanche/store/merkle-inner/v1\0";

/// Where a key stands in the trie.
#[must_use]
pub fn key_hash(key: &[u8]) -> Hash {
    *blake3::keyed_hash(KEY, key).as_bytes()
}

/// What a leaf says of its value.
#[must_use]
pub fn value_hash(value: &[u8]) -> Hash {
    *blake3::keyed_hash(VALUE, value).as_bytes()
}

/// The hash of a leaf.
pub(crate) fn leaf_hash(key: &Hash, value: &Hash) -> Hash {
    let mut hash = pair(LEAF, key, value);
    hash[0] |= 1;
    hash
}

/// The hash of a subtree of two leaves or more.
pub(crate) fn inner_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = pair(INNER, left, right);
    hash[0] &= !1;
    hash
}

/// Whether a hash other than [`EMPTY`] is that of a leaf.
pub(crate) const fn is_leaf(hash: &Hash) -> bool {
    hash[0] & 1 == 1
}

/// The hashes of up to [`LANES`] leaves, each of its key hash and value hash.
pub(crate) fn leaf_hashes<'a>(
    count: usize,
    pairs: impl Fn(usize) -> Option<&'a [u8; 64]>,
    hashes: &mut [Hash; LANES],
) {
    many(LEAF, count, pairs, hashes);
    for hash in hashes {
        hash[0] |= 1;
    }
}

/// The hashes of up to [`LANES`] inner nodes, each of its two halves.
pub(crate) fn inner_hashes<'a>(
    count: usize,
    halves: impl Fn(usize) -> Option<&'a [u8; 64]>,
    hashes: &mut [Hash; LANES],
) {
    many(INNER, count, halves, hashes);
    for hash in hashes {
        hash[0] &= !1;
    }
}

/// Inputs of one call: the lanes of the widest processors.
pub(crate) const LANES: usize = 16;

/// What [`pair`] gives for each, by the processor's vector unit.
///
/// BLAKE3 hashes chunks of one long input side by side, and offers no such call for many short
/// inputs. Its function for that is public but unstable: should it go, a loop over [`pair`] takes
/// its place, and the tests that compare roots with a naive tree say whether the two are equal.
fn many<'a>(
    domain: &Hash,
    count: usize,
    input: impl Fn(usize) -> Option<&'a [u8; 64]>,
    hashes: &mut [Hash; LANES],
) {
    const CHUNK_START: u8 = 1;
    const CHUNK_END: u8 = 1 << 1;
    const ROOT: u8 = 1 << 3;
    const KEYED_HASH: u8 = 1 << 4;
    let key = words_from_le_bytes_32(domain);
    let inputs: [&[u8; 64]; LANES] = std::array::from_fn(|lane| input(lane).unwrap_or(&[0; 64]));
    let (inputs, _) = inputs.split_at(count.min(LANES));
    let (start, end) = (CHUNK_START, CHUNK_END | ROOT);
    let out = hashes.as_flattened_mut();
    let platform = Platform::detect();
    platform.hash_many(inputs, &key, 0, IncrementCounter::No, KEYED_HASH, start, end, out);
}

fn pair(domain: &Hash, left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(left);
    bytes[32..].copy_from_slice(right);
    *blake3::keyed_hash(domain, &bytes).as_bytes()
}

/// A subtree while hashes are put together: the one-leaf rule in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// No leaf.
    Empty,
    /// One leaf, with its hash.
    Leaf(Hash),
    /// Two leaves or more.
    Inner(Hash),
}

impl Part {
    /// The subtree of two halves.
    pub(crate) fn of(left: Self, right: Self) -> Self {
        match (left, right) {
            (Self::Empty, Self::Empty) => Self::Empty,
            (leaf @ Self::Leaf(_), Self::Empty) | (Self::Empty, leaf @ Self::Leaf(_)) => leaf,
            (left, right) => Self::Inner(inner_hash(&left.hash(), &right.hash())),
        }
    }

    /// Its hash.
    pub(crate) const fn hash(self) -> Hash {
        match self {
            Self::Empty => EMPTY,
            Self::Leaf(hash) | Self::Inner(hash) => hash,
        }
    }
}
