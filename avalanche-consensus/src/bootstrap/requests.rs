//! Who is to be asked, and who has not answered.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::Opinion;
use crate::sampler::{Source, Uniform};
use crate::validators::ValidatorSet;
use crate::{Error, Id, NodeId};

/// The requests of one poll. Every node is in one of three places, in this order: not asked,
/// outstanding, heard (and then no longer here).
#[derive(Clone, Debug)]
pub struct Requests {
    /// Disjoint from `outstanding`; both have at most the nodes of the constructor.
    unasked: BTreeSet<NodeId>,
    /// At most `outstanding_max`.
    outstanding: BTreeSet<NodeId>,
    outstanding_max: NonZeroU32,
    ids_max: usize,
}

impl Requests {
    /// Requests without an answer at one time, unless set otherwise: 50, as in AvalancheGo
    /// (`snow/engine/snowman/bootstrap/bootstrapper.go`).
    pub const OUTSTANDING_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);
    /// Blocks that one answer counts for, unless set otherwise. An honest answer names at most one
    /// block for each node that was sampled.
    pub const IDS_MAX: usize = 128;

    pub(super) fn new(nodes: BTreeSet<NodeId>) -> Result<Self, Error> {
        let max = ValidatorSet::VALIDATORS_MAX;
        if nodes.len() > max {
            return Err(Error::ValidatorsFull { max });
        }
        Ok(Self {
            unasked: nodes,
            outstanding: BTreeSet::new(),
            outstanding_max: Self::OUTSTANDING_MAX,
            ids_max: Self::IDS_MAX,
        })
    }

    pub(super) const fn set_outstanding_max(&mut self, max: NonZeroU32) {
        self.outstanding_max = max;
    }

    pub(super) const fn set_ids_max(&mut self, max: usize) {
        self.ids_max = max;
    }

    /// How many nodes can be asked now: as many as are left, and as the bound on outstanding
    /// requests has room for.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let max = usize::try_from(self.outstanding_max.get()).unwrap_or(usize::MAX);
        max.saturating_sub(self.outstanding.len()).min(self.unasked.len())
    }

    /// Draws as many nodes as are [`wanted`](Self::wanted), uniformly. Changes nothing: pass them
    /// to [`FrontierPoll::ask`](super::FrontierPoll::ask).
    ///
    /// AvalancheGo takes whichever its map hands out first. O(n) in the nodes that are left.
    pub fn choose<S: Source + ?Sized>(&self, source: &mut S) -> Vec<NodeId> {
        let nodes: Vec<&NodeId> = self.unasked.iter().collect();
        let length = u64::try_from(nodes.len()).unwrap_or(u64::MAX);
        let places = Uniform::new(length).sample(self.wanted(), source).unwrap_or_default();
        let node = |place| nodes.get(usize::try_from(place).ok()?).copied().copied();
        places.into_iter().filter_map(node).collect()
    }

    /// The nodes that have not been asked.
    #[must_use]
    pub const fn unasked(&self) -> &BTreeSet<NodeId> {
        &self.unasked
    }

    /// The nodes that were asked and have not been heard.
    #[must_use]
    pub const fn outstanding(&self) -> &BTreeSet<NodeId> {
        &self.outstanding
    }

    /// Whether every node has been heard.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.unasked.is_empty() && self.outstanding.is_empty()
    }

    /// Moves nodes to the outstanding ones: all of them or, with an error, none.
    pub(super) fn ask(&mut self, nodes: &[NodeId]) -> Result<(), Error> {
        let mut asked = BTreeSet::new();
        for node in nodes {
            if !self.unasked.contains(node) || !asked.insert(*node) {
                return Err(Error::UnexpectedPeer { node: *node });
            }
        }
        if asked.len() > self.wanted() {
            return Err(Error::RequestsFull { max: self.outstanding_max.get() });
        }
        self.unasked.retain(|node| !asked.contains(node));
        self.outstanding.append(&mut asked);
        Ok(())
    }

    /// What an answer is worth, and the blocks that count. Changes nothing.
    pub(super) fn judge(&self, node: &NodeId, ids: &[Id]) -> (Opinion, BTreeSet<Id>) {
        if !self.outstanding.contains(node) {
            return (Opinion::Unexpected, BTreeSet::new());
        }
        let mut distinct = BTreeSet::new();
        for id in ids {
            distinct.insert(*id);
            if distinct.len() > self.ids_max {
                return (Opinion::TooLong, BTreeSet::new());
            }
        }
        (Opinion::Counted, distinct)
    }

    /// Whether nobody is left to be heard but this node.
    pub(super) fn is_last(&self, node: &NodeId) -> bool {
        self.unasked.is_empty() && self.outstanding.len() == 1 && self.outstanding.contains(node)
    }

    /// Notes that a node was heard.
    pub(super) fn heard(&mut self, node: &NodeId) {
        self.outstanding.remove(node);
    }
}
