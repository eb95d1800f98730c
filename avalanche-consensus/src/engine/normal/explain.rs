//! Why a block is not final.

use super::{Cx, Normal};
use crate::engine::{Cause, Explanation};
use crate::{Height, Id};

impl<H: Clone> Normal<H> {
    pub(in crate::engine) fn explain(&self, cx: &Cx<H>, id: &Id) -> Explanation {
        let (height, cause) = self.cause(cx, id);
        let last = cx.config.limits.poll_history_max;
        let skipped = self.history.iter().count().saturating_sub(last);
        let polls = self.history.iter().skip(skipped).cloned().collect();
        Explanation { id: *id, height, cause, polls }
    }

    fn cause(&self, cx: &Cx<H>, id: &Id) -> (Option<Height>, Cause) {
        if *id == cx.tip.id {
            return (Some(cx.tip.height), Cause::Accepted);
        }
        if let Some(block) = self.processing.get(id) {
            return (Some(block.height()), self.cause_of_processing(cx, id, block.height()));
        }
        if let Some(waiting) = self.pending.get(id) {
            return (Some(waiting.block.height()), self.cause_of_pending(id));
        }
        let cause = match self.decided.get(id) {
            Some(true) => Cause::Accepted,
            Some(false) => Cause::Rejected,
            None if self.unverified_tree.contains(id) => Cause::VerificationFailed,
            None if self.block_requests.contains(id) => {
                let (ancestor, asked) = (*id, self.block_requests.asked(id));
                Cause::MissingAncestor { ancestor, asked }
            }
            None => Cause::Unknown,
        };
        (None, cause)
    }

    /// A block that waits, waits for the lowest of its ancestors that is here.
    fn cause_of_pending(&self, id: &Id) -> Cause {
        let mut at = *id;
        // Names that are no hashes could lead in a circle.
        for _ in 0..=self.pending.len() {
            let Some(waiting) = self.pending.get(&at) else { break };
            let (block, parent) = (at, waiting.block.parent());
            // It waits for its verdict, or for that of a sibling that comes before it.
            if waiting.verifying || self.can_issue_child_on(&parent) {
                return Cause::VerificationPending { block, since: waiting.since };
            }
            at = parent;
        }
        if self.unverified_tree.contains(&at) {
            return Cause::VerificationFailed;
        }
        Cause::MissingAncestor { ancestor: at, asked: self.block_requests.asked(&at) }
    }

    fn cause_of_processing(&self, cx: &Cx<H>, id: &Id, height: Height) -> Cause {
        let parameters = cx.config.parameters;
        let (k, alpha) = (parameters.k(), parameters.alpha_confidence());
        let (connected, needed) =
            (cx.connected.connected_percent(), f64::from(alpha) / f64::from(k));
        if connected < needed {
            return Cause::WeightUnreachable { connected, needed };
        }
        // A poll that nobody left without an answer is short of votes for another reason.
        let looked_at =
            self.history.iter().filter(|poll| poll.finished.is_some() || poll.failed > 0);
        let (mut of, mut failed) = (0, 0);
        for poll in looked_at {
            of += 1;
            failed += u32::from(poll.failed > 0 && poll.votes.len() < alpha);
        }
        if 2 * failed > of {
            return Cause::PollsTimingOut { failed, of };
        }
        if !self.consensus.is_preferred(id) {
            let rival = self.consensus.preference_at_height(height);
            let preferred = rival.unwrap_or_else(|| self.consensus.preference());
            return Cause::MinorityPreference { preferred };
        }
        match self.consensus.parent(id) {
            Some(parent) if !self.is_last_accepted(&parent) => {
                Cause::BehindUndecidedParent { parent }
            }
            _ => Cause::Deciding,
        }
    }
}
