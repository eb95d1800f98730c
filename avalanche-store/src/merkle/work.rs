//! What an update has made so far.

use super::cells::Cells;
use super::node::Ref;
use super::pool::{Made, Place, Pool};
use super::scratch::Scratch;

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
    /// Once it is needed.
    pub(super) scratch: Option<Scratch>,
}

impl Work {
    /// With room for what so many changes make in a large tree.
    pub(crate) fn for_changes(changes: usize) -> Self {
        Self { made: Vec::with_capacity(changes / 4 * 9 + 64), ..Self::default() }
    }

    /// Gives the pool back what was borrowed of it.
    pub(super) fn give_back(&mut self, pool: &Pool) {
        pool.give_back(&self.spare);
        self.spare.clear();
        pool.keep(std::mem::take(&mut self.cells), self.scratch.take());
    }
}
