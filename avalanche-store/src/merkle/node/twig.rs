//! Small subtrees that have no node of their own.
//!
//! More than half of a million keys share their lowest slot with one to three others, from which
//! four more bits part most. A node for these would be as much to find, to read and to write
//! as one of thirty hashes. So it is a twig: its leaves stand in the node above, and the hashes
//! inside are made again when one changes.

use super::super::cells::Cells;
use super::super::hash::{EMPTY, Hash, inner_hash};
use super::super::path::{NIBBLES, nibble};
use super::super::seen::Seen;
use super::positions::Positions;
use super::{Item, Leaf, Node, Packed, get, set};

/// The most leaves of one.
pub(crate) const TWIG_MAX: usize = 4;

/// Two to four leaves that the next four bits part from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Twig {
    /// Its hash.
    pub(crate) hash: Hash,
    len: usize,
    /// Key hash and value hash of each leaf, in order.
    pairs: [[Hash; 2]; TWIG_MAX],
}

impl Twig {
    /// The leaves of a twig, of which its hash is known.
    pub(crate) fn known(hash: Hash, leaves: impl Iterator<Item = [Hash; 2]>) -> Self {
        let mut twig = Self { hash, len: 0, pairs: [[EMPTY; 2]; TWIG_MAX] };
        for (place, pair) in twig.pairs.iter_mut().zip(leaves) {
            *place = pair;
            twig.len += 1;
        }
        twig
    }

    /// The twig of 16 subtrees, if they are one, with the positions that were hashed.
    pub(crate) fn of(items: &[Item; 16]) -> Option<(Self, u32)> {
        let mut slots = [0; TWIG_MAX];
        let mut count = 0;
        for (slot, item) in (0_u8..).zip(items) {
            match item {
                Item::Empty => {}
                Item::Leaf(_) => {
                    *slots.get_mut(count)? = slot;
                    count += 1;
                }
                Item::Twig(_) | Item::Inner { .. } => return None,
            }
        }
        if count < 2 {
            return None;
        }
        let positions = Positions::of(slots.get(..count)?);
        let leaves = || items.iter().filter_map(Item::leaf);
        let mut hashes = [EMPTY; 32];
        for (position, leaf) in positions.leaves.iter().zip(leaves()) {
            set(&mut hashes, usize::from(*position), leaf.hash);
        }
        for position in (1..16).rev().filter(|position| positions.inner >> position & 1 == 1) {
            let half = |which| get(&hashes, 2 * position + which, EMPTY);
            let hash = inner_hash(&half(0), &half(1));
            set(&mut hashes, position, hash);
        }
        let pairs = leaves().map(|leaf| [leaf.key, leaf.value]);
        Some((Self::known(get(&hashes, 1, EMPTY), pairs), positions.inner))
    }

    /// The twig of leaves whose keys share what comes before the nibble at `depth`, if that parts
    /// them and they come in order.
    pub(crate) fn of_pairs(pairs: &[[Hash; 2]], depth: usize) -> Option<Self> {
        let mut items = [Item::Empty; 16];
        let mut next = 0;
        for [key, value] in pairs {
            let slot = Some(nibble(key, depth)).filter(|slot| *slot >= next && depth < NIBBLES)?;
            set(&mut items, slot, Item::Leaf(Leaf::new(*key, *value)));
            next = slot + 1;
        }
        Self::of(&items).map(|(twig, _)| twig)
    }

    /// Key hash and value hash of each leaf, in order.
    pub(crate) fn pairs(&self) -> &[[Hash; 2]] {
        self.pairs.get(..self.len).unwrap_or_default()
    }

    /// Its leaves, in order.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = Leaf> {
        self.pairs().iter().map(|[key, value]| Leaf::new(*key, *value))
    }

    /// The node that it would be, whose leaves the nibble at `depth` parts.
    pub(crate) fn node(&self, depth: usize) -> Node {
        let mut items = [Item::Empty; 16];
        for leaf in self.leaves() {
            set(&mut items, nibble(&leaf.key, depth), Item::Leaf(leaf));
        }
        let none = Node::default();
        match Node::pack(&items, u32::MAX, Seen::alone(&none), &mut Cells::default(), false).0 {
            Packed::Node(node, _) => node,
            Packed::NoNode(_) => none,
        }
    }
}
