//! What most of the stake says: the second poll.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::{FrontierPoll, Opinion, Requests};
use crate::validators::Validator;
use crate::{Error, Id, NodeId};

/// Finds the blocks that nodes with more than half of the weight name (AvalancheGo's
/// `snow/consensus/snowman/bootstrapper/majority.go`).
///
/// It asks all validators which of the blocks of a [`Minority`](super::Minority) they have
/// accepted. A block is in the result if the nodes that name it weigh at least `total / 2 + 1`;
/// silence weighs on the total all the same. Bounds are on the [module page](super).
#[derive(Clone, Debug)]
pub struct Majority {
    requests: Requests,
    weights: BTreeMap<NodeId, u64>,
    /// Weight behind each block; at most `ids_max` blocks for each node that was heard.
    received: BTreeMap<Id, u64>,
    accepted: BTreeSet<Id>,
}

impl Majority {
    /// A poll of these validators. Of nobody, it is final at once, with an empty result.
    ///
    /// Weights of zero are allowed: such a node is asked and decides nothing. Weights are added up
    /// when they matter, as in AvalancheGo: [`record_opinion`](FrontierPoll::record_opinion) finds
    /// out that they do not fit in 64 bits, at the last answer if not earlier.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateValidator`] if a node comes twice, [`Error::ValidatorsFull`] if there are
    /// more than a [`ValidatorSet`](crate::validators::ValidatorSet) has.
    pub fn new(validators: impl IntoIterator<Item = Validator>) -> Result<Self, Error> {
        let mut weights = BTreeMap::new();
        for Validator { node_id: node, weight } in validators {
            if weights.insert(node, weight).is_some() {
                return Err(Error::DuplicateValidator { node });
            }
        }
        let requests = Requests::new(weights.keys().copied().collect())?;
        Ok(Self { requests, weights, received: BTreeMap::new(), accepted: BTreeSet::new() })
    }

    /// Sets how many requests can be without an answer. Those that are out already stay.
    #[must_use]
    pub const fn with_outstanding_max(mut self, max: NonZeroU32) -> Self {
        self.requests.set_outstanding_max(max);
        self
    }

    /// Sets how many blocks one answer counts for. An honest node names at most those it was asked
    /// about.
    #[must_use]
    pub const fn with_ids_max(mut self, max: usize) -> Self {
        self.requests.set_ids_max(max);
        self
    }

    /// The weight behind a block together with that of one more node.
    fn weight_with(&self, id: &Id, weight: u64) -> Result<u64, Error> {
        let received = self.received.get(id).copied().unwrap_or(0);
        received.checked_add(weight).ok_or(Error::WeightOverflow)
    }

    /// More than half of all weight.
    fn required(&self) -> Result<u64, Error> {
        let total = self.weights.values().try_fold(0_u64, |sum, weight| sum.checked_add(*weight));
        // Half of the greatest total leaves room for one.
        total.map(|total| total / 2 + 1).ok_or(Error::WeightOverflow)
    }
}

impl FrontierPoll for Majority {
    fn requests(&self) -> &Requests {
        &self.requests
    }

    fn ask(&mut self, nodes: &[NodeId]) -> Result<(), Error> {
        self.requests.ask(nodes)
    }

    fn record_opinion(&mut self, node: &NodeId, ids: &[Id]) -> Result<Opinion, Error> {
        let (opinion, ids) = self.requests.judge(node, ids);
        let weight = self.weights.get(node).copied().unwrap_or(0);
        // Everything that can fail comes before the first change.
        let mut sums = BTreeMap::new();
        for id in ids {
            sums.insert(id, self.weight_with(&id, weight)?);
        }
        let required = if self.requests.is_last(node) { Some(self.required()?) } else { None };
        self.received.append(&mut sums);
        self.requests.heard(node);
        if let Some(required) = required {
            let enough = self.received.iter().filter(|(_, weight)| **weight >= required);
            self.accepted = enough.map(|(id, _)| *id).collect();
        }
        Ok(opinion)
    }

    fn result(&self) -> Option<&BTreeSet<Id>> {
        self.requests.is_finished().then_some(&self.accepted)
    }
}
