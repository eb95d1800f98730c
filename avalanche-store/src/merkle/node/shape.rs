//! What a node holds, and in which of its cells.

/// What there is of a node, without its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bit p: position p exists, for p from 2 to 31.
    pub(super) present: u32,
    /// Bit s: slot s is not empty.
    pub(super) occupied: u16,
    /// Bit s: slot s is a leaf.
    pub(super) leaves: u16,
    /// Bit p: a patch changes the hash of position p. 0 if this is no patch.
    pub(super) hashes: u32,
    /// Bit s: a patch changes the value of the leaf, or the node, in slot s.
    pub(super) slots: u16,
}

/// What a slot holds, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Empty,
    Leaf,
    Inner,
}

impl Shape {
    /// What a slot holds.
    pub(crate) fn kind(&self, slot: usize) -> Kind {
        match (self.occupied >> slot & 1, self.leaves >> slot & 1) {
            (0, _) => Kind::Empty,
            (_, 0) => Kind::Inner,
            _ => Kind::Leaf,
        }
    }

    /// How many cells it has.
    pub(super) const fn used_cells(&self) -> usize {
        if self.is_patch() {
            return (self.hashes.count_ones() + self.slots.count_ones()) as usize;
        }
        self.before_hashes() + self.present.count_ones() as usize
    }

    /// Whether the node below has to be read for what this does not have.
    pub(crate) const fn is_patch(&self) -> bool {
        self.hashes != 0
    }

    /// Whether the hash of a position that exists is here.
    pub(crate) const fn has_hash(&self, position: usize) -> bool {
        !self.is_patch() || self.hashes >> position & 1 == 1
    }

    /// Whether the leaf's value, or the node, of a slot is here.
    pub(crate) const fn has_slot(&self, slot: usize) -> bool {
        !self.is_patch() || self.slots >> slot & 1 == 1
    }

    /// Bit s: slot s is a node.
    pub(super) const fn nodes(&self) -> u16 {
        self.occupied & !self.leaves
    }

    /// Cells of the leaves, which come first.
    pub(super) const fn leaf_cells(&self) -> usize {
        2 * self.leaves.count_ones() as usize
    }

    /// Cells before the hashes.
    pub(super) const fn before_hashes(&self) -> usize {
        self.leaf_cells() + (self.nodes().count_ones() as usize).div_ceil(2)
    }

    /// Where the hash of a position is, which exists or, of a patch, is here.
    pub(super) fn hash_cell(&self, position: usize) -> usize {
        if self.is_patch() {
            return (self.hashes & ((1 << position) - 1)).count_ones() as usize;
        }
        self.hash_cell_by_position()(position)
    }

    /// Where the hashes of a whole node are, by position.
    pub(super) fn hash_cell_by_position(&self) -> impl Fn(usize) -> usize + use<> {
        let (before, present) = (self.before_hashes(), self.present);
        move |position| before + (present & ((1 << position) - 1)).count_ones() as usize
    }

    /// Where a whole node has the key hash of the leaf in a slot; its value hash follows.
    pub(super) fn leaf_cell(&self, slot: usize) -> usize {
        2 * (self.leaves & ((1 << slot) - 1)).count_ones() as usize
    }

    /// Where a patch has what it says of a slot.
    pub(super) fn slot_cell(&self, slot: usize) -> usize {
        (self.hashes.count_ones() + (self.slots & ((1 << slot) - 1)).count_ones()) as usize
    }

    /// Which cell, and which half of it, has the reference in a slot.
    pub(super) fn ref_half(&self, slot: usize) -> (usize, usize) {
        if self.is_patch() {
            return (self.slot_cell(slot), 0);
        }
        let index = (self.nodes() & ((1 << slot) - 1)).count_ones() as usize;
        (self.leaf_cells() + index / 2, index % 2)
    }

    /// Where the value hash of the leaf in a slot is.
    pub(super) fn value_cell(&self, slot: usize) -> usize {
        if self.is_patch() { self.slot_cell(slot) } else { self.leaf_cell(slot) + 1 }
    }

    /// Whether a position exists.
    pub(crate) const fn exists(&self, position: usize) -> bool {
        self.present >> position & 1 == 1
    }

    /// Where the leaf in a slot stands.
    pub(crate) fn leaf_position(&self, slot: usize) -> usize {
        let mut position = 16 + slot;
        while position > 1 && !self.exists(position) {
            position /= 2;
        }
        position
    }

    /// The slot of the only leaf below a position.
    pub(crate) fn slot_below(&self, position: usize) -> usize {
        let levels = 4 - position.max(1).ilog2();
        let first = (position << levels) & 15;
        first + (self.occupied >> first).trailing_zeros() as usize
    }

    /// The slots that hold something, ascending.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> + use<> {
        let occupied = self.occupied;
        (0..16).filter(move |slot| occupied >> slot & 1 == 1)
    }

    /// Where the hash of what a slot holds is.
    pub(crate) fn item_position(&self, slot: usize) -> usize {
        if self.kind(slot) == Kind::Leaf { self.leaf_position(slot) } else { 16 + slot }
    }
}
