//! Who a block's parent is, as polls ask for it.

use std::collections::BTreeMap;

use crate::Id;

/// Answers which block is the parent of a block.
///
/// Polls ask it whenever an answer arrives, since a vote for a block is a vote for its ancestors
/// too. Between two calls the relation may change in any way: blocks are added, accepted and
/// rejected while polls are open. During one call it must not change.
///
/// It must have no cycle. If it has one, or never ends, nothing hangs: see [`Polls`](super::Polls)
/// on limits.
pub trait Ancestry {
    /// The parent of `id`, or `None` if `id` or its parent is not known.
    fn parent(&self, id: &Id) -> Option<Id>;
}

impl<A: Ancestry + ?Sized> Ancestry for &A {
    fn parent(&self, id: &Id) -> Option<Id> {
        (**self).parent(id)
    }
}

/// Parents by child, for replays, examples and tests.
impl Ancestry for BTreeMap<Id, Id> {
    fn parent(&self, id: &Id) -> Option<Id> {
        self.get(id).copied()
    }
}
