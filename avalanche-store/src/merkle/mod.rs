//! The authenticated map: one 32-byte root that stands for a set of keys and values.
//!
//! # What the root is
//!
//! A binary trie over 256-bit key hashes, most significant bit first. Every subtree has one hash:
//!
//! ```text
//!   no leaf         EMPTY, 32 zero bytes
//!   one leaf        that leaf's hash, at whatever depth the subtree begins
//!   two or more     inner(left half, right half)
//!
//!                     root = inner(a, b)
//!                    0 /            \ 1
//!        a = inner(k, m)             b = n: the only leaf whose key hash begins with 1
//!        0 /        \ 1
//!    k: key hash 00..  m: key hash 01..
//! ```
//!
//! ```text
//!   key hash   = BLAKE3 keyed "avalanche/store/merkle-key/v1"    of the key
//!   value hash = BLAKE3 keyed "avalanche/store/merkle-value/v1"  of the value
//!   leaf       = BLAKE3 keyed "avalanche/store/merkle-leaf/v1"   of key hash, value hash
//!   inner      = BLAKE3 keyed "avalanche/store/merkle-inner/v1"  of left, right
//! ```
//!
//! The keys of the keyed mode are these names, filled up with zero bytes to 32. Bit 0 of byte 0 of
//! a leaf is then set, and of an inner node cleared, so that a hash says which of the two it is:
//! nobody can pass one off as the other. A leaf and an inner node cost one compression each.
//!
//! So the root is a function of the set of pairs and of nothing else: neither the order of changes
//! nor how the tree is stored. Chains of `inner(EMPTY, x)` are part of it: two key hashes that
//! share 40 bits are 41 inner nodes deep.
//!
//! # What is here
//!
//! [`Proof`] and [`RangeProof`] need a root and nothing else, for light clients and state sync. The
//! tree in memory (`tree`) shares its nodes between the versions of unaccepted blocks, which keep
//! patches of those that they change (`seen`); `batch` makes the changes. Nothing here reads or
//! writes a store.

mod batch;
mod cells;
mod change;
mod fault;
mod hash;
mod node;
mod path;
mod pool;
mod prefetch;
mod proof;
mod prove;
mod range;
mod row;
mod scratch;
mod seen;
mod stream;
#[cfg(feature = "testing")]
mod testing;
mod tree;
mod update;
mod work;

pub use fault::ProofFault;
pub use hash::{EMPTY, Hash, key_hash, value_hash};
pub use proof::Proof;
pub use range::{RangeLimits, RangeProof, VerifiedRange};
#[cfg(feature = "testing")]
pub use testing::{RawTree, check_proof_bytes, forge_proof};

pub(crate) use change::KeyChange;
pub(crate) use hash::leaf_hash;
pub(crate) use node::{
    Leaf, Malformed as NodeMalformed, NOT_LOADED, Node, Ref, Root, VERSION as NODE_VERSION,
};
pub(crate) use path::{Path, successor};
pub(crate) use pool::Pool;
pub(crate) use stream::Stream;
pub(crate) use tree::{Load, Tree};
