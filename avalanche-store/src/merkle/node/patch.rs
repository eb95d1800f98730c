//! Patches of nodes: what a version changes of one, without the rest.

use super::super::cells::Cells;
use super::super::hash::Hash;
use super::super::prefetch::prefetch;
use super::super::seen::Seen;
use super::{Kind, Node, Ref, Shape, ones};

/// What another leaf of the same key, or another node in the place of one, has beside its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Set {
    /// The value hash of the leaf.
    Value(Hash),
    /// Where the node is.
    Node(Ref),
}

impl Node {
    /// A patch over `old`: other hashes at the positions in `fresh`, and other leaf values or nodes
    /// in some slots. `None` if it would not be much smaller than a whole node.
    pub(crate) fn patch(
        old: Seen<'_>,
        fresh: u32,
        hash: impl Fn(usize) -> Hash,
        sets: impl Iterator<Item = (usize, Set)> + Clone,
        spare: &mut Cells,
    ) -> Option<Self> {
        let top = old.shape();
        let hashes = top.hashes | fresh;
        let slots = sets.clone().fold(top.slots, |slots, (slot, _)| slots | 1 << slot);
        let whole = Shape { hashes: 0, ..top }.used_cells();
        let cells = (hashes.count_ones() + slots.count_ones()) as usize;
        if 2 * cells > whole {
            return None;
        }
        let shape = Shape { hashes, slots, ..top };
        let mut patch = Self { shape, cells: spare.take(cells) };
        if top.is_patch() {
            patch.apply(old.top());
            patch.change(fresh, hash, sets);
            return Some(patch);
        }
        // All that it has is new, and in the order of its cells.
        let mut cells = patch.cells.iter_mut();
        for (position, cell) in ones(fresh).zip(cells.by_ref()) {
            *cell = hash(position);
        }
        for ((_, set), cell) in sets.zip(cells) {
            match set {
                Set::Value(value) => *cell = value,
                Set::Node(at) => {
                    if let Some(half) = cell.first_chunk_mut() {
                        *half = at.bytes();
                    }
                }
            }
        }
        Some(patch)
    }

    /// Takes other hashes, leaf values and nodes, for which it has room.
    pub(crate) fn change(
        &mut self,
        fresh: u32,
        hash: impl Fn(usize) -> Hash,
        sets: impl Iterator<Item = (usize, Set)>,
    ) {
        for position in ones(fresh) {
            self.set_hash(position, &hash(position));
        }
        for (slot, set) in sets {
            match set {
                Set::Value(value) => self.set_cell(self.shape.value_cell(slot), &value),
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
            match self.shape.kind(slot) {
                Kind::Inner => self.set_ref(slot, patch.node(slot)),
                _ => self.set_cell(self.shape.value_cell(slot), &patch.leaf_value(slot)),
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
            } else {
                let (mine, other) = (self.leaf_value(slot), whole.leaf_value(slot));
                self.set_cell(self.shape.value_cell(slot), &other);
                whole.set_cell(whole.shape.value_cell(slot), &mine);
            }
        }
    }

    /// Asks for the hashes at some positions, and for what some slots hold, of a whole node.
    pub(crate) fn prefetch(&self, positions: u32, slots: u16) {
        let (cells, hash_cell): (&[Hash], _) = (&self.cells, self.shape.hash_cell_by_position());
        let ask = |cell: usize| cells.get(cell).into_iter().for_each(prefetch);
        ones(positions & self.shape.present).map(hash_cell).for_each(ask);
        for slot in ones(u32::from(slots & self.shape.occupied)) {
            if self.shape.kind(slot) == Kind::Leaf {
                ask(self.shape.leaf_cell(slot));
                ask(self.shape.leaf_cell(slot) + 1);
            } else {
                ask(self.shape.ref_half(slot).0);
            }
        }
    }

    /// Asks for all cells. Two are as long as a line.
    pub(crate) fn prefetch_all(&self) {
        self.cells.iter().step_by(2).chain(self.cells.last()).for_each(prefetch);
    }
}
