//! Patches of nodes: what a version changes of one, without the rest.

use super::super::cells::Cells;
use super::super::hash::Hash;
use super::super::prefetch::prefetch;
use super::super::seen::Seen;
use super::{Kind, Node, Ref, Shape, ones};

/// What other leaves of the same keys, or another node in the place of one, have beside the hash.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Set<'a> {
    /// The value hashes of all leaves of the slot.
    Values(&'a [Hash]),
    /// Where the node is.
    Node(Ref),
}

impl Node {
    /// A patch over `old` with the shape that [`Shape::patched`] has given: other hashes at the
    /// positions in `fresh`, and other leaf values or nodes in some slots.
    #[inline]
    pub(crate) fn patch<'a>(
        old: Seen<'_>,
        shape: Shape,
        fresh: u32,
        hash: impl Fn(usize) -> Hash,
        sets: impl Iterator<Item = (usize, Set<'a>)>,
        spare: &mut Cells,
    ) -> Self {
        let mut cells = spare.take(shape.used_cells());
        if old.shape().is_patch() {
            let mut patch = Self { shape, cells };
            patch.apply(old.top());
            patch.change(fresh, hash, sets);
            return patch;
        }
        // All that it has is new, and in the order of its cells.
        let mut rest = cells.iter_mut();
        for (position, cell) in ones(fresh).zip(rest.by_ref()) {
            *cell = hash(position);
        }
        for (_, set) in sets {
            match set {
                Set::Values(values) => {
                    for (value, cell) in values.iter().zip(rest.by_ref()) {
                        *cell = *value;
                    }
                }
                Set::Node(at) => {
                    if let Some(half) = rest.next().and_then(|cell| cell.first_chunk_mut()) {
                        *half = at.bytes();
                    }
                }
            }
        }
        Self { shape, cells }
    }

    /// Takes other hashes, leaf values and nodes, for which it has room.
    pub(crate) fn change<'a>(
        &mut self,
        fresh: u32,
        hash: impl Fn(usize) -> Hash,
        sets: impl Iterator<Item = (usize, Set<'a>)>,
    ) {
        for position in ones(fresh) {
            self.set_hash(position, &hash(position));
        }
        for (slot, set) in sets {
            match set {
                Set::Values(values) => {
                    for (number, value) in values.iter().enumerate() {
                        self.set_cell(self.shape.value_cell(slot, number), value);
                    }
                }
                Set::Node(at) => self.set_ref(slot, at),
            }
        }
    }

    /// Takes over what a patch changes. This one has room for it.
    pub(crate) fn apply(&mut self, patch: &Self) {
        let mut from = patch.cells.iter();
        for position in ones(patch.shape.hashes) {
            if let Some(hash) = from.next() {
                self.set_cell(self.shape.hash_cell(position), hash);
            }
        }
        for slot in ones(u32::from(patch.shape.slots)) {
            if self.shape.kind(slot) == Kind::Inner {
                self.set_ref(slot, patch.node(slot));
            }
            for number in 0..self.shape.leaves_in(slot) {
                let value = patch.leaf_value(slot, number);
                self.set_cell(self.shape.value_cell(slot, number), &value);
            }
        }
    }

    /// Swaps with a whole node what this patch changes. Then the other is what this was over it,
    /// and this, over the other, what that was.
    pub(crate) fn exchange(&mut self, whole: &mut Self) {
        let mut mine = self.cells.iter_mut();
        for position in ones(self.shape.hashes) {
            let cell = whole.shape.hash_cell(position);
            if let (Some(a), Some(b)) = (mine.next(), whole.cells.get_mut(cell)) {
                std::mem::swap(a, b);
            }
        }
        for slot in ones(u32::from(self.shape.slots)) {
            if self.shape.kind(slot) == Kind::Inner {
                let (mine, other) = (self.node(slot), whole.node(slot));
                self.set_ref(slot, other);
                whole.set_ref(slot, mine);
            }
            for number in 0..self.shape.leaves_in(slot) {
                let (mine, other) = (self.leaf_value(slot, number), whole.leaf_value(slot, number));
                self.set_cell(self.shape.value_cell(slot, number), &other);
                whole.set_cell(whole.shape.value_cell(slot, number), &mine);
            }
        }
    }

    /// Asks for the hashes at some positions, and for what some slots hold, of a whole node.
    pub(crate) fn prefetch(&self, positions: u32, slots: u16) {
        let (cells, hash_cell): (&[Hash], _) = (&self.cells, self.shape.hash_cell_by_position());
        let ask = |cell: usize| cells.get(cell).into_iter().for_each(prefetch);
        ones(positions & self.shape.present).map(hash_cell).for_each(ask);
        for slot in ones(u32::from(slots & self.shape.occupied)) {
            let leaves = self.shape.leaves_in(slot);
            if leaves == 0 {
                ask(self.shape.ref_half(slot).0);
            }
            let first = self.shape.leaf_cell(slot);
            (first..first + 2 * leaves).for_each(ask);
        }
    }

    /// Asks for all cells. Two are as long as a line.
    pub(crate) fn prefetch_all(&self) {
        self.cells.iter().step_by(2).chain(self.cells.last()).for_each(prefetch);
    }
}
