//! The preferred branch: what the next block builds on, and what the node answers when it is asked.

use super::Topological;
use super::arena::BlockRef;
use crate::snowball::Rule;

impl<R: Rule> Topological<R> {
    /// Extends the preferred branch by a child of its tip.
    pub(super) fn prefer(&mut self, block: BlockRef) {
        self.preference = block;
        self.preferred.push_back(block);
        self.arena.slot_mut(block).preferred = true;
    }

    /// Makes the branch through `tip` the preferred one, unless it is.
    ///
    /// Blocks below the point where both branches meet are kept. Above `tip` the branch follows the
    /// preference of each block's tree.
    pub(super) fn set_preference(&mut self, tip: BlockRef) {
        if self.arena.slot(tip).preferred {
            return;
        }
        self.walk.clear();
        let mut at = tip;
        while at != self.last_accepted && !self.arena.slot(at).preferred {
            self.walk.push(at);
            at = self.arena.slot(at).parent;
        }
        let above = self.arena.height(at).get().saturating_sub(self.last_accepted().1.get());
        let kept = usize::try_from(above).unwrap_or(usize::MAX).min(self.preferred.len());
        for block in self.preferred.drain(kept..) {
            self.arena.slot_mut(block).preferred = false;
        }
        self.preference = tip;
        while let Some(block) = self.walk.pop() {
            self.prefer(block);
        }
        loop {
            let tree = self.arena.slot(self.preference).tree;
            if tree.is_none() {
                break;
            }
            self.prefer(BlockRef::of_choice(self.forest.node_preference(tree)));
        }
    }
}
