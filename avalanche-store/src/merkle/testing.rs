//! The tree alone, fed with key hashes, for tests and measurements.

use std::convert::Infallible;
use std::sync::Arc;

use super::{Hash, Item, KeyChange, Load, Node, Path, Pool, Proof, RangeProof, Tree, path};

/// A version of the Merkle tree without a store and without values: what tests feed with key
/// hashes that no key has.
#[derive(Clone, Debug)]
pub struct RawTree(Tree);

/// Nothing has to be loaded: nothing is ever dropped.
struct Memory;

impl Load for Memory {
    type Error = Infallible;

    fn load(&self, _: u64, _: &Path, _: &Hash) -> Result<Node, Infallible> {
        // Reached by nothing; a node without slots makes the root wrong if it were.
        Ok(Node::default())
    }
}

fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl Default for RawTree {
    fn default() -> Self {
        Self(Tree::stored(Arc::new(Pool::default()), Item::Empty))
    }
}

impl RawTree {
    /// The tree after changes of key hashes to value hashes, `None` deleting one; this one stays.
    #[must_use]
    pub fn apply(
        &self,
        changes: impl IntoIterator<Item = (Hash, Option<Hash>)>,
        threads: usize,
    ) -> Self {
        let changes = changes.into_iter().map(|(key, value)| KeyChange { key, value }).collect();
        Self(sure(self.0.apply(0, changes, threads, &Memory)))
    }

    /// Says that this version was accepted: what it replaced goes when its parent goes.
    pub fn settle(&self) {
        self.0.settle();
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.0.root().hash()
    }

    /// How many leaf and inner hashes it took to make this version from its parent.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.0.hashes()
    }

    /// Bytes of the nodes of all versions.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.pool().bytes()
    }

    /// All key hashes and value hashes, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<(Hash, Hash)> {
        sure(self.0.entries(&[0; 32], None, usize::MAX, &Memory))
    }

    /// The proof of a key hash.
    #[must_use]
    pub fn prove(&self, key: &Hash) -> Proof {
        sure(self.0.prove(key, &Memory))
    }

    /// The proof of a range of key hashes. `pairs` are the keys and values in it.
    #[must_use]
    pub fn prove_range(
        &self,
        from: &Hash,
        end: Option<&Hash>,
        pairs: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> RangeProof {
        sure(self.0.prove_range(from, end, pairs, &Memory))
    }

    /// The key hash after one, `None` after the last.
    #[must_use]
    pub fn successor(key: &Hash) -> Option<Hash> {
        path::successor(key)
    }
}
