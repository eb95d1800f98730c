//! The tree alone, fed with key hashes, for tests and measurements.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use super::node::Item;
use super::{
    Hash, KeyChange, Load, Node, Path, Pool, Proof, RangeLimits, RangeProof, Root, Tree, key_hash,
    path, value_hash,
};

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
        Self(Tree::stored(Arc::new(Pool::new(usize::MAX)), Root::Empty))
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
        let changes = changes.into_iter().map(|(key, value)| KeyChange { key, value });
        let changes: Vec<_> = changes.collect();
        Self(sure(self.0.apply(0, &changes, threads, &Memory)))
    }

    /// Says that this version was accepted: what it replaced goes when its parent goes.
    pub fn settle(&self) {
        self.0.each_made(|_, _, _| {});
        self.0.settle(|_, _| true);
    }

    /// How many nodes of all versions are patches over others.
    #[must_use]
    pub fn patches(&self) -> usize {
        self.0.pool().patches()
    }

    /// How many slots hold two to four leaves without a node of their own.
    #[must_use]
    pub fn twigs(&self) -> usize {
        self.twigs_below(&Item::of(*self.0.root()), &Path::of(&[0; 32], 0))
    }

    fn twigs_below(&self, item: &Item, path: &Path) -> usize {
        match item {
            Item::Empty | Item::Leaf(_) => 0,
            Item::Twig(_) => 1,
            Item::Inner { hash, at } => sure(self.0.with_node(hash, *at, path, &Memory, |node| {
                let below = |slot| self.twigs_below(&node.item(slot), &path.child(slot));
                Ok(node.shape().slots().map(below).sum())
            })),
        }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.0.root().hash()
    }

    /// How many leaf and inner hashes of this version are new, without those that are made again
    /// in twigs.
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

/// Pairs of key and value by key hash.
type Pairs = BTreeMap<Hash, (Vec<u8>, Vec<u8>)>;

/// The known tree that proofs are checked against, and its pairs.
fn known() -> (Pairs, RawTree) {
    let pairs: Pairs =
        (0..25).map(known_pair).map(|(key, value)| (key_hash(&key), (key, value))).collect();
    let changes = pairs.iter().map(|(hash, (_, value))| (*hash, Some(value_hash(value))));
    let tree = RawTree::default().apply(changes, 1);
    (pairs, tree)
}

/// The first 25 are in the known tree, others are not.
fn known_pair(i: u32) -> (Vec<u8>, Vec<u8>) {
    (format!("key {i}").into_bytes(), format!("value {}", i * i).into_bytes())
}

/// A true proof of the known tree, changed as bytes say: which one, how long it stays, and then
/// positions and what to flip there. For fuzzers, which would not find a true one by themselves.
#[must_use]
pub fn forge_proof(orders: &[u8]) -> Vec<u8> {
    let [which, cut, orders @ ..] = orders else { return orders.to_vec() };
    let (pairs, tree) = known();
    let mut proof = if which % 2 == 0 {
        tree.prove(&key_hash(&known_pair(u32::from(which / 2)).0)).encode()
    } else {
        let (from, end) = ([which & 0xfe; 32], [which.saturating_add(0x60); 32]);
        let inside = pairs.range(from..end).map(|(_, pair)| pair.clone()).collect();
        tree.prove_range(&from, Some(&end), inside).encode()
    };
    for order in orders.chunks_exact(3) {
        let [low, high, flip] = order else { break };
        let at = usize::from(u16::from_le_bytes([*low, *high])) % proof.len().max(1);
        if let Some(byte) = proof.get_mut(at) {
            *byte ^= flip;
        }
    }
    proof.truncate(proof.len().saturating_sub(usize::from(cut / 16)));
    proof
}

/// Takes bytes as a proof and as a range proof of a small known tree. What passes has to be true.
///
/// # Panics
///
/// If a false claim passes, or a proof that passes is not the one that the tree makes.
#[expect(clippy::panic, reason = "a finding")]
pub fn check_proof_bytes(bytes: &[u8]) {
    let (pairs, tree) = known();
    if let Ok(proof) = Proof::decode(bytes) {
        if proof.encode() != bytes {
            panic!("a proof has two forms");
        }
        for i in 0..60 {
            let (key, forged) = known_pair(i);
            let hash = key_hash(&key);
            let there = pairs.get(&hash).map(|(_, value)| value.as_slice());
            for claim in [None, Some(forged.as_slice()), Some(b"forged")] {
                let passes = proof.verify(&tree.root(), &key, claim).is_ok();
                if passes && (claim != there || proof != tree.prove(&hash)) {
                    panic!("a false claim of {hash:?} passes");
                }
            }
        }
    }
    let limits = RangeLimits { entries: 64, bytes: 1 << 16 };
    if let Ok(proof) = RangeProof::decode(bytes, limits) {
        if proof.encode() != bytes {
            panic!("a range proof has two forms");
        }
        // What the bytes say of their range is taken as the question.
        let from = bytes.get(1..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        let bounded = bytes.get(33) == Some(&1);
        let end: Option<Hash> = bytes.get(34..).and_then(<[u8]>::first_chunk).copied();
        for end in [end.filter(|_| bounded), None] {
            let Ok(shown) = proof.clone().verify(&tree.root(), &from, end.as_ref()) else {
                continue;
            };
            let stop = shown.next().or(end);
            let inside = |hash: &Hash| *hash >= from && stop.is_none_or(|stop| *hash < stop);
            let all = pairs.iter().filter(|(hash, _)| inside(hash)).map(|(_, pair)| pair);
            if !all.eq(shown.entries()) {
                panic!("a range proof of wrong entries passes");
            }
            let own = tree.prove_range(&from, stop.as_ref(), shown.into_entries());
            if own != proof {
                panic!("a range has two proofs");
            }
        }
    }
}
