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
    /// The confidence of the root, which no node below exceeds.
    pub(crate) confidence: u32,
    /// Whether it is decided.
    pub(crate) finalized: bool,
}

/// The votes of a poll that are left on the way down.
trait Votes {
    /// The side of a bit that has enough of `count` votes, or any side if none has, and its votes.
    /// What is left is narrowed down to that side.
    fn split(&mut self, count: u32, bit: u16, alpha_preference: u32) -> (Bit, u32);

    /// A choice that has votes: its bits lead down the way that was taken.
    fn voted(&self) -> Option<&Id>;
}

/// All votes are for one choice.
struct One<'a>(&'a Id);

/// Votes for several choices.
struct Many<'a, I> {
    ballots: &'a mut [Ballot],
    ids: &'a I,
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
        let (decided, preference) = match self.node(root.node) {
            Node::Unary(node) => (node.decided, node.preference),
            Node::Binary(node) => (node.bit, *node.preferences.get(node.state.preference())),
            Node::Free(_) => (0, u32::MAX),
        };
        let (ballots, count) = if decided == 0 {
            (ballots, count)
        } else {
            let preferred = ids.id(preference);
            let ballots = keep(ballots, |vote| {
                ids.id(vote.choice).equal_subset(0..decided.into(), preferred)
            });
            let count = ballots.iter().map(|vote| vote.count).sum();
            (ballots, count)
        };
        let successful = match ballots {
            [only] => self.descend(root, One(ids.id(only.choice)), count, thresholds),
            ballots => self.descend(root, Many { ballots, ids }, count, thresholds),
        };
        let (preference, [confidence], finalized) = match self.node(root.node) {
            Node::Unary(node) => (node.preference, node.state.confidence(), node.state.finalized()),
            Node::Binary(node) => {
                let preference = *node.preferences.get(node.state.preference());
                (preference, node.state.confidence(), node.state.finalized())
            }
            Node::Free(_) => (u32::MAX, [0], false),
        };
        Polled { successful, preference, confidence, finalized }
    }

    /// Records `polls` more polls like the latest one: all votes for `voted`, which is preferred,
    /// at least `alpha_confidence` of them, and none of the polls decides anything.
    pub(super) fn repeat(&mut self, root: NodeRef, polls: u32, voted: &Id) {
        let mut at = root;
        while !at.is_none() {
            at = match self.node_mut(at) {
                Node::Unary(node) => {
                    node.state.repeat(polls);
                    node.child
                }
                Node::Binary(node) => {
                    let bit = Bit::from(voted.bit(node.bit.into()));
                    node.state.repeat(polls, bit);
                    *node.children.get(bit)
                }
                Node::Free(_) => NodeRef::NONE,
            };
        }
    }

    /// Records the poll on the root and on every node below it that has enough votes.
    fn descend(
        &mut self,
        root: &mut Root,
        mut votes: impl Votes,
        mut count: u32,
        thresholds: &Thresholds,
    ) -> bool {
        let mut reset = std::mem::take(&mut root.should_reset);
        let (mut at, mut changed) = (root.node, false);
        loop {
            let (child, pending) = match self.node_mut(at) {
                Node::Unary(node) => {
                    let pending = node.record(count, reset, thresholds);
                    changed |= node.state.finalized();
                    (node.child, pending)
                }
                Node::Binary(node) => {
                    let (bit, side) = votes.split(count, node.bit, thresholds.alpha_preference());
                    count = side;
                    let before = node.state.preference();
                    let pending = node.record(bit, count, reset, thresholds);
                    changed |= node.state.finalized() || node.state.preference() != before;
                    (*node.children.get(bit), pending)
                }
                Node::Free(_) => (NodeRef::NONE, false),
            };
            if count < thresholds.alpha_preference() || child.is_none() {
                break;
            }
            (at, reset) = (child, pending);
        }
        let successful = count >= thresholds.alpha_preference() || at != root.node;
        if changed && let Some(voted) = votes.voted() {
            root.node = self.renew(root.node, at, voted);
        }
        successful
    }

    /// Renews the nodes on the way from `at` down to `end`, which is where the bits of `voted`
    /// lead, and returns the node that stands in the place of `at`.
    ///
    /// A decided node is dropped together with the branch it decided against; one without a child
    /// stays and decides the whole tree. Confidence does not rise downwards, so a node is decided
    /// only if all above it are. The recursion is at most 256 nodes of each kind deep, and runs
    /// only in polls that decide bits or change a preference.
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

impl Votes for One<'_> {
    fn split(&mut self, count: u32, bit: u16, _alpha_preference: u32) -> (Bit, u32) {
        (Bit::from(self.0.bit(bit.into())), count)
    }

    fn voted(&self) -> Option<&Id> {
        Some(self.0)
    }
}

impl<I: Ids> Votes for Many<'_, I> {
    fn split(&mut self, count: u32, bit: u16, alpha_preference: u32) -> (Bit, u32) {
        let ids = self.ids;
        let side = |vote: &Ballot| Bit::from(ids.id(vote.choice).bit(bit.into()));
        let ones = self.ballots.iter().filter(|vote| side(vote) == Bit::One);
        let ones: u32 = ones.map(|vote| vote.count).sum();
        let bit = Bit::from(ones >= alpha_preference);
        let votes = if bit == Bit::One { ones } else { count - ones };
        if votes < count {
            self.ballots = keep(std::mem::take(&mut self.ballots), |vote| side(vote) == bit);
        }
        (bit, votes)
    }

    fn voted(&self) -> Option<&Id> {
        self.ballots.first().map(|vote| self.ids.id(vote.choice))
    }
}

impl<R: Rule> UnaryNode<R> {
    /// Records `count` votes. Returns whether the child is to be reset first, if there are enough
    /// votes for the poll to go on there.
    fn record(&mut self, count: u32, reset: bool, thresholds: &Thresholds) -> bool {
        if reset {
            self.state.reset();
            self.should_reset = true;
        }
        if count < thresholds.alpha_preference() {
            self.state.reset();
            self.should_reset = true;
            return false;
        }
        self.state.record_poll(thresholds, count);
        std::mem::take(&mut self.should_reset)
    }
}

impl<R: Rule> BinaryNode<R> {
    /// Records `count` votes for `bit`. Returns whether the child there is to be reset first, if
    /// there are enough votes for the poll to go on there.
    fn record(&mut self, bit: Bit, count: u32, reset: bool, thresholds: &Thresholds) -> bool {
        if reset {
            self.state.reset();
            *self.should_reset.get_mut(bit) = true;
        }
        *self.should_reset.get_mut(bit.other()) = true;
        if count < thresholds.alpha_preference() {
            self.state.reset();
            *self.should_reset.get_mut(bit) = true;
            return false;
        }
        self.state.record_poll(thresholds, count, bit);
        std::mem::take(self.should_reset.get_mut(bit))
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
