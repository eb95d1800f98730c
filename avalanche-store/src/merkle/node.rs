//! Four levels of the binary trie in one record, packed.
//!
//! ```text
//!  position            1                 not stored: the parent holds it
//!                 2         3
//!               4   5     6   7          p has the halves 2p and 2p + 1
//!              8..................15
//!             16..................31     slots 0 to 15: the next four bits of a key hash
//!
//!  cells (32 bytes each), in one allocation:
//!    leaves, those of twigs too: key hash, value hash, in the order of keys
//!    references to the nodes below, two a cell, in slot order
//!    hashes of the positions that exist, ascending
//!
//! A patch has the same masks, and cells for what differs from the node below it:
//!
//!    hashes of the positions that changed, ascending
//!    for each slot that changed, ascending: the value hash of each leaf, or the reference and 16
//!    bytes that mean nothing
//! ```
//!
//! A position exists if its subtree has a leaf and its parent's has two or more: a leaf stands at
//! the highest position where it is alone, as the one-leaf rule has it. So a node with n leaves
//! and nodes below has about 2n - 2 hashes, and all siblings of a path lie together.
//!
//! A slot with two to four leaves that its next four bits part has no node below: it is a
//! [`Twig`], and has a position, as a node would, but none inside it.

mod patch;
mod positions;
mod record;
mod shape;
mod twig;

use super::cells::{Cells, NodeCells};
use super::hash::{EMPTY, Hash, inner_hash, is_leaf, leaf_hash};
use super::seen::Seen;

pub(crate) use patch::Set;
pub(crate) use positions::{Positions, above, beside, halves};
pub(crate) use record::{Malformed, VERSION};
pub(crate) use shape::{Kind, Shape};
pub(crate) use twig::{TWIG_MAX, Twig};

/// A slot number that no node has: the node is only in the store.
pub(crate) const NOT_LOADED: u32 = u32::MAX;

/// Where a node is: in memory while `slot` holds it, and in the store below `born` for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ref {
    /// Which entry of the pool held it.
    pub(crate) slot: u32,
    /// Which version of the tree made it. An entry with another was used again.
    pub(crate) serial: u32,
    /// The height that it was, or will be, written at.
    pub(crate) born: u64,
}

impl Ref {
    /// As a node has it in half a cell.
    fn bytes(self) -> [u8; 16] {
        let (low, high) = (u64::from(self.slot) | u64::from(self.serial) << 32, self.born);
        (u128::from(low) | u128::from(high) << 64).to_le_bytes()
    }

    fn of(half: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(half);
        let part = |from: u32| u32::try_from(both >> from & 0xffff_ffff).unwrap_or(0);
        let born = u64::try_from(both >> 64).unwrap_or(0);
        Self { slot: part(0), serial: part(32), born }
    }
}

/// A key hash and a value hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Where it stands.
    pub(crate) key: Hash,
    /// What it says.
    pub(crate) value: Hash,
    /// The hash of the two.
    pub(crate) hash: Hash,
}

impl Leaf {
    /// Hashes it.
    pub(crate) fn new(key: Hash, value: Hash) -> Self {
        Self { key, value, hash: leaf_hash(&key, &value) }
    }
}

/// A subtree that begins where a node begins or could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// No leaf.
    Empty,
    /// One.
    Leaf(Leaf),
    /// Two to four that the next four bits part.
    Twig(Twig),
    /// Two or more.
    Inner {
        /// Its hash.
        hash: Hash,
        /// Its topmost node.
        at: Ref,
    },
}

impl Item {
    /// The hash of the subtree.
    pub(crate) const fn hash(&self) -> Hash {
        match self {
            Self::Empty => EMPTY,
            Self::Leaf(leaf) => leaf.hash,
            Self::Twig(twig) => twig.hash,
            Self::Inner { hash, .. } => *hash,
        }
    }

    /// The leaf that it is, if it is one.
    pub(crate) const fn leaf(&self) -> Option<Leaf> {
        if let Self::Leaf(leaf) = self { Some(*leaf) } else { None }
    }

    /// The subtree that is the whole tree.
    pub(crate) const fn of(root: Root) -> Self {
        match root {
            Root::Empty => Self::Empty,
            Root::Leaf(leaf) => Self::Leaf(leaf),
            Root::Node { hash, at } => Self::Inner { hash, at },
        }
    }
}

/// A whole tree: as an item, but never a twig, since there is no node above to hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// No leaf.
    Empty,
    /// One.
    Leaf(Leaf),
    /// Two or more.
    Node {
        /// Its hash.
        hash: Hash,
        /// Its topmost node.
        at: Ref,
    },
}

impl Root {
    /// The root of the tree.
    pub(crate) const fn hash(&self) -> Hash {
        Item::of(*self).hash()
    }
}

/// A packed node, or a patch of one: read that through [`Seen`].
#[derive(Debug, Default)]
pub(crate) struct Node {
    shape: Shape,
    /// At least as long as the cells in use: lengths are rounded up, so that they are used again.
    cells: NodeCells,
}

impl Node {
    /// What it holds, without the bytes.
    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes of its cells.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.bytes()
    }

    pub(crate) fn into_cells(self) -> NodeCells {
        self.cells
    }

    /// A copy in cells that `take` gives for their number.
    pub(crate) fn copy(&self, take: impl FnOnce(usize) -> NodeCells) -> Self {
        let mut copy = take(self.shape.used_cells());
        for (to, from) in copy.iter_mut().zip(self.cells.iter()) {
            *to = *from;
        }
        Self { shape: self.shape, cells: copy }
    }

    fn cell(&self, index: usize) -> Hash {
        self.cells.get(index).copied().unwrap_or(EMPTY)
    }

    fn set_cell(&mut self, index: usize, hash: &Hash) {
        if let Some(cell) = self.cells.get_mut(index) {
            *cell = *hash;
        }
    }

    /// The hash at a position, [`EMPTY`] if it does not exist.
    pub(crate) fn hash_at(&self, position: usize) -> Hash {
        if self.shape.exists(position) { self.cell(self.shape.hash_cell(position)) } else { EMPTY }
    }

    /// Calls `see` with the hashes at some positions of a whole node, ascending: [`EMPTY`] at those
    /// that do not exist.
    pub(super) fn each_hash(&self, positions: u32, mut see: impl FnMut(usize, &Hash)) {
        let (cells, cell): (&[Hash], _) = (&self.cells, self.shape.hash_cell_by_position());
        for position in ones(positions) {
            let hash = cells.get(cell(position)).filter(|_| self.shape.exists(position));
            see(position, hash.unwrap_or(&EMPTY));
        }
    }

    pub(crate) fn set_hash(&mut self, position: usize, hash: &Hash) {
        self.set_cell(self.shape.hash_cell(position), hash);
    }

    /// Whether what stands at a position that exists is one leaf.
    pub(crate) fn is_leaf(&self, position: usize) -> bool {
        is_leaf(&self.hash_at(position))
    }

    /// Key hash and value hash of each leaf in a slot, of a whole node.
    pub(super) fn leaf_pairs(&self, slot: usize) -> &[[Hash; 2]] {
        let (first, leaves) = (self.shape.leaf_cell(slot), self.shape.leaves_in(slot));
        let cells: &[Hash] = &self.cells;
        cells.get(first..first + 2 * leaves).unwrap_or_default().as_chunks().0
    }

    /// The value hashes of a slot, of a patch that has them.
    pub(super) fn patched_values(&self, slot: usize) -> &[Hash] {
        let (first, leaves) = (self.shape.slot_cell(slot), self.shape.leaves_in(slot));
        let cells: &[Hash] = &self.cells;
        cells.get(first..first + leaves).unwrap_or_default()
    }

    /// Key hash and value hash of the first leaf in a slot.
    pub(crate) fn leaf_pair(&self, slot: usize) -> (Hash, Hash) {
        (self.leaf_key(slot, 0), self.leaf_value(slot, 0))
    }

    /// The value hash of a leaf in a slot, the first being number 0.
    pub(crate) fn leaf_value(&self, slot: usize, number: usize) -> Hash {
        self.cell(self.shape.value_cell(slot, number))
    }

    /// The key hash of a leaf in a slot, the first being number 0.
    pub(crate) fn leaf_key(&self, slot: usize, number: usize) -> Hash {
        self.cell(self.shape.leaf_cell(slot) + 2 * number)
    }

    /// The node below a slot.
    pub(crate) fn node(&self, slot: usize) -> Ref {
        let (index, second) = self.shape.ref_half(slot);
        let [a, b] = refs_of(&self.cell(index));
        Ref::of(if second == 0 { a } else { b })
    }

    fn set_ref(&mut self, slot: usize, at: Ref) {
        let (index, second) = self.shape.ref_half(slot);
        if let Some(cell) = self.cells.get_mut(index)
            && let Some(half) = cell.as_chunks_mut::<16>().0.get_mut(second)
        {
            *half = at.bytes();
        }
    }

    /// What a slot holds, of a whole node.
    pub(crate) fn item(&self, slot: usize) -> Item {
        Seen::alone(self).item(slot)
    }

    /// Packs 16 subtrees. Positions in `dirty` (bit p) are hashed, unless that is deferred; others
    /// are taken from `old`.
    ///
    /// Gives the whole subtree with its node, if there is one, and the positions that were, or have
    /// to be, hashed.
    pub(crate) fn pack(
        items: &[Item; 16],
        dirty: u32,
        old: Seen<'_>,
        spare: &mut Cells,
        defer: bool,
    ) -> (Packed, u32) {
        let mut at = [Position::Empty; 32];
        let mut hash = [EMPTY; 32];
        let mut hashed = 0;
        let mut node = Self::default();
        for (slot, item) in items.iter().enumerate() {
            let (kind, leaves) = match item {
                Item::Empty => continue,
                Item::Leaf(_) => (Position::Leaf(slot), 1),
                Item::Twig(twig) => (Position::Inner, twig.pairs().len()),
                Item::Inner { .. } => (Position::Inner, 0),
            };
            node.shape.hold(slot, leaves);
            set(&mut at, 16 + slot, kind);
            set(&mut hash, 16 + slot, item.hash());
        }
        for p in (1..16).rev() {
            let (l, r) = (get(&at, 2 * p, Position::Empty), get(&at, 2 * p + 1, Position::Empty));
            let (hl, hr) = (get(&hash, 2 * p, EMPTY), get(&hash, 2 * p + 1, EMPTY));
            let (kind, sum) = match (l, r) {
                (Position::Empty, Position::Empty) => continue,
                (Position::Leaf(_), Position::Empty) => (l, hl),
                (Position::Empty, Position::Leaf(_)) => (r, hr),
                _ => {
                    node.shape.present |= u32::from(l != Position::Empty) << (2 * p);
                    node.shape.present |= u32::from(r != Position::Empty) << (2 * p + 1);
                    if dirty >> p & 1 == 1 {
                        hashed |= 1 << p;
                        (Position::Inner, if defer { EMPTY } else { inner_hash(&hl, &hr) })
                    } else {
                        (Position::Inner, old.hash_at(p))
                    }
                }
            };
            set(&mut at, p, kind);
            set(&mut hash, p, sum);
        }
        let root = match get(&at, 1, Position::Empty) {
            Position::Empty => return (Packed::NoNode(None), hashed),
            Position::Leaf(slot) => {
                let leaf = items.get(slot).and_then(Item::leaf);
                return (Packed::NoNode(leaf), hashed);
            }
            Position::Inner => get(&hash, 1, EMPTY),
        };
        node.shape.count_cells();
        let refs = node.shape.before_hashes() - node.shape.leaf_cells();
        node.cells = spare.take(node.shape.used_cells());
        let positions = (2..32).filter(|p| node.shape.present >> p & 1 == 1);
        let sums = positions.map(|p| get(&hash, p, EMPTY));
        let mut cells = node.cells.iter_mut();
        for item in items {
            let one;
            let pairs = match item {
                Item::Empty | Item::Inner { .. } => continue,
                Item::Leaf(leaf) => {
                    one = [[leaf.key, leaf.value]];
                    one.as_slice()
                }
                Item::Twig(twig) => twig.pairs(),
            };
            for (from, to) in pairs.as_flattened().iter().zip(cells.by_ref()) {
                *to = *from;
            }
        }
        for (to, from) in cells.zip(std::iter::repeat_n(EMPTY, refs).chain(sums)) {
            *to = from;
        }
        for (slot, item) in items.iter().enumerate() {
            if let Item::Inner { at, .. } = item {
                node.set_ref(slot, *at);
            }
        }
        (Packed::Node(node, root), hashed)
    }
}

/// What [`Node::pack`] made of 16 subtrees.
#[derive(Debug)]
pub(crate) enum Packed {
    /// At most one leaf is left.
    NoNode(Option<Leaf>),
    /// A node, with its hash.
    Node(Node, Hash),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Empty,
    Leaf(usize),
    Inner,
}

fn refs_of(cell: &Hash) -> [[u8; 16]; 2] {
    let mut out = [[0; 16]; 2];
    for (to, from) in out.iter_mut().zip(cell.as_chunks::<16>().0) {
        *to = *from;
    }
    out
}

fn get<T: Copy, const N: usize>(array: &[T; N], index: usize, default: T) -> T {
    array.get(index).copied().unwrap_or(default)
}

fn set<T, const N: usize>(array: &mut [T; N], index: usize, value: T) {
    if let Some(place) = array.get_mut(index) {
        *place = value;
    }
}

/// The bits that are set, ascending.
pub(crate) fn ones(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = bits.trailing_zeros() as usize;
        (bits != 0).then(|| bits &= bits - 1).map(|()| lowest)
    })
}
