//! Memory of nodes, used again.

use super::hash::{EMPTY, Hash};
use super::prefetch::prefetch;

/// Cells are made, and used again, in lengths that are multiples of this.
const STEP: usize = 4;
/// Lines of the next cells that are asked for.
const NEXT_LINES: usize = 6;
/// Lengths that there are: a node has at most 62 cells.
const LENGTHS: usize = 16;

/// Cells of nodes that were dropped, by length. Taking them from here instead of from the allocator
/// is most of the speed of small changes to a large tree.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    by_length: [Vec<Box<[Hash]>>; LENGTHS],
    bytes: usize,
}

/// At least `len` new cells.
pub(crate) fn fresh(len: usize) -> Box<[Hash]> {
    vec![EMPTY; len.div_ceil(STEP) * STEP].into_boxed_slice()
}

impl Cells {
    /// At least `len` cells, with anything in them.
    pub(crate) fn take(&mut self, len: usize) -> Box<[Hash]> {
        let list = self.by_length.get_mut(len.div_ceil(STEP).saturating_sub(1));
        if let Some(list) = list
            && let Some(cells) = list.pop()
        {
            self.bytes = self.bytes.saturating_sub(32 * cells.len());
            if let Some(next) = list.last() {
                // They are written soon. Two cells are a line.
                next.iter().step_by(2).take(NEXT_LINES).for_each(prefetch);
            }
            return cells;
        }
        fresh(len)
    }

    /// Keeps cells for later.
    pub(crate) fn keep(&mut self, cells: Box<[Hash]>) {
        let length = cells.len() / STEP;
        if let Some(list) = self.by_length.get_mut(length.wrapping_sub(1)) {
            self.bytes += 32 * cells.len();
            list.push(cells);
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fills `to` up to `max` cells of each length, as far as there are any.
    pub(crate) fn lend(&mut self, to: &mut Self, max: usize) {
        for (from, to_list) in self.by_length.iter_mut().zip(&mut to.by_length) {
            let wanted = max.saturating_sub(to_list.len());
            let keep = from.len().saturating_sub(wanted);
            for cells in from.drain(keep..) {
                self.bytes = self.bytes.saturating_sub(32 * cells.len());
                to.bytes += 32 * cells.len();
                to_list.push(cells);
            }
        }
    }

    /// Takes all that another holds.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        for (to, from) in self.by_length.iter_mut().zip(&mut other.by_length) {
            to.append(from);
        }
        self.bytes += other.bytes;
    }
}
