//! What a batch knows of each node.

use super::super::node::{Item, Node, Ref, ones};
use super::super::row::{Row, Spot};
use super::super::scratch::Above;
use super::super::seen::Seen;

/// A node that is in memory, or was read from the store.
#[derive(Debug)]
pub(super) enum Old<'a> {
    Pool(Seen<'a>),
    Loaded(Box<Node>),
}

/// A node that may change.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) old: Old<'a>,
    pub(super) at: Ref,
    /// Its changes, as a range of all.
    pub(super) changes: (u32, u32),
    /// What is put in its slots, as a range of all puts.
    pub(super) puts: (u32, u32),
    /// What it is below; `None` at the top.
    pub(super) above: Option<Above>,
    /// Bit s: changes lead to slot s.
    pub(super) slots: u16,
    /// Bit p: the hash at position p may be needed as it is: it is beside a path that changes.
    pub(super) beside: u32,
    /// Its hashes.
    pub(super) row: Row,
    /// Where its own hash goes.
    pub(super) result: Spot,
    pub(super) plan: Plan,
}

/// What becomes of a node, known on the way up.
#[derive(Debug)]
pub(super) enum Plan {
    /// It stays.
    Stays,
    /// No node is left.
    Gone(Box<Item>),
    /// The structure stays. Bit p: position p has another hash; `dirty` ones are made here.
    Changes { fresh: u32, dirty: u32 },
    /// It was packed anew.
    Packed { node: Node, dirty: u32 },
}

impl Old<'_> {
    pub(super) fn seen(&self) -> Seen<'_> {
        match self {
            Self::Pool(seen) => *seen,
            Self::Loaded(node) => Seen::alone(node),
        }
    }
}

/// The positions above one, as bits.
pub(in super::super) const fn above(position: usize) -> u32 {
    let mut bits = 0;
    let mut position = position / 2;
    while position > 0 {
        bits |= 1 << position;
        position /= 2;
    }
    bits
}

/// For some positions, as bits: those that are hashed together with them or with one above them;
/// and those above them.
pub(super) const fn beside(positions: u32) -> (u32, u32) {
    let (mut all, mut parents) = (positions, 0);
    let mut level = 4;
    while level > 0 {
        let first = 1 << level;
        let up = halved((all >> first) & ((1 << first) - 1)) << (first / 2);
        (all, parents) = (all | up, parents | up);
        level -= 1;
    }
    // The other half of each; the topmost has none.
    (((all & 0x5555_5555) << 1 | (all & 0xaaaa_aaaa) >> 1) & !3, parents)
}

/// Bit i is set if bit 2i or 2i + 1 was, for up to 16 bits.
const fn halved(bits: u32) -> u32 {
    let mut bits = (bits | bits >> 1) & 0x5555;
    bits = (bits | bits >> 1) & 0x3333;
    bits = (bits | bits >> 2) & 0x0f0f;
    (bits | bits >> 4) & 0x00ff
}

/// The two halves of each of some positions below 16, as bits.
pub(super) fn halves(parents: u32) -> u32 {
    ones(parents).fold(0, |halves, parent| halves | 3 << (2 * parent))
}
