//! Polls that repeat the one before, counted and told to the tree later.
//!
//! Once a poll has gone through a tree with at least `alpha_confidence` votes for one choice, which
//! the tree now prefers, a poll that gives that choice as many again does one thing, whoever has
//! the other votes: every instance on the way to the choice counts one more. Marks are settled,
//! preferences stay, and nothing can be decided while the root, which is the surest, is more than
//! one poll away from `beta`. So such polls are only counted, and the tree is told of all of them
//! at once before anything else happens to it: another kind of poll, one that could decide, or a
//! new choice. Polls of a long chain, whose blocks nearly all see the same poll again, then cost
//! one counter a block, whatever the trees look like.

use super::super::{Parameters, Rule};
use super::Ids;
use super::forest::{Forest, NodeRef};
use super::poll::Polled;

/// A run of equal polls on one tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streak {
    /// The choice that had the votes.
    choice: u32,
    /// Polls that the tree has not been told of.
    polls: u32,
    /// Polls that may still be counted here: none of them decides.
    left: u32,
}

impl Streak {
    /// No run.
    pub(crate) const NONE: Self = Self { choice: u32::MAX, polls: 0, left: 0 };

    /// The run that begins with a poll which gave `choice` `count` votes.
    pub(crate) fn begin(choice: u32, count: u32, polled: Polled, parameters: &Parameters) -> Self {
        let begins = count >= parameters.alpha_confidence()
            && polled.successful
            && !polled.finalized
            && polled.preference == choice;
        if !begins {
            return Self::NONE;
        }
        let left = parameters.beta().saturating_sub(polled.confidence).saturating_sub(1);
        Self { choice, polls: 0, left }
    }

    /// Counts a poll that gives `choice` `count` votes if it repeats the one before, and returns
    /// whether it does.
    pub(crate) fn extend(&mut self, choice: u32, count: u32, parameters: &Parameters) -> bool {
        let extends =
            self.choice == choice && self.left > 0 && count >= parameters.alpha_confidence();
        if extends {
            self.left -= 1;
            self.polls += 1;
        }
        extends
    }
}

impl<R: Rule> Forest<R> {
    /// Ends a run, and tells its tree of the polls that were only counted.
    pub(crate) fn settle(&mut self, root: NodeRef, streak: &mut Streak, ids: &impl Ids) {
        let Streak { choice, polls, .. } = std::mem::replace(streak, Streak::NONE);
        if polls > 0 {
            self.repeat(root, polls, ids.id(choice));
        }
    }
}
