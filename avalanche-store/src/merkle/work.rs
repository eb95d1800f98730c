//! What an update has made so far.

use super::batch::Scratch;
use super::cells::Cells;
use super::node::Ref;
use super::pool::{Made, Place, Pool};

/// A node of the parent's version in whose place there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) at: Ref,
    pub(crate) place: Place,
}

/// What updating made.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) made: Vec<Made>,
    pub(crate) gone: Vec<Gone>,
    /// Hashes that it took.
    pub(crate) hashes: u64,
    /// Free slots that were taken from the pool.
    pub(super) spare: Vec<u32>,
    pub(super) cells: Cells,
    pub(super) scratch: Scratch,
}

impl Work {
    /// With room for what so many changes make in a large tree.
    pub(crate) fn for_changes(changes: usize, pool: &Pool) -> Self {
        let made = Vec::with_capacity(changes / 4 * 9 + 64);
        Self { made, scratch: pool.scratch(), ..Self::default() }
    }

    /// Gives the pool back what was borrowed of it.
    pub(super) fn settle(&mut self, pool: &Pool) {
        pool.give_back(&self.spare);
        self.spare.clear();
        pool.take_back(std::mem::take(&mut self.cells), std::mem::take(&mut self.scratch));
    }
}
