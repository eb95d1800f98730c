//! Memory of nodes, used again.

use std::ops::{Deref, DerefMut};

use super::hash::Hash;
use super::node::TWIG_MAX;
use super::prefetch::prefetch;

/// Bytes that allocators of 64-bit systems align to.
const ALIGNED: usize = 16;
/// What is allocated beside the cells, in such steps, so that they can begin at a multiple of a
/// cell's bytes.
const BESIDE: usize = size_of::<Hash>() / ALIGNED - 1;
/// Cells are made, and used again, in lengths that are multiples of this: lines of the processor's
/// cache.
const STEP: usize = 2;
/// The list of what comes then is asked for so long before.
const AHEAD: usize = 8;
/// Lines of the next cells that are asked for.
const NEXT_LINES: usize = 6;
/// The most cells of a node: 64 leaves and 30 hashes.
const CELLS_MAX: usize = 2 * 16 * TWIG_MAX + 30;
/// Lengths from here on are long: whole nodes have them, and few patches.
const LONG: usize = 12;
/// Lengths that there are.
const LENGTHS: usize = CELLS_MAX / STEP;

/// The cells of a node, none of which lies in two lines of the processor's cache.
///
/// Asking an allocator for that takes it more time and leaves holes; 16 bytes too many do not.
/// Where it aligns to less than 16 bytes, some cells lie in two lines, and nothing else changes.
#[derive(Debug, Default)]
pub(crate) struct NodeCells(Box<[[u8; ALIGNED]]>);

impl NodeCells {
    /// At least `len` cells.
    pub(crate) fn new(len: usize) -> Self {
        let parts = len.next_multiple_of(STEP) * size_of::<Hash>() / ALIGNED;
        Self(vec![[0; ALIGNED]; parts + BESIDE].into_boxed_slice())
    }

    /// Bytes that are allocated.
    pub(crate) const fn bytes(&self) -> usize {
        self.0.len() * ALIGNED
    }

    /// Where the first cell begins, and where the last ends.
    fn bounds(&self) -> (usize, usize) {
        let steps = self.0.as_ptr().addr() / ALIGNED;
        let first = steps.wrapping_neg() % (BESIDE + 1);
        (first, first + self.0.len().saturating_sub(BESIDE))
    }
}

impl Deref for NodeCells {
    type Target = [Hash];

    fn deref(&self) -> &[Hash] {
        let (first, last) = self.bounds();
        self.0.get(first..last).unwrap_or_default().as_flattened().as_chunks().0
    }
}

impl DerefMut for NodeCells {
    fn deref_mut(&mut self) -> &mut [Hash] {
        let (first, last) = self.bounds();
        self.0.get_mut(first..last).unwrap_or_default().as_flattened_mut().as_chunks_mut().0
    }
}

/// Cells of nodes that were dropped, by length. Taking them from here instead of from the allocator
/// is most of the speed of small changes to a large tree.
#[derive(Debug)]
pub(crate) struct Cells {
    by_length: [Vec<NodeCells>; LENGTHS],
    bytes: usize,
}

impl Default for Cells {
    fn default() -> Self {
        Self { by_length: [const { Vec::new() }; LENGTHS], bytes: 0 }
    }
}

impl Cells {
    /// At least `len` cells, with anything in them.
    pub(crate) fn take(&mut self, len: usize) -> NodeCells {
        let list = self.by_length.get_mut(len.div_ceil(STEP).saturating_sub(1));
        if let Some(list) = list
            && let Some(cells) = list.pop()
        {
            self.bytes = self.bytes.saturating_sub(cells.bytes());
            list.get(list.len().saturating_sub(AHEAD)).into_iter().for_each(prefetch);
            if let Some(next) = list.last() {
                // They are written soon.
                next.iter().step_by(STEP).take(NEXT_LINES).for_each(prefetch);
            }
            return cells;
        }
        NodeCells::new(len)
    }

    /// Keeps cells for later.
    pub(crate) fn keep(&mut self, cells: NodeCells) {
        let length = cells.len() / STEP;
        if let Some(list) = self.by_length.get_mut(length.wrapping_sub(1)) {
            self.bytes += cells.bytes();
            list.push(cells);
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fills `to` up to `max` cells of each length, of long ones to an eighth of that, as far as
    /// there are any.
    pub(crate) fn lend(&mut self, to: &mut Self, max: usize) {
        let lists = self.by_length.iter_mut().zip(&mut to.by_length);
        for (length, (from, to_list)) in lists.enumerate() {
            let max = if length < LONG { max } else { max / 8 };
            let wanted = max.saturating_sub(to_list.len());
            let keep = from.len().saturating_sub(wanted);
            for cells in from.drain(keep..) {
                self.bytes = self.bytes.saturating_sub(cells.bytes());
                to.bytes += cells.bytes();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_begin_where_they_should_and_are_all_there() {
        assert!(NodeCells::default().is_empty());
        for len in 1..=CELLS_MAX {
            let mut cells = NodeCells::new(len);
            assert!(cells.len() >= len && cells.len() <= len + 1, "{len}: {}", cells.len());
            for (n, cell) in (0_u8..).zip(cells.iter_mut()) {
                *cell = [n; 32];
            }
            assert!((0_u8..).zip(cells.iter()).all(|(n, cell)| *cell == [n; 32]));
            let (start, allocated) = (cells.as_ptr().addr(), cells.0.as_ptr().addr());
            assert!(start.is_multiple_of(32) || !allocated.is_multiple_of(16));
        }
    }

    #[test]
    fn cells_that_are_kept_come_back_for_their_length_only() {
        let mut spare = Cells::default();
        let lengths = [1, 2, 7, CELLS_MAX];
        lengths.iter().for_each(|len| spare.keep(NodeCells::new(*len)));
        let bytes = spare.bytes();
        let mut lent = Cells::default();
        spare.lend(&mut lent, 1);
        assert_eq!(lent.bytes() + spare.bytes(), bytes);
        spare.absorb(lent);
        assert_eq!(spare.take(4).len(), 4);
        assert_eq!(spare.bytes(), bytes, "there was none of four");
        for len in lengths {
            assert!(spare.take(len).len() >= len);
        }
        assert_eq!(spare.bytes(), 0);
    }
}
