//! Counting answers and carrying out what polls decide.

use super::jobs::VoteOptions;
use super::{Cx, Normal};
use crate::engine::{Fatal, Output, Tip};
use crate::snowman::{Decision, RecordPollError};
use crate::{Id, NodeId};

impl<H: Clone> Normal<H> {
    /// Counts the answer of a peer to a poll, and records the polls that finish by it.
    pub(super) fn vote(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
        options: VoteOptions,
    ) -> Result<(), Fatal> {
        let vote = options.iter().find_map(|id| self.processing_ancestor(id));
        let Self { polls, consensus, decisions, history, .. } = self;
        let results = if let Some(id) = vote {
            polls.vote(request_id, &from, id, consensus)
        } else {
            cx.stats.votes_dropped += 1;
            polls.drop_validator(request_id, &from, consensus)
        };
        if results.is_empty() {
            return Ok(());
        }
        for votes in results {
            history.finish(votes, cx.now);
            match consensus.record_poll(votes, decisions) {
                Ok(_) => {}
                Err(RecordPollError::Refused(error)) => return Err(Fatal::Refused(error)),
                Err(RecordPollError::Invariant { broken }) => return Err(Fatal::Invariant(broken)),
                Err(RecordPollError::Acceptor { source, .. }) => match source {},
            }
        }
        self.carry_out(cx)?;
        self.set_preference(cx);
        if self.consensus.num_processing() > 0 {
            self.repoll(cx)?;
        }
        Ok(())
    }

    /// The block that an answer counts for: itself or the nearest ancestor that is processing,
    /// through blocks without a verdict (AvalancheGo's `getProcessingAncestor`).
    pub(super) fn processing_ancestor(&mut self, id: Id) -> Option<Id> {
        if self.consensus.processing(&id) {
            return Some(id);
        }
        let mut at = self.unverified_tree.ancestor(&id);
        // A cycle of names ends with the blocks of the cache.
        for _ in 0..=self.unverified_cache.len() {
            if self.consensus.processing(&at) {
                return Some(at);
            }
            let block = self.unverified_cache.get(&at)?.block;
            if self.is_decided(&block) {
                return None;
            }
            at = block.parent;
        }
        None
    }

    /// Hands decisions out, in order, and forgets what can no longer be voted for.
    fn carry_out(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        let Self { decisions, decided, processing, unverified_tree, .. } = self;
        for decision in decisions.drain() {
            let (Decision::Accept { id, .. } | Decision::Reject { id, .. }) = decision;
            let Some(block) = processing.remove(&id) else {
                return Err(Fatal::Invariant("a decided block was not processing"));
            };
            let accepted = matches!(decision, Decision::Accept { .. });
            decided.note(id, accepted);
            if accepted {
                unverified_tree.remove_descendants(&block.parent());
                cx.stats.accepted += 1;
                cx.tip = Tip { id, height: block.height() };
                cx.emit(Output::Accept(block));
            } else {
                unverified_tree.remove_descendants(&id);
                cx.stats.rejected += 1;
                cx.emit(Output::Reject(block));
            }
        }
        Ok(())
    }
}
