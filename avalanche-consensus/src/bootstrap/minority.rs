//! What anybody says: the first poll.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::{FrontierPoll, Opinion, Requests};
use crate::{Error, Id, NodeId};

/// Collects every block that any node names (AvalancheGo's
/// `snow/consensus/snowman/bootstrapper/minority.go`).
///
/// It asks the nodes of a [`sample`](super::sample) for the block that they accepted last. One
/// honest node among them is enough to learn of a useful block; what the others make up is found
/// out by [`Majority`](super::Majority). Bounds are on the [module page](super).
#[derive(Clone, Debug)]
pub struct Minority {
    requests: Requests,
    /// At most `ids_max` for each node that was heard.
    named: BTreeSet<Id>,
}

impl Minority {
    /// A poll of these nodes. Of nobody, it is final at once, with an empty result.
    ///
    /// # Errors
    ///
    /// [`Error::ValidatorsFull`] if there are more than a
    /// [`ValidatorSet`](crate::validators::ValidatorSet) has.
    pub fn new(nodes: BTreeSet<NodeId>) -> Result<Self, Error> {
        Ok(Self { requests: Requests::new(nodes)?, named: BTreeSet::new() })
    }

    /// Sets how many requests can be without an answer. Those that are out already stay.
    #[must_use]
    pub const fn with_outstanding_max(mut self, max: NonZeroU32) -> Self {
        self.requests.set_outstanding_max(max);
        self
    }

    /// Sets how many blocks one answer counts for. AvalancheGo's nodes name one.
    #[must_use]
    pub const fn with_ids_max(mut self, max: usize) -> Self {
        self.requests.set_ids_max(max);
        self
    }
}

impl FrontierPoll for Minority {
    fn requests(&self) -> &Requests {
        &self.requests
    }

    fn ask(&mut self, nodes: &[NodeId]) -> Result<(), Error> {
        self.requests.ask(nodes)
    }

    fn record_opinion(&mut self, node: &NodeId, ids: &[Id]) -> Result<Opinion, Error> {
        let (opinion, mut ids) = self.requests.judge(node, ids);
        self.named.append(&mut ids);
        self.requests.heard(node);
        Ok(opinion)
    }

    fn result(&self) -> Option<&BTreeSet<Id>> {
        self.requests.is_finished().then_some(&self.named)
    }
}
