//! One poll, and when the answers that it still waits for can no longer change its outcome.

use super::Ancestry;
use super::outstanding::Outstanding;
use super::vote_graph::VoteGraph;
use crate::snowball::Parameters;
use crate::{Bag, Id, NodeId};

/// A poll that is open: who may still answer, and the votes so far.
#[derive(Clone, Debug)]
pub(super) struct Poll {
    pub(super) request_id: u32,
    pub(super) outstanding: Outstanding,
    pub(super) votes: Bag,
    /// Set when [`Poll::terminate`] first says that the poll is finished, and never cleared.
    finished: bool,
}

impl Poll {
    pub(super) const fn new(request_id: u32, outstanding: Outstanding, votes: Bag) -> Self {
        Self { request_id, outstanding, votes, finished: false }
    }

    /// Counts the answer of `validator` once for every time it was sampled. A validator that was
    /// not sampled, or was heard before, was sampled zero times.
    pub(super) fn vote(&mut self, validator: &NodeId, id: Id) {
        let sampled = self.outstanding.remove(validator);
        self.votes.add_count(id, sampled);
    }

    /// Expects no answer of `validator` any more.
    pub(super) fn drop_validator(&mut self, validator: &NodeId) {
        self.outstanding.remove(validator);
    }

    /// Asks whether the poll is finished, and keeps it finished once it is.
    ///
    /// `on_finish` hears the reason when the answer changes to true.
    pub(super) fn finish(
        &mut self,
        thresholds: Thresholds,
        ancestry: &impl Ancestry,
        graph: &mut VoteGraph,
        on_finish: impl FnOnce(Reason),
    ) -> bool {
        if !self.finished
            && let Some(reason) = self.reason(thresholds, ancestry, graph)
        {
            self.finished = true;
            on_finish(reason);
        }
        self.finished
    }

    /// What [`Poll::finish`] would answer, without keeping it.
    pub(super) fn would_finish(
        &self,
        thresholds: Thresholds,
        ancestry: &impl Ancestry,
        graph: &mut VoteGraph,
    ) -> bool {
        self.finished || self.reason(thresholds, ancestry, graph).is_some()
    }

    /// Why the poll is finished, if it is: section 6.2 of the specification, the latch aside.
    fn reason(
        &self,
        thresholds: Thresholds,
        ancestry: &impl Ancestry,
        graph: &mut VoteGraph,
    ) -> Option<Reason> {
        let bounds = Bounds { thresholds, missing: self.outstanding.missing() };
        let votes = self.votes.len();
        if bounds.missing == 0 {
            return Some(Reason::Exhausted);
        }
        if bounds.most(votes) < thresholds.alpha_preference {
            return Some(Reason::EarlyFail);
        }
        self.is_settled(bounds, ancestry, graph).then_some(Reason::EarlyAlpha)
    }

    /// Whether no count that an instance would see can still change what that instance does.
    ///
    /// Two shortcuts avoid the graph, and hold for every block tree. The most voted block's
    /// transitive count is at least its own votes and at most all votes, so if every count in that
    /// range is open, the poll is. And if all votes are for one block, the graph is a path on which
    /// every count is the number of votes.
    fn is_settled(&self, bounds: Bounds, ancestry: &impl Ancestry, graph: &mut VoteGraph) -> bool {
        let votes = self.votes.len();
        let Some((_, most_voted)) = self.votes.mode() else {
            return false;
        };
        if bounds.is_open_throughout(most_voted, votes) {
            return false;
        }
        self.votes.as_slice().len() == 1
            || graph.all_counts(&self.votes, ancestry, |count| !bounds.is_open(count))
    }
}

/// The numbers of the parameters that polls depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    pub(super) k: u32,
    pub(super) alpha_preference: u32,
    pub(super) alpha_confidence: u32,
}

impl From<&Parameters> for Thresholds {
    fn from(parameters: &Parameters) -> Self {
        Self {
            k: parameters.k(),
            alpha_preference: parameters.alpha_preference(),
            alpha_confidence: parameters.alpha_confidence(),
        }
    }
}

/// Which rule finished a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nobody is left to answer.
    Exhausted,
    /// Not even all missing answers together reach the preference threshold.
    EarlyFail,
    /// Every count is past changing.
    EarlyAlpha,
}

/// What the missing answers can still do to a count.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    thresholds: Thresholds,
    /// Number of missing answers.
    missing: u32,
}

impl Bounds {
    /// What `count` grows to if every missing answer adds to it.
    const fn most(self, count: u32) -> u32 {
        count.saturating_add(self.missing)
    }

    /// Whether missing answers can change the outcome of an instance that stands at `count`.
    ///
    /// They cannot if the count cannot reach the preference threshold any more, if it has reached
    /// that one and cannot reach the confidence threshold, or if it has reached both.
    const fn is_open(self, count: u32) -> bool {
        self.is_open_throughout(count, count)
    }

    /// Whether each count from `low` to `high` is open.
    ///
    /// A count is open if it can reach the preference threshold, has not reached the confidence
    /// threshold, and is either still below the preference threshold or can reach the confidence
    /// threshold. The first is hardest for `low`, the second for `high`, and the third for the
    /// lowest count of the range that is not below the preference threshold.
    const fn is_open_throughout(self, low: u32, high: u32) -> bool {
        let Thresholds { alpha_preference, alpha_confidence, .. } = self.thresholds;
        let preferred = if low > alpha_preference { low } else { alpha_preference };
        self.most(low) >= alpha_preference
            && high < alpha_confidence
            && (high < alpha_preference || self.most(preferred) >= alpha_confidence)
    }
}
