//! The floor of recording a poll: find each voted block, climb to the root, count once a level.

#![expect(
    clippy::indexing_slicing,
    reason = "handles come from this arena; a floor checks nothing"
)]

use std::collections::HashMap;

use avalanche_consensus::{HashKey, Id};

/// One block: the handle of its parent and a counter.
#[derive(Clone, Copy, Debug)]
struct Level {
    parent: u32,
    counter: u32,
}

/// Handle of the root.
const ROOT: u32 = 0;

/// An arena of blocks with an index by identifier.
#[derive(Debug)]
pub struct Walk {
    index: HashMap<Id, u32, HashKey>,
    levels: Vec<Level>,
}

impl Walk {
    /// Only the root, which has the identifier `root`.
    #[must_use]
    pub fn new(root: Id) -> Self {
        let mut index = HashMap::with_hasher(HashKey::from_seed([7; 32]));
        index.insert(root, ROOT);
        Self { index, levels: vec![Level { parent: ROOT, counter: 0 }] }
    }

    /// Adds a block.
    pub fn add(&mut self, id: Id, parent: Id) {
        let level = Level { parent: self.index[&parent], counter: 0 };
        let handle = u32::try_from(self.levels.len()).unwrap_or(u32::MAX);
        self.levels.push(level);
        self.index.insert(id, handle);
    }

    /// Removes the root and makes its only child `id` the root, at the same place in the arena.
    pub fn accept(&mut self, root: &Id, id: Id) {
        self.index.remove(root);
        self.levels.truncate(1);
        self.index.insert(id, ROOT);
    }

    /// Looks each of `votes` up, and climbs from the blocks that `climbs` says: the others are met
    /// on the way of those, so that no level is counted twice.
    pub fn poll(&mut self, votes: &[(Id, u32)], climbs: usize) -> u32 {
        let mut total = 0;
        for (at, (id, count)) in votes.iter().enumerate() {
            let mut handle = self.index[id];
            if at < climbs {
                while handle != ROOT {
                    let level = &mut self.levels[handle as usize];
                    level.counter = level.counter.wrapping_add(*count);
                    handle = level.parent;
                }
            } else {
                self.levels[handle as usize].counter ^= count;
            }
            total += count;
        }
        total
    }
}
