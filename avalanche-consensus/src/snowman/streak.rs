//! Polls that repeat the one before, counted and told to the tree later.
//!
//! Once a poll has gone through a tree with at least `alpha_confidence` votes for one child, which the tree
//! now prefers, a poll that gives that child as many again does one thing, whoever has the other votes:
//! every instance on the way to the child counts one more. Marks are settled, preferences stay, and nothing
//! can be decided while the root, which is the surest, is more than one poll away from `beta`. So such polls
//! are only counted, and the tree is told of all of them at once before anything else happens to it:
//! another kind of poll, one that could decide, or a new child. Polls of a long chain, whose blocks nearly
//! all see the same poll again, then cost one counter a block, whatever the trees look like.

use super::Topological;
use super::arena::BlockRef;
use super::climb::Link;
use crate::snowball::{Polled, Rule};

/// A run of equal polls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streak {
    /// The child that had the votes; none if there is no run.
    child: BlockRef,
    /// Polls that the tree has not been told of.
    polls: u32,
    /// Polls that may still be counted here: none of them decides.
    left: u32,
}

impl Streak {
    pub(super) const NONE: Self = Self { child: BlockRef::NONE, polls: 0, left: 0 };
}

impl<R: Rule> Topological<R> {
    /// Counts the poll on the next level if it repeats the one before, and returns whether it does.
    pub(super) fn extend_streak(&mut self, link: Link) -> bool {
        let slot = self.arena.slot_mut(link.parent);
        let streak = &mut slot.streak;
        if streak.child != link.child
            || streak.left == 0
            || slot.should_falter
            || link.count < self.parameters.alpha_confidence()
        {
            return false;
        }
        streak.left -= 1;
        streak.polls += 1;
        if link.next != link.child {
            self.arena.slot_mut(link.child).should_falter = true;
        }
        true
    }

    /// Begins a run after a poll that gave the child enough votes to be surer of it all the way.
    pub(super) fn begin_streak(&mut self, link: Link, polled: Polled) {
        let Link { parent, child, count, .. } = link;
        if count >= self.parameters.alpha_confidence()
            && polled.successful
            && !polled.finalized
            && polled.preference == child.choice()
        {
            let left = self.parameters.beta().saturating_sub(polled.confidence).saturating_sub(1);
            self.arena.slot_mut(parent).streak = Streak { child, polls: 0, left };
        }
    }

    /// Ends the run of a block, and tells its tree of the polls that were only counted.
    pub(super) fn end_streak(&mut self, block: BlockRef) {
        let slot = self.arena.slot_mut(block);
        let Streak { child, polls, .. } = std::mem::replace(&mut slot.streak, Streak::NONE);
        if polls > 0 {
            let (tree, child) = (slot.tree, self.arena.slot(child).id);
            self.forest.repeat(tree, polls, &child);
        }
    }
}
