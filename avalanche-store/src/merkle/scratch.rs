//! Memory that updates work in.

use super::batch::Twigs;
use super::node::{Item, Ref};
use super::row::{Rows, Spot};

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
    /// A twig with the same keys. Its hash is in the row.
    Twig(Values),
    /// A node in the place of one. Its hash is in the row.
    Node(Ref),
    /// Something of another kind, or the leaf of another key.
    Other(Box<Item>),
}

/// Which of all value hashes are those of one twig.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    pub(super) number: u32,
    pub(super) leaves: u8,
}

/// A place in a node: its job, the put of the slot, and the slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Above {
    pub(super) job: u32,
    pub(super) put: u32,
    pub(super) slot: u8,
}

/// A node of the next level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below {
    pub(super) at: Ref,
    pub(super) changes: (u32, u32),
    pub(super) above: Above,
}

/// What one batch leaves to the next, and one update to another: empty, with its memory.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) rows: Rows,
    pub(super) puts: Vec<Put>,
    pub(super) below: Vec<Below>,
    pub(super) twigs: Twigs,
    /// By level of a node, the topmost first: lines to be hashed, and where the hashes go.
    pub(super) targets: [Vec<(u32, Spot)>; 4],
}

impl Scratch {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.puts.clear();
        self.below.clear();
        self.twigs.clear();
    }

    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        let targets = self.targets.iter().map(Vec::capacity).sum::<usize>();
        self.rows.bytes()
            + self.puts.capacity() * size_of::<Put>()
            + self.below.capacity() * size_of::<Below>()
            + self.twigs.bytes()
            + targets * size_of::<(u32, Spot)>()
    }
}
