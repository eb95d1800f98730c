//! Section 6 of the specification taken literally: maps, sets and recursion, and no shortcut.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Bag, Id, NodeId};

pub(super) type Tree = BTreeMap<Id, Id>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    Exhausted,
    EarlyFail,
    EarlyAlpha,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Alphas {
    pub(super) preference: u32,
    pub(super) confidence: u32,
}

#[derive(Clone, Debug)]
pub(super) struct ModelPoll {
    pub(super) request: u32,
    pub(super) polled: BTreeMap<NodeId, u32>,
    pub(super) votes: BTreeMap<Id, u32>,
    pub(super) finished: bool,
}

impl ModelPoll {
    pub(super) fn votes(&self) -> Bag {
        self.votes.iter().map(|(id, count)| (*id, *count)).collect()
    }

    /// The reason to finish, and whether only a prefix count is in the way of one.
    pub(super) fn ask(&self, alphas: Alphas, tree: &Tree) -> (Option<Finish>, bool) {
        let missing: u32 = self.polled.values().sum();
        if missing == 0 {
            return (Some(Finish::Exhausted), false);
        }
        if self.votes.values().sum::<u32>() + missing < alphas.preference {
            return (Some(Finish::EarlyFail), false);
        }
        let graph = ModelGraph::new(&self.votes, tree);
        let decided = |f: &u32| {
            let (f, most) = (*f, *f + missing);
            most < alphas.preference
                || f >= alphas.preference && most < alphas.confidence
                || f >= alphas.confidence
        };
        let blocks = !self.votes.is_empty() && graph.transitive_counts().iter().all(decided);
        let prefixes = graph.prefix_counts().iter().all(decided);
        ((blocks && prefixes).then_some(Finish::EarlyAlpha), blocks && !prefixes)
    }
}

#[derive(Debug)]
pub(super) struct ModelGraph {
    own: BTreeMap<Id, u32>,
    children: BTreeMap<Id, BTreeSet<Id>>,
}

impl ModelGraph {
    pub(super) fn new(votes: &BTreeMap<Id, u32>, tree: &Tree) -> Self {
        let mut children = BTreeMap::new();
        for voted in votes.keys() {
            let mut at = *voted;
            children.entry(at).or_insert_with(BTreeSet::new);
            while let Some(parent) = tree.get(&at) {
                children.entry(*parent).or_insert_with(BTreeSet::new).insert(at);
                at = *parent;
            }
        }
        Self { own: votes.clone(), children }
    }

    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    fn count(&self, id: &Id) -> u32 {
        let below: u32 = self.children[id].iter().map(|child| self.count(child)).sum();
        self.own.get(id).copied().unwrap_or(0) + below
    }

    fn transitive_counts(&self) -> Vec<u32> {
        self.children.keys().map(|id| self.count(id)).collect()
    }

    fn prefix_counts(&self) -> Vec<u32> {
        let mut counts = Vec::new();
        for children in self.children.values() {
            let children: Vec<Id> = children.iter().copied().collect();
            self.divide(&children, 0, &mut counts);
        }
        counts
    }

    /// Divides children that agree on all bits before `bit`.
    fn divide(&self, children: &[Id], bit: usize, counts: &mut Vec<u32>) {
        if children.len() < 2 {
            return;
        }
        let (ones, zeros): (Vec<Id>, Vec<Id>) = children.iter().partition(|id| id.bit(bit));
        if bit > 0 && !ones.is_empty() && !zeros.is_empty() {
            counts.push(children.iter().map(|id| self.count(id)).sum());
        }
        self.divide(&zeros, bit + 1, counts);
        self.divide(&ones, bit + 1, counts);
    }
}
