//! The root of leaves that come in the order of their key hashes, in bounded memory.

use super::hash::{Hash, Part, inner_hash};
use super::path::{bit, shared_bits};

/// Subtrees to the left of the last leaf: at most one a level, so 256.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// Left halves whose right halves have begun: the depth of the branch, and the half.
    open: Vec<(usize, Part)>,
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    key: Hash,
    part: Part,
    /// Where `part` begins, if it is inner.
    depth: usize,
}

impl Last {
    /// The subtree that begins further up, and holds nothing else.
    fn lift(&mut self, to: usize) {
        let Part::Inner(mut hash) = self.part else { return };
        for depth in (to..self.depth).rev() {
            hash = if bit(&self.key, depth) {
                inner_hash(&super::EMPTY, &hash)
            } else {
                inner_hash(&hash, &super::EMPTY)
            };
        }
        self.part = Part::Inner(hash);
        self.depth = to;
    }
}

impl Stream {
    /// Adds a leaf, by its key hash and its hash. `false`, and nothing done, if its key hash is not
    /// above the one before.
    #[must_use]
    pub(crate) fn push(&mut self, key: &Hash, hash: Hash) -> bool {
        if let Some(last) = self.last {
            if last.key >= *key {
                return false;
            }
            let branch = shared_bits(&last.key, key);
            let mut last = self.close(last, branch + 1);
            last.lift(branch + 1);
            self.open.push((branch, last.part));
        }
        self.last = Some(Last { key: *key, part: Part::Leaf(hash), depth: 0 });
        true
    }

    /// Joins `last` with the halves to its left whose branches lie at `depth` or below.
    fn close(&mut self, mut last: Last, depth: usize) -> Last {
        while let Some((branch, left)) = self.open.pop_if(|(branch, _)| *branch >= depth) {
            last.lift(branch + 1);
            last = Last { part: Part::of(left, last.part), depth: branch, ..last };
        }
        last
    }

    /// The subtree that begins at `depth`; all leaves share that many bits.
    pub(crate) fn finish(mut self, depth: usize) -> Part {
        let Some(last) = self.last else { return Part::Empty };
        let mut last = self.close(last, depth);
        last.lift(depth);
        last.part
    }
}
