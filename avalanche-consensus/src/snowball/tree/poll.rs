//! Recording a poll: from the first undecided bit down the branch that has the votes.

use super::super::bit::Pair;
use super::super::{Bit, Rule, Thresholds};
use super::Ids;
use super::forest::{Forest, Node, NodeRef, Root};

/// Votes for one choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ballot {
    pub(crate) choice: u32,
    pub(crate) count: u32,
}

impl<R: Rule> Forest<R> {
    /// Records a poll on a tree, and returns whether its root reached the preference threshold.
    ///
    /// Ballots that contradict decided bits do not count. The ballots are left in another order.
    pub(crate) fn poll(
        &mut self,
        root: &mut Root,
        ballots: &mut [Ballot],
        thresholds: &Thresholds,
        ids: &impl Ids,
    ) -> bool {
        let decided = self.decided_prefix(root.node);
        let ballots = if decided == 0 {
            ballots
        } else {
            let preferred = ids.id(self.preference(*root));
            keep(ballots, |vote| {
                ids.id(vote.choice).equal_subset(0..decided, preferred)
            })
        };
        let count = ballots.iter().map(|vote| vote.count).sum();
        let reset = std::mem::take(&mut root.should_reset);
        let (node, successful) = self.poll_node(root.node, ballots, count, reset, thresholds, ids);
        root.node = node;
        successful
    }

    /// Records `count` votes on a node and what is below, and returns the node that stands in its place.
    ///
    /// A node that becomes decided is replaced by its child, if it has one. Recursion goes down one path
    /// of at most 256 nodes of each kind.
    fn poll_node(
        &mut self,
        at: NodeRef,
        ballots: &mut [Ballot],
        count: u32,
        reset: bool,
        thresholds: &Thresholds,
        ids: &impl Ids,
    ) -> (NodeRef, bool) {
        match self.node(at) {
            Node::Unary(_) => self.poll_unary(at, ballots, count, reset, thresholds, ids),
            Node::Binary(_) => self.poll_binary(at, ballots, reset, thresholds, ids),
            Node::Free(_) => (at, false),
        }
    }

    fn poll_unary(
        &mut self,
        at: NodeRef,
        ballots: &mut [Ballot],
        count: u32,
        reset: bool,
        thresholds: &Thresholds,
        ids: &impl Ids,
    ) -> (NodeRef, bool) {
        let Node::Unary(node) = self.node_mut(at) else {
            return (at, false);
        };
        if reset {
            node.state.reset();
            node.should_reset = true;
        }
        if count < thresholds.alpha_preference() {
            node.state.reset();
            node.should_reset = true;
            return (at, false);
        }
        node.state.record_poll(thresholds, count);
        let (child, pending) = (node.child, std::mem::take(&mut node.should_reset));
        if child.is_none() {
            return (at, true);
        }
        let finalized = node.state.finalized();
        let (child, _) = self.poll_node(child, ballots, count, pending, thresholds, ids);
        if finalized {
            self.release(at);
            return (child, true);
        }
        let preference = self.node_preference(child);
        if let Node::Unary(node) = self.node_mut(at) {
            node.preference = preference;
            node.child = child;
        }
        (at, true)
    }

    fn poll_binary(
        &mut self,
        at: NodeRef,
        ballots: &mut [Ballot],
        reset: bool,
        thresholds: &Thresholds,
        ids: &impl Ids,
    ) -> (NodeRef, bool) {
        let Node::Binary(node) = self.node_mut(at) else {
            return (at, false);
        };
        let index = usize::from(node.bit);
        let side = |vote: &Ballot| Bit::from(ids.id(vote.choice).bit(index));
        let mut counts = Pair::default();
        for vote in ballots.iter() {
            *counts.get_mut(side(vote)) += vote.count;
        }
        let bit = Bit::from(*counts.get(Bit::One) >= thresholds.alpha_preference());
        let count = *counts.get(bit);
        if reset {
            node.state.reset();
            *node.should_reset.get_mut(bit) = true;
        }
        *node.should_reset.get_mut(bit.other()) = true;
        if count < thresholds.alpha_preference() {
            node.state.reset();
            *node.should_reset.get_mut(bit) = true;
            return (at, false);
        }
        node.state.record_poll(thresholds, count, bit);
        let pending = std::mem::take(node.should_reset.get_mut(bit));
        let child = *node.children.get(bit);
        if child.is_none() {
            return (at, true);
        }
        let (finalized, rival) = (node.state.finalized(), *node.children.get(bit.other()));
        let ballots = keep(ballots, |vote| side(vote) == bit);
        let (child, _) = self.poll_node(child, ballots, count, pending, thresholds, ids);
        if finalized {
            self.release_all(rival);
            self.release(at);
            return (child, true);
        }
        let preference = self.node_preference(child);
        if let Node::Binary(node) = self.node_mut(at) {
            *node.preferences.get_mut(bit) = preference;
            *node.children.get_mut(bit) = child;
        }
        (at, true)
    }
}

/// The ballots for which `wanted` holds, moved to the front.
fn keep(ballots: &mut [Ballot], wanted: impl Fn(&Ballot) -> bool) -> &mut [Ballot] {
    let mut kept = 0;
    for at in 0..ballots.len() {
        if ballots.get(at).is_some_and(&wanted) {
            ballots.swap(kept, at);
            kept += 1;
        }
    }
    ballots.get_mut(..kept).unwrap_or_default()
}
