//! Recording a poll: from the first undecided bit down the branch that has the votes.

use super::super::{Bit, Rule, Thresholds};
use super::Ids;
use super::forest::{BinaryNode, Forest, Node, NodeRef, Root, UnaryNode};
use crate::Id;

/// Votes for one choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ballot {
    pub(crate) choice: u32,
    pub(crate) count: u32,
}

/// What a poll left at a root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polled {
    /// The first undecided bits reached the preference threshold.
    pub(crate) successful: bool,
    /// The preferred choice.
    pub(crate) preference: u32,
    /// Whether it is decided.
    pub(crate) finalized: bool,
}

/// What recording a poll on one node leads to.
enum Step {
    /// Too few votes, or no node below: the poll ends here.
    End { successful: bool },
    /// The poll goes on in a child, which is to be reset first if an earlier failure did not reach it.
    Down { child: NodeRef, count: u32, reset: bool },
}

impl<R: Rule> Forest<R> {
    /// Records a poll with `count` votes on a tree.
    ///
    /// Ballots that contradict decided bits do not count. The ballots are left in another order.
    pub(crate) fn poll(
        &mut self,
        root: &mut Root,
        ballots: &mut [Ballot],
        count: u32,
        thresholds: &Thresholds,
        ids: &impl Ids,
    ) -> Polled {
        let reset = std::mem::take(&mut root.should_reset);
        if let Node::Unary(node) = self.node_mut(root.node)
            && node.decided == 0
            && node.child.is_none()
        {
            // One choice so far, which is most trees most of the time.
            let step = node.record(count, reset, thresholds);
            let successful = !matches!(step, Step::End { successful: false });
            let (preference, finalized) = (node.preference, node.state.finalized());
            return Polled { successful, preference, finalized };
        }
        let successful = self.poll_root(root, ballots, count, reset, thresholds, ids);
        let (preference, finalized) = (self.preference(*root), self.finalized(*root));
        Polled { successful, preference, finalized }
    }

    fn poll_root(
        &mut self,
        root: &mut Root,
        ballots: &mut [Ballot],
        count: u32,
        reset: bool,
        thresholds: &Thresholds,
        ids: &impl Ids,
    ) -> bool {
        let decided = self.decided_prefix(root.node);
        if decided == 0 {
            return self.descend(root, ballots, count, reset, thresholds, ids);
        }
        let preferred = ids.id(self.preference(*root));
        let agrees = |vote: &Ballot| ids.id(vote.choice).equal_subset(0..decided, preferred);
        let ballots = keep(ballots, agrees);
        let count = ballots.iter().map(|vote| vote.count).sum();
        self.descend(root, ballots, count, reset, thresholds, ids)
    }

    /// Records the poll on the root and on every node below it that has enough votes.
    fn descend(
        &mut self,
        root: &mut Root,
        mut ballots: &mut [Ballot],
        mut count: u32,
        mut reset: bool,
        thresholds: &Thresholds,
        ids: &impl Ids,
    ) -> bool {
        let (mut at, mut changed) = (root.node, false);
        let successful = loop {
            let step = match self.node_mut(at) {
                Node::Unary(node) => {
                    let step = node.record(count, reset, thresholds);
                    changed |= node.state.finalized();
                    step
                }
                Node::Binary(node) => {
                    let (bit, votes) =
                        split(&mut ballots, count, node.bit, thresholds.alpha_preference(), ids);
                    let before = node.state.preference();
                    let step = node.record(bit, votes, reset, thresholds);
                    changed |= node.state.finalized() || node.state.preference() != before;
                    step
                }
                Node::Free(_) => Step::End { successful: false },
            };
            match step {
                Step::End { successful } => break successful || at != root.node,
                Step::Down { child, count: votes, reset: pending } => {
                    (at, count, reset) = (child, votes, pending);
                }
            }
        };
        if changed && let Some(vote) = ballots.first() {
            root.node = self.renew(root.node, at, ids.id(vote.choice));
        }
        successful
    }

    /// Renews the nodes on the way from `at` down to `end`, which is where the bits of `voted` lead, and
    /// returns the node that stands in the place of `at`.
    ///
    /// A decided node is dropped together with the branch it decided against; one without a child stays
    /// and decides the whole tree. Confidence does not rise downwards, so a node is decided only if all
    /// above it are. The recursion is at most 256 nodes of each kind deep, and runs only in polls that
    /// decide bits or change a preference.
    fn renew(&mut self, at: NodeRef, end: NodeRef, voted: &Id) -> NodeRef {
        if at == end {
            return at;
        }
        let (child, rival) = match self.node(at) {
            Node::Unary(node) => (node.child, NodeRef::NONE),
            Node::Binary(node) => {
                let bit = Bit::from(voted.bit(node.bit.into()));
                (*node.children.get(bit), *node.children.get(bit.other()))
            }
            Node::Free(_) => return at,
        };
        let child = self.renew(child, end, voted);
        let preference = self.node_preference(child);
        match self.node_mut(at) {
            Node::Unary(node) if !node.state.finalized() => {
                (node.child, node.preference) = (child, preference);
                at
            }
            Node::Binary(node) if !node.state.finalized() => {
                let bit = Bit::from(voted.bit(node.bit.into()));
                *node.children.get_mut(bit) = child;
                *node.preferences.get_mut(bit) = preference;
                at
            }
            _ => {
                self.release_all(rival);
                self.release(at);
                child
            }
        }
    }
}

/// The side of a bit that has enough votes, or the zero side if none has, and its votes. The ballots are
/// narrowed down to that side.
fn split<I: Ids>(
    ballots: &mut &mut [Ballot],
    count: u32,
    bit: u16,
    alpha_preference: u32,
    ids: &I,
) -> (Bit, u32) {
    let side = |vote: &Ballot| Bit::from(ids.id(vote.choice).bit(bit.into()));
    if let [only] = ballots {
        return (side(only), count);
    }
    let ones: u32 =
        ballots.iter().filter(|vote| side(vote) == Bit::One).map(|vote| vote.count).sum();
    let bit = Bit::from(ones >= alpha_preference);
    let votes = if bit == Bit::One { ones } else { count - ones };
    if votes < count {
        *ballots = keep(std::mem::take(ballots), |vote| side(vote) == bit);
    }
    (bit, votes)
}

impl<R: Rule> UnaryNode<R> {
    fn record(&mut self, count: u32, reset: bool, thresholds: &Thresholds) -> Step {
        if reset {
            self.state.reset();
            self.should_reset = true;
        }
        if count < thresholds.alpha_preference() {
            self.state.reset();
            self.should_reset = true;
            return Step::End { successful: false };
        }
        self.state.record_poll(thresholds, count);
        let reset = std::mem::take(&mut self.should_reset);
        if self.child.is_none() {
            Step::End { successful: true }
        } else {
            Step::Down { child: self.child, count, reset }
        }
    }
}

impl<R: Rule> BinaryNode<R> {
    /// Records `count` votes for `bit`, the side that has enough if one has.
    fn record(&mut self, bit: Bit, count: u32, reset: bool, thresholds: &Thresholds) -> Step {
        if reset {
            self.state.reset();
            *self.should_reset.get_mut(bit) = true;
        }
        *self.should_reset.get_mut(bit.other()) = true;
        if count < thresholds.alpha_preference() {
            self.state.reset();
            *self.should_reset.get_mut(bit) = true;
            return Step::End { successful: false };
        }
        self.state.record_poll(thresholds, count, bit);
        let reset = std::mem::take(self.should_reset.get_mut(bit));
        let child = *self.children.get(bit);
        if child.is_none() {
            Step::End { successful: true }
        } else {
            Step::Down { child, count, reset }
        }
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
