//! Reading a node that may be a patch.
//!
//! ```text
//!   entries   7: patch | over 3     what it changed: itself
//!             3: whole              everything else
//! ```
//!
//! Most blocks change a few of the thirty cells of a node. A version that does keeps those alone,
//! in a patch over the node that it replaced, instead of a copy: a fourth of the bytes, and most of
//! the time that a root takes was moving them. A patch over a patch has the changes of both, as
//! long as they are few; its own, the newest, are read first. Accepting a version makes its patches
//! whole (see [`Pool::make_whole`](super::pool::Pool::make_whole)).

use super::cells::NodeCells;
use super::hash::{EMPTY, Hash};
use super::node::{Item, Kind, Leaf, NOT_LOADED, Node, Ref, Set, Shape, Twig, ones};
use super::pool::Entry;
use super::row::{Row, Rows};

/// A node as its readers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    entries: &'a [Entry],
    node: &'a Node,
    /// Its shape: it is read with the entry, and not again, once that may be in no cache.
    shape: Shape,
    /// The slot of the node below a patch.
    over: u32,
    /// The slot of this node, if it is in the pool.
    slot: u32,
}

impl<'a> Seen<'a> {
    /// The node that a reference means, if it is in memory.
    pub(crate) fn find(entries: &'a [Entry], at: Ref) -> Option<Self> {
        let entry = entries.get(at.slot as usize).filter(|entry| entry.is(at))?;
        let node = entry.node();
        Some(Self { entries, node, shape: node.shape(), over: entry.over(), slot: at.slot })
    }

    /// A node that is in no pool: a whole one, or a patch over the node in a slot.
    pub(crate) const fn new(entries: &'a [Entry], node: &'a Node, over: u32) -> Self {
        Self { entries, node, shape: node.shape(), over, slot: NOT_LOADED }
    }

    /// A whole node that is in no pool.
    pub(crate) const fn alone(node: &'a Node) -> Self {
        Self::new(&[], node, NOT_LOADED)
    }

    /// The node itself, and nothing below it.
    pub(crate) const fn top(&self) -> &'a Node {
        self.node
    }

    /// As [`Node::shape`].
    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Where it is in the pool; [`NOT_LOADED`] if it is not.
    pub(crate) const fn slot(&self) -> u32 {
        self.slot
    }

    /// This node, and those below it that it is read through; the last one is whole.
    fn layers(&self) -> impl Iterator<Item = &'a Node> + use<'a> {
        let entries = self.entries;
        let mut next = Some((self.node, self.over));
        std::iter::from_fn(move || {
            let (node, over) = next?;
            let below = entries.get(over as usize).filter(|_| node.shape().is_patch());
            next = below.map(|entry| (entry.node(), entry.over()));
            Some(node)
        })
    }

    fn whole(&self) -> &'a Node {
        if self.shape.is_patch() { self.layers().last().unwrap_or(self.node) } else { self.node }
    }

    /// Copies hashes, or that there are none, into a row.
    pub(super) fn stage(&self, positions: u32, row: Row, rows: &mut Rows) {
        if self.shape.is_patch() {
            ones(positions).for_each(|p| rows.set(row.spot(p), &self.hash_at(p)));
        } else {
            self.node.each_hash(positions, |p, hash| rows.set(row.spot(p), hash));
        }
    }

    /// Asks for the hashes at some positions, and for what some slots hold.
    pub(super) fn prefetch(&self, positions: u32, slots: u16) {
        if self.shape.is_patch() {
            self.layers().filter(|node| node.shape().is_patch()).for_each(Node::prefetch_all);
        }
        self.whole().prefetch(positions, slots);
    }

    /// As [`Shape::kind`].
    pub(crate) fn kind(&self, slot: usize) -> Kind {
        self.shape.kind(slot)
    }

    /// As [`Node::hash_at`].
    pub(crate) fn hash_at(&self, position: usize) -> Hash {
        if !self.shape.exists(position) {
            return EMPTY;
        }
        if self.shape.is_patch() {
            let has = self.layers().find(|node| node.shape().has_hash(position));
            return has.map_or(EMPTY, |node| node.hash_at(position));
        }
        self.node.hash_at(position)
    }

    fn of_slot(&self, slot: usize) -> &'a Node {
        if !self.shape.is_patch() {
            return self.node;
        }
        self.layers().find(|node| node.shape().has_slot(slot)).unwrap_or(self.node)
    }

    /// As [`Node::node`].
    pub(crate) fn node(&self, slot: usize) -> Ref {
        self.of_slot(slot).node(slot)
    }

    /// The key hash of the leaf in a slot: no patch changes it.
    pub(crate) fn leaf_key(&self, slot: usize) -> Hash {
        self.whole().leaf_key(slot, 0)
    }

    /// The value hash of the leaf in a slot.
    pub(crate) fn leaf_value(&self, slot: usize) -> Hash {
        self.of_slot(slot).leaf_value(slot, 0)
    }

    /// Key hash and value hash of each leaf in a slot, in order, and other value hashes that stand
    /// in the place of these, if there are any.
    pub(crate) fn leaves(&self, slot: usize) -> (&'a [[Hash; 2]], Option<&'a [Hash]>) {
        if !self.shape.is_patch() {
            return (self.node.leaf_pairs(slot), None);
        }
        let patch =
            self.layers().find(|node| node.shape().is_patch() && node.shape().has_slot(slot));
        (self.whole().leaf_pairs(slot), patch.map(|patch| patch.patched_values(slot)))
    }

    /// Key hash and value hash of each leaf in a slot, in order.
    pub(crate) fn leaf_pairs(&self, slot: usize) -> impl Iterator<Item = [Hash; 2]> {
        let (pairs, values) = self.leaves(slot);
        pairs.iter().enumerate().map(move |(number, [key, value])| {
            [*key, *values.and_then(|values| values.get(number)).unwrap_or(value)]
        })
    }

    /// The leaf in a slot that has one.
    fn leaf(&self, slot: usize) -> Leaf {
        let hash = self.hash_at(self.shape.leaf_position(slot));
        Leaf { key: self.leaf_key(slot), value: self.leaf_value(slot), hash }
    }

    /// What a slot holds.
    pub(crate) fn item(&self, slot: usize) -> Item {
        match self.kind(slot) {
            Kind::Empty => Item::Empty,
            Kind::Leaf => Item::Leaf(self.leaf(slot)),
            Kind::Twig => Item::Twig(Twig::known(self.hash_at(16 + slot), self.leaf_pairs(slot))),
            Kind::Inner => Item::Inner { hash: self.hash_at(16 + slot), at: self.node(slot) },
        }
    }

    /// The slots that hold something, ascending.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> + use<> {
        self.shape.slots()
    }

    /// A whole copy with changes, see [`Node::change`].
    pub(crate) fn change<'s>(
        &self,
        fresh: u32,
        hash: impl Fn(usize) -> Hash,
        sets: impl Iterator<Item = (usize, Set<'s>)>,
        take: impl FnOnce(usize) -> NodeCells,
    ) -> Node {
        let mut copy = self.copy(take);
        copy.change(fresh, hash, sets);
        copy
    }

    /// A whole copy, in cells from `take`.
    pub(crate) fn copy(&self, take: impl FnOnce(usize) -> NodeCells) -> Node {
        let mut copy = self.whole().copy(take);
        if self.shape.is_patch() {
            let layers: Vec<_> = self.layers().collect();
            for patch in layers.iter().rev().skip(1) {
                copy.apply(patch);
            }
        }
        copy
    }
}
