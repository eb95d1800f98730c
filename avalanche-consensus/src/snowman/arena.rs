//! The blocks that an instance knows: the last accepted one and all that are processing.
//!
//! Blocks live side by side and name each other by index; identifiers are looked up only at the
//! edge. A slot is 64 bytes, one cache line, and is used again after its block was decided.

use crate::snowball::{Ids, NodeRef, Streak};
use crate::vocabulary::IdMap;
use crate::{HashKey, Height, Id, Timestamp};

/// A block of an [`Arena`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRef(u32);

impl BlockRef {
    /// No block.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) const fn is_none(self) -> bool {
        self.0 == u32::MAX
    }

    /// The block as a choice of its parent's tree.
    pub(super) const fn choice(self) -> u32 {
        self.0
    }

    /// The block that is a choice of a tree.
    pub(super) const fn of_choice(choice: u32) -> Self {
        Self(choice)
    }
}

/// What polls touch.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) id: Id,
    /// The parent; the next free slot if unused.
    pub(super) parent: BlockRef,
    first_child: BlockRef,
    /// The next child of the same parent, in the order of addition.
    next_sibling: BlockRef,
    /// The root of the tree that decides between the children; none before the first child.
    pub(super) tree: NodeRef,
    /// Polls that the tree has yet to be told of.
    pub(super) streak: Streak,
    /// The tree is to be reset before its next poll.
    pub(super) should_falter: bool,
    /// Processing, and on the preferred branch.
    pub(super) preferred: bool,
    pub(super) live: bool,
}

/// What addition and decision touch: the height, when the block was added, and its place among
/// those that are processing, oldest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issued {
    pub(super) height: Height,
    pub(super) at: Timestamp,
    pub(super) poll: u64,
    last_child: BlockRef,
    older: BlockRef,
    newer: BlockRef,
}

/// The blocks, by identifier and by index.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    slots: Vec<Slot>,
    issued: Vec<Issued>,
    free: BlockRef,
    index: IdMap<Id, BlockRef>,
    oldest: BlockRef,
    newest: BlockRef,
}

impl Arena {
    /// An arena with the last accepted block alone, and that block.
    pub(super) fn new(last_accepted: Id, height: Height, key: HashKey) -> (Self, BlockRef) {
        let mut arena = Self {
            slots: Vec::new(),
            issued: Vec::new(),
            free: BlockRef::NONE,
            index: IdMap::new(key),
            oldest: BlockRef::NONE,
            newest: BlockRef::NONE,
        };
        let root = arena.occupy(last_accepted, height, BlockRef::NONE, Timestamp::ZERO, 0);
        arena.unlink(root);
        (arena, root)
    }

    /// Blocks in the arena, the last accepted one included.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The block with an identifier.
    pub(super) fn find(&self, id: &Id) -> Option<BlockRef> {
        self.index.get(id).copied()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by `occupy`; slots are never cut"
    )]
    pub(super) fn slot(&self, at: BlockRef) -> &Slot {
        &self.slots[at.0 as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by `occupy`; slots are never cut"
    )]
    pub(super) fn slot_mut(&mut self, at: BlockRef) -> &mut Slot {
        &mut self.slots[at.0 as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "grows together with the slots")]
    pub(super) fn issued(&self, at: BlockRef) -> &Issued {
        &self.issued[at.0 as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "grows together with the slots")]
    fn issued_mut(&mut self, at: BlockRef) -> &mut Issued {
        &mut self.issued[at.0 as usize]
    }

    /// The height of a block.
    pub(super) fn height(&self, at: BlockRef) -> Height {
        self.issued(at).height
    }

    /// The block that has been processing longest.
    pub(super) fn oldest(&self) -> Option<BlockRef> {
        (!self.oldest.is_none()).then_some(self.oldest)
    }

    /// Adds a block below its parent, as the newest one.
    pub(super) fn insert(
        &mut self,
        id: Id,
        height: Height,
        parent: BlockRef,
        at: Timestamp,
        poll: u64,
    ) -> BlockRef {
        let block = self.occupy(id, height, parent, at, poll);
        let last = std::mem::replace(&mut self.issued_mut(parent).last_child, block);
        if last.is_none() {
            self.slot_mut(parent).first_child = block;
        } else {
            self.slot_mut(last).next_sibling = block;
        }
        block
    }

    /// Takes a decided block off the list of those that are processing.
    pub(super) fn unlink(&mut self, block: BlockRef) {
        let Issued { older, newer, .. } = *self.issued(block);
        if older.is_none() {
            self.oldest = newer;
        } else {
            self.issued_mut(older).newer = newer;
        }
        if newer.is_none() {
            self.newest = older;
        } else {
            self.issued_mut(newer).older = older;
        }
    }

    /// Forgets a block. Its slot stays readable until the next block is added.
    pub(super) fn remove(&mut self, block: BlockRef) {
        let id = self.slot(block).id;
        self.index.remove(&id);
        let free = std::mem::replace(&mut self.free, block);
        let slot = self.slot_mut(block);
        slot.live = false;
        slot.streak = Streak::NONE;
        slot.parent = free;
    }

    /// The children of a block, in the order of addition.
    pub(super) fn children(&self, block: BlockRef) -> Children {
        Children { next: self.slot(block).first_child }
    }

    /// The blocks, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = BlockRef> {
        (0..).zip(&self.slots).filter(|(_, slot)| slot.live).map(|(index, _)| BlockRef(index))
    }

    fn occupy(
        &mut self,
        id: Id,
        height: Height,
        parent: BlockRef,
        at: Timestamp,
        poll: u64,
    ) -> BlockRef {
        let slot = Slot {
            id,
            parent,
            first_child: BlockRef::NONE,
            next_sibling: BlockRef::NONE,
            tree: NodeRef::NONE,
            streak: Streak::NONE,
            should_falter: false,
            preferred: false,
            live: true,
        };
        let issued = Issued {
            height,
            at,
            poll,
            last_child: BlockRef::NONE,
            older: self.newest,
            newer: BlockRef::NONE,
        };
        let block = self.free;
        let block = if block.is_none() {
            self.slots.push(slot);
            self.issued.push(issued);
            BlockRef(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
        } else {
            self.free = self.slot(block).parent;
            *self.slot_mut(block) = slot;
            *self.issued_mut(block) = issued;
            block
        };
        let newest = std::mem::replace(&mut self.newest, block);
        if newest.is_none() {
            self.oldest = block;
        } else {
            self.issued_mut(newest).newer = block;
        }
        self.index.insert(id, block);
        block
    }
}

impl Ids for Arena {
    fn id(&self, choice: u32) -> &Id {
        &self.slot(BlockRef(choice)).id
    }
}

/// A walk over children that does not hold the arena.
pub(super) struct Children {
    next: BlockRef,
}

impl Children {
    /// The next child.
    pub(super) fn next(&mut self, arena: &Arena) -> Option<BlockRef> {
        if self.next.is_none() {
            return None;
        }
        let child = self.next;
        self.next = arena.slot(child).next_sibling;
        Some(child)
    }
}
