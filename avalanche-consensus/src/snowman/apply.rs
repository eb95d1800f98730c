//! Recording a poll on the trees of its levels, from the last accepted block up.
//!
//! Source of the rule: `vote` in `snow/consensus/snowman/topological.go` of AvalancheGo.

use super::acceptor::{Acceptor, RecordPollError};
use super::arena::BlockRef;
use super::climb::Link;
use super::{PollOutcome, Topological};
use crate::snowball::{Root, Rule, Streak};

/// What the levels of a poll have shown so far.
struct Walk {
    /// The deepest choice reached by following preferences from the last accepted block.
    tip: BlockRef,
    /// Every level so far was the one that the level before it prefers.
    on_preferred: bool,
    successful: bool,
}

impl Walk {
    /// Goes on from a level that prefers `preferred`, where `next` is the block of the next level.
    fn step(&mut self, preferred: BlockRef, next: BlockRef) {
        if self.on_preferred {
            self.tip = preferred;
            self.on_preferred = next == preferred;
        }
    }
}

impl<R: Rule> Topological<R> {
    /// Records the poll that was climbed on every level, and makes what it prefers the preference.
    pub(super) fn apply<A: Acceptor>(
        &mut self,
        acceptor: &mut A,
    ) -> Result<PollOutcome, RecordPollError<A::Error>> {
        if self.climb.is_empty() {
            self.arena.slot_mut(self.last_accepted).should_falter = true;
            if self.num_processing() == 0 {
                return Ok(PollOutcome::Idle);
            }
            self.stats.polls_failed += 1;
            return Ok(PollOutcome::Failed);
        }
        let mut walk = Walk { tip: self.last_accepted, on_preferred: true, successful: false };
        loop {
            self.extend_chain(&mut walk);
            let Some(link) = self.climb.link() else { break };
            if self.extend_streak(link) {
                self.climb.advance();
                walk.successful = true;
                walk.step(link.child, link.next);
            } else if self.arena.slot(link.parent).live {
                self.apply_level(link, &mut walk, acceptor)?;
            } else {
                // Rejected earlier in this very poll, like all above it.
                break;
            }
        }
        self.set_preference(walk.tip);
        Ok(if walk.successful {
            self.stats.polls_successful += 1;
            PollOutcome::Successful
        } else {
            self.stats.polls_failed += 1;
            PollOutcome::Failed
        })
    }

    /// Records the poll on the next level.
    fn apply_level<A: Acceptor>(
        &mut self,
        link: Link,
        walk: &mut Walk,
        acceptor: &mut A,
    ) -> Result<(), RecordPollError<A::Error>> {
        let Link { parent, next, .. } = link;
        self.settle(parent);
        let (ballots, count) = self.climb.pop();
        let slot = self.arena.slot_mut(parent);
        let faltered = std::mem::take(&mut slot.should_falter);
        let mut root = Root { node: slot.tree, should_reset: faltered };
        if root.node.is_none() {
            return Err(RecordPollError::Invariant { broken: "a voted child without a tree" });
        }
        let polled = self.forest.poll(&mut root, ballots, count, &self.thresholds, &self.arena);
        self.arena.slot_mut(parent).tree = root.node;
        walk.successful |= polled.successful;
        let preferred = BlockRef::of_choice(polled.preference);
        let accepted = parent == self.last_accepted && polled.finalized;
        if accepted {
            self.accept_preferred_child(parent, preferred, acceptor)?;
        } else {
            let streak = Streak::begin(link.child.choice(), link.count, polled, &self.parameters);
            self.arena.slot_mut(parent).streak = streak;
        }
        walk.step(preferred, next);
        self.spread_falter(parent, next, faltered);
        if accepted {
            self.forest.fell(root.node);
        }
        Ok(())
    }

    /// Counts the poll on the levels of the chain that only repeat the one before, up to the first
    /// that does not, and without the last: nearly all levels of nearly all polls of a long chain.
    fn extend_chain(&mut self, walk: &mut Walk) {
        let (mut parent, children, count) = self.climb.chain();
        let mut taken = 0;
        for child in children.iter().skip(1).rev() {
            let slot = self.arena.slot_mut(parent);
            if slot.should_falter || !slot.streak.extend(child.choice(), count, &self.parameters) {
                break;
            }
            taken += 1;
            parent = *child;
        }
        if taken > 0 {
            walk.successful = true;
            if walk.on_preferred {
                walk.tip = parent;
            }
            self.climb.take(taken, parent);
        }
    }

    /// Counts the poll on the next level if it only repeats the one before, and returns whether it
    /// does.
    fn extend_streak(&mut self, link: Link) -> bool {
        let slot = self.arena.slot_mut(link.parent);
        if slot.should_falter
            || !slot.streak.extend(link.child.choice(), link.count, &self.parameters)
        {
            return false;
        }
        if link.next != link.child {
            // Its siblings are marked already.
            self.arena.slot_mut(link.child).should_falter = true;
        }
        true
    }

    /// Tells the tree of a block of the polls that were only counted.
    pub(super) fn settle(&mut self, block: BlockRef) {
        let slot = self.arena.slot(block);
        let (tree, mut streak) = (slot.tree, slot.streak);
        self.forest.settle(tree, &mut streak, &self.arena);
        self.arena.slot_mut(block).streak = streak;
    }

    /// Marks the surviving children whose trees did not take part, or had to start again.
    fn spread_falter(&mut self, parent: BlockRef, next: BlockRef, faltered: bool) {
        let mut children = self.arena.children(parent);
        while let Some(child) = children.next(&self.arena) {
            if faltered || child != next {
                let slot = self.arena.slot_mut(child);
                slot.should_falter |= slot.live;
            }
        }
    }
}
