//! What a batch knows of each node.

use super::super::node::{Item, Node, Ref};
use super::super::row::{Row, Rows, Spot};
use super::super::seen::Seen;

/// A slot that changes lead to.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) slot: u8,
    /// The changes, as a range of all.
    pub(super) changes: (u32, u32),
    pub(super) what: What,
}

/// What is put in a slot.
#[derive(Debug)]
pub(super) enum What {
    /// Nothing: it stays as it was.
    Same,
    /// The leaf of the only change, in the place of one of the same key.
    Leaf,
    /// A node in the place of one. Its hash is in the row.
    Node(Ref),
    /// Something of another kind, or the leaf of another key.
    Other(Box<Item>),
}

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
    /// Bit p: position p is beside the paths that change: its hash is needed, and stays.
    pub(super) beside: u32,
    /// Its hashes.
    pub(super) row: Row,
    /// Where its own hash goes.
    pub(super) result: Spot,
    pub(super) plan: Plan,
}

/// A place in a node: its job, the put of the slot, and the slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Above {
    pub(super) job: u32,
    pub(super) put: u32,
    pub(super) slot: u8,
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

/// A node of the next level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below {
    pub(super) at: Ref,
    pub(super) changes: (u32, u32),
    pub(super) above: Above,
}

/// What one batch leaves to the next.
#[derive(Debug, Default)]
pub(in super::super) struct Scratch {
    pub(super) rows: Rows,
    pub(super) puts: Vec<Put>,
    pub(super) below: Vec<Below>,
    /// By level of a node, the topmost first: lines to be hashed, and where the hashes go.
    pub(super) targets: [Vec<(u32, Spot)>; 4],
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

/// The positions that are hashed together with some and with those above them, and those above
/// them, as bits.
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
