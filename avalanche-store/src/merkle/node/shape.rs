//! What a node holds, and in which of its cells.

use super::twig::TWIG_MAX;

/// What there is of a node, without its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bit p: position p exists, for p from 2 to 31.
    pub(super) present: u32,
    /// Bit s: slot s is not empty.
    pub(super) occupied: u16,
    /// Bit s of the first 16: slot s has a leaf; of the next 16: it has a second one, and so on. So
    /// the bits below some slot, counted, are the leaves before it.
    pub(super) leaves: u64,
    /// Bit p: a patch changes the hash of position p. 0 if this is no patch.
    pub(super) hashes: u32,
    /// Bit s: a patch changes the values of the leaves, or the node, in slot s.
    pub(super) slots: u16,
    /// Cells before the hashes, and all cells, of the whole node: counted once.
    pub(super) before_hashes: u8,
    pub(super) cells: u8,
}

/// What a slot holds, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Empty,
    Leaf,
    /// Two to four leaves, see [`Twig`](super::Twig).
    Twig,
    Inner,
}

/// The first slot, for each of the leaves that it may have.
const FIRST_SLOT: u64 = 0x0001_0001_0001_0001;

/// The same 16 bits for the first leaves of slots, the second, the third and the fourth.
fn fourfold(slots: u16) -> u64 {
    u64::from(slots) * FIRST_SLOT
}

/// The slots before one.
const fn before(slot: usize) -> u16 {
    let [low, high, ..] = ((1_u32 << slot) - 1).to_le_bytes();
    u16::from_le_bytes([low, high])
}

impl Shape {
    /// What a slot holds.
    pub(crate) fn kind(&self, slot: usize) -> Kind {
        match (self.occupied >> slot & 1, self.leaves >> slot & 0x1_0001) {
            (0, _) => Kind::Empty,
            (_, 0) => Kind::Inner,
            (_, 1) => Kind::Leaf,
            _ => Kind::Twig,
        }
    }

    /// How many leaves a slot has here, not counting those of nodes below.
    pub(crate) fn leaves_in(&self, slot: usize) -> usize {
        // The sum of the four bits, which a count of all would take longer for.
        let [.., sum, _] =
            (self.leaves >> slot & FIRST_SLOT).wrapping_mul(FIRST_SLOT).to_le_bytes();
        usize::from(sum)
    }

    /// Says what a slot holds: so many leaves, or a node if there are none.
    pub(super) fn hold(&mut self, slot: usize, leaves: usize) {
        self.occupied |= 1 << slot;
        for number in 0..leaves.min(TWIG_MAX) {
            self.leaves |= 1 << (16 * number + slot);
        }
    }

    /// How many cells it has.
    pub(super) fn used_cells(&self) -> usize {
        if self.is_patch() { self.slot_cell(16) } else { self.whole_cells() }
    }

    /// How many cells the whole node has.
    pub(super) fn whole_cells(&self) -> usize {
        usize::from(self.cells)
    }

    /// Counts cells, once all else is set.
    pub(super) fn count_cells(&mut self) {
        let before = self.leaf_cells() + (self.nodes().count_ones() as usize).div_ceil(2);
        let byte = |cells: usize| u8::try_from(cells).unwrap_or(u8::MAX);
        self.before_hashes = byte(before);
        self.cells = byte(before + self.present.count_ones() as usize);
    }

    /// Whether the node below has to be read for what this does not have.
    pub(crate) const fn is_patch(&self) -> bool {
        self.hashes != 0
    }

    /// The shape of a patch with other hashes at some positions, and something else in some slots.
    /// `None` if it would not be much smaller than a whole node.
    pub(crate) fn patched(self, hashes: u32, slots: u16) -> Option<Self> {
        let shape = Self { hashes: self.hashes | hashes, slots: self.slots | slots, ..self };
        (2 * shape.used_cells() <= self.whole_cells()).then_some(shape)
    }

    /// Whether the hash of a position that exists is here.
    pub(crate) const fn has_hash(&self, position: usize) -> bool {
        !self.is_patch() || self.hashes >> position & 1 == 1
    }

    /// Whether the values of leaves, or the node, of a slot are here.
    pub(crate) const fn has_slot(&self, slot: usize) -> bool {
        !self.is_patch() || self.slots >> slot & 1 == 1
    }

    /// Bit s: slot s is a node.
    pub(super) const fn nodes(&self) -> u16 {
        let [low, high, ..] = self.leaves.to_le_bytes();
        self.occupied & !u16::from_le_bytes([low, high])
    }

    /// Cells of the leaves, which come first.
    pub(super) const fn leaf_cells(&self) -> usize {
        2 * self.leaves.count_ones() as usize
    }

    /// Cells before the hashes.
    pub(super) fn before_hashes(&self) -> usize {
        usize::from(self.before_hashes)
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

    /// Where a whole node has the key hash of the first leaf in a slot; its value hash follows, and
    /// then the other leaves.
    pub(super) fn leaf_cell(&self, slot: usize) -> usize {
        2 * (self.leaves & fourfold(before(slot))).count_ones() as usize
    }

    /// Where a patch has what it says of a slot; for 16, where it ends.
    pub(super) fn slot_cell(&self, slot: usize) -> usize {
        let slots = self.slots & before(slot);
        let others = u64::from(self.hashes) | u64::from(self.nodes() & slots) << 32;
        ((self.leaves & fourfold(slots)).count_ones() + others.count_ones()) as usize
    }

    /// Which cell, and which half of it, has the reference in a slot.
    pub(super) fn ref_half(&self, slot: usize) -> (usize, usize) {
        if self.is_patch() {
            return (self.slot_cell(slot), 0);
        }
        let index = (self.nodes() & before(slot)).count_ones() as usize;
        (self.leaf_cells() + index / 2, index % 2)
    }

    /// Where the value hash of a leaf in a slot is, the first being number 0.
    pub(super) fn value_cell(&self, slot: usize, number: usize) -> usize {
        if self.is_patch() {
            return self.slot_cell(slot) + number;
        }
        self.leaf_cell(slot) + 2 * number + 1
    }

    /// Whether a position exists.
    pub(crate) const fn exists(&self, position: usize) -> bool {
        self.present >> position & 1 == 1
    }

    /// Where the leaf in a slot stands.
    pub(crate) fn leaf_position(&self, slot: usize) -> usize {
        // The lowest of the four that exists; branches would be guessed wrong half of the time.
        let exists = |up: usize| (self.present >> ((16 + slot) >> up) & 1) << up;
        let levels = (exists(0) | exists(1) | exists(2) | exists(3)).trailing_zeros();
        (16 + slot) >> levels.min(4)
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
