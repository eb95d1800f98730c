//! Which ancestor a block without a verdict hangs from.

use std::collections::BTreeSet;

use crate::vocabulary::IdMap;
use crate::{Error, HashKey, Id};

/// Parents of blocks that could not be verified, so that votes for them count for an ancestor that
/// could (AvalancheGo's `snow/engine/snowman/ancestor`).
///
/// ```text
///      a            ancestor(d) = ancestor(b) = a, for a has no parent here
///     / \           remove_descendants(b) takes out b and d
///    b   c
///    |
///    d
/// ```
///
/// # Limits
///
/// At most [`AncestorTree::BLOCKS_MAX`] blocks unless [`AncestorTree::with_blocks_max`] says
/// otherwise. A change costs O(log n) a block, a question for the ancestor one lookup a generation.
#[derive(Clone, Debug)]
pub struct AncestorTree {
    parents: IdMap<Id, Id>,
    /// Never empty sets.
    children: IdMap<Id, BTreeSet<Id>>,
    blocks_max: usize,
}

impl AncestorTree {
    /// Blocks unless the caller says otherwise: 65,536.
    pub const BLOCKS_MAX: usize = 1 << 16;

    /// An empty tree.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        Self { parents: IdMap::new(key), children: IdMap::new(key), blocks_max: Self::BLOCKS_MAX }
    }

    /// Sets the number of blocks. Blocks that are known stay.
    #[must_use]
    pub fn with_blocks_max(mut self, max: usize) -> Self {
        self.blocks_max = max;
        self
    }

    /// Notes the parent of a block. A block has one parent for good, so one that is known stays as
    /// it is.
    ///
    /// # Errors
    ///
    /// [`Error::AncestorsFull`] if as many blocks as allowed are known. Then nothing has changed.
    pub fn add(&mut self, id: Id, parent: Id) -> Result<(), Error> {
        if self.parents.contains(&id) {
            return Ok(());
        }
        if self.parents.len() >= self.blocks_max {
            return Err(Error::AncestorsFull { max: self.blocks_max });
        }
        self.parents.insert(id, parent);
        match self.children.get_mut(&parent) {
            Some(children) => {
                children.insert(id);
            }
            None => {
                self.children.insert(parent, BTreeSet::from([id]));
            }
        }
        Ok(())
    }

    /// Forgets the parent of a block. What is above the block stays, and hangs from it.
    pub fn remove(&mut self, id: &Id) {
        let Some(parent) = self.parents.remove(id) else { return };
        let Some(children) = self.children.get_mut(&parent) else { return };
        children.remove(id);
        if children.is_empty() {
            self.children.remove(&parent);
        }
    }

    /// Forgets a block and everything above it.
    pub fn remove_descendants(&mut self, id: &Id) {
        self.remove(id);
        let mut below = vec![*id];
        while let Some(id) = below.pop() {
            self.parents.remove(&id);
            below.extend(self.children.remove(&id).into_iter().flatten());
        }
    }

    /// The earliest known ancestor of a block, which is the first without a known parent; the block
    /// itself if it has none.
    #[must_use]
    pub fn ancestor(&self, id: &Id) -> Id {
        let mut earliest = *id;
        // Names that are no hashes could lead in a circle; a walk of more steps than blocks ends.
        for _ in 0..self.parents.len() {
            let Some(parent) = self.parents.get(&earliest) else { break };
            earliest = *parent;
        }
        earliest
    }

    /// Whether the parent of a block is known.
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        self.parents.contains(id)
    }

    /// Number of blocks whose parent is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Whether no parent is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    fn id(byte: u8) -> Id {
        Id::new([byte; 32])
    }

    fn tree(edges: &[(u8, u8)]) -> AncestorTree {
        let mut tree = AncestorTree::new(HashKey::from_seed([0; 32]));
        for (block, parent) in edges {
            tree.add(id(*block), id(*parent)).expect("room");
        }
        tree
    }

    #[test]
    fn ancestors_end_at_the_first_without_a_parent() {
        let tree = tree(&[(2, 1), (3, 2), (4, 2), (7, 6)]);
        for (block, ancestor) in [(1, 1), (2, 1), (3, 1), (4, 1), (7, 6), (6, 6), (9, 9)] {
            assert_eq!(tree.ancestor(&id(block)), id(ancestor), "{block}");
        }
        assert_eq!((tree.len(), tree.contains(&id(1)), tree.contains(&id(2))), (4, false, true));
    }

    #[test]
    fn a_removed_block_keeps_what_is_above_it() {
        let mut tree = tree(&[(2, 1), (3, 2), (4, 1)]);
        tree.remove(&id(2));
        tree.remove(&id(9));
        assert_eq!((tree.len(), tree.contains(&id(2))), (2, false));
        assert_eq!((tree.ancestor(&id(3)), tree.ancestor(&id(4))), (id(2), id(1)));
        // It is no longer one of those above 1.
        tree.remove_descendants(&id(1));
        assert_eq!((tree.len(), tree.contains(&id(3))), (1, true));
    }

    #[test]
    fn descendants_leave_with_their_block_and_siblings_stay() {
        let edges = [(2, 1), (3, 2), (4, 3), (5, 2), (6, 1)];
        for (block, left) in [(2, &[6][..]), (1, &[]), (3, &[2, 5, 6]), (9, &[2, 3, 4, 5, 6])] {
            let mut tree = tree(&edges);
            tree.remove_descendants(&id(block));
            let known: Vec<u8> = (0..10).filter(|block| tree.contains(&id(*block))).collect();
            assert_eq!(known, left, "{block}");
            // Nothing is kept of sets that became empty.
            let parents = left.iter().map(|block| edges.iter().find(|edge| edge.0 == *block));
            let parents: BTreeSet<_> = parents.flatten().map(|edge| edge.1).collect();
            assert_eq!(tree.children.len(), parents.len(), "{block}");
        }
    }

    #[test]
    fn bounds_and_circles_are_harmless() {
        let mut tree = tree(&[(1, 2), (2, 1)]).with_blocks_max(2);
        let _ = tree.ancestor(&id(1));
        assert_eq!(tree.add(id(3), id(1)), Err(Error::AncestorsFull { max: 2 }));
        tree.add(id(1), id(9)).expect("known already");
        tree.remove_descendants(&id(1));
        assert!(tree.is_empty());
        tree.add(id(3), id(1)).expect("room again");
    }

    /// Against a map that is searched as a whole.
    #[test]
    fn any_calls_do_what_a_plain_map_would() {
        let (deep, wide) = (Cell::new(0), Cell::new(0));
        let strategy = prop::collection::vec((0_u8..6, 1_u8..24, 0_u8..24), 1..80);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&strategy, |steps| {
                let (mut tree, mut model) = (tree(&[]), BTreeMap::<u8, u8>::new());
                for (kind, block, parent) in steps {
                    match kind {
                        0 => {
                            tree.remove(&id(block));
                            model.remove(&block);
                        }
                        1 => {
                            let before = model.clone();
                            model.retain(|at, _| *at != block && !climbs(&before, *at, block));
                            wide.set(wide.get() + u32::from(before.len() > model.len() + 2));
                            tree.remove_descendants(&id(block));
                        }
                        _ => {
                            let parent = parent % block;
                            model.entry(block).or_insert(parent);
                            tree.add(id(block), id(parent)).expect("room");
                        }
                    }
                    prop_assert_eq!(tree.len(), model.len());
                    for block in 0..24 {
                        let (mut earliest, mut steps) = (block, 0);
                        while let Some(parent) = model.get(&earliest) {
                            (earliest, steps) = (*parent, steps + 1);
                        }
                        deep.set(deep.get() + u32::from(steps > 3));
                        prop_assert_eq!(tree.ancestor(&id(block)), id(earliest));
                    }
                }
                Ok(())
            })
            .expect("the tree equals its model");
        assert!(deep.get() > 100 && wide.get() > 20, "{} {}", deep.get(), wide.get());
    }

    /// Whether the parents of `at` lead to `goal`.
    fn climbs(model: &BTreeMap<u8, u8>, mut at: u8, goal: u8) -> bool {
        while let Some(parent) = model.get(&at) {
            if *parent == goal {
                return true;
            }
            at = *parent;
        }
        false
    }
}
