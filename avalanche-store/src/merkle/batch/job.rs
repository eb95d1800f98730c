//! What a batch knows of each node.

use super::super::node::{Item, Node, Ref};
use super::super::row::{Row, Spot};
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
    /// The put that it is below; `None` at the top.
    pub(super) above: Option<u32>,
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
    /// The structure stays. Bit p: position p has another hash; `dirty` ones are made here. Bit s:
    /// something else is put in slot s.
    Changes { fresh: u32, dirty: u32, slots: u16 },
    /// It was packed anew.
    Packed { node: Box<Node>, dirty: u32 },
}

impl Old<'_> {
    pub(super) fn seen(&self) -> Seen<'_> {
        match self {
            Self::Pool(seen) => *seen,
            Self::Loaded(node) => Seen::alone(node),
        }
    }
}
