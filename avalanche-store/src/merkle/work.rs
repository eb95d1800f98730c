//! What an update has made so far.

use super::cells::Cells;
use super::node::Ref;
use super::pool::{Installed, Made, Place, Pool};
use super::scratch::Scratch;

/// A node of the parent's version in whose place there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) at: Ref,
    pub(crate) place: Place,
}

/// How far updating has come.
#[derive(Debug, Default)]
pub(super) struct Mark {
    made: usize,
    gone: usize,
    hashes: u64,
}

/// What updating made.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Nodes that are not in the pool yet.
    pub(super) made: Vec<Made>,
    /// Those that are.
    pub(crate) installed: Vec<Installed>,
    pub(crate) gone: Vec<Gone>,
    /// New hashes, without those that are made again in twigs.
    pub(crate) hashes: u64,
    /// Free slots that were taken from the pool.
    pub(super) spare: Vec<u32>,
    pub(super) cells: Cells,
    /// Once it is needed.
    pub(super) scratch: Option<Scratch>,
}

impl Work {
    /// Makes room for what so many changes make in a large tree, which is put into the pool at once
    /// or at the end.
    pub(super) fn reserve(&mut self, changes: usize, at_once: bool) {
        let nodes = changes / 2 * 3 + 64;
        if at_once {
            self.installed.reserve(nodes);
        } else {
            self.made.reserve(nodes);
        }
    }

    /// How far it has come.
    pub(super) fn mark(&self) -> Mark {
        Mark { made: self.made.len(), gone: self.gone.len(), hashes: self.hashes }
    }

    /// Undoes what was done since, none of which is in the pool.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.spare.extend(self.made.drain(mark.made..).map(|made| made.slot));
        self.gone.truncate(mark.gone);
        self.hashes = mark.hashes;
    }

    /// Gives the pool back what was borrowed of it.
    pub(super) fn give_back(&mut self, pool: &Pool) {
        pool.give_back(&self.spare);
        self.spare.clear();
        pool.keep(std::mem::take(&mut self.cells), self.scratch.take());
    }
}
