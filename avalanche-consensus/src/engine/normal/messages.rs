//! What peers say, and what becomes of it.

use super::jobs::{Flow, Job, Resume, VoteOptions};
use super::{Cx, Normal};
use crate::engine::{Call, Fatal, Fault, Message, MessageKind, ParsedBlock, Tip};
use crate::{Height, Id, NodeId};

impl<H: Clone> Normal<H> {
    /// A peer asks for the preference and gives a block; `None` if that could not be parsed.
    pub(in crate::engine) fn push_query(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
        block: Option<ParsedBlock<H>>,
        height: Height,
    ) -> Result<(), Fatal> {
        self.answer(cx, from, request_id, height)?;
        match block {
            Some(block) => {
                self.now(Job::Walk { block, from, built: false })?;
                self.now(Job::Deferred)?;
            }
            None => cx.fault(from, Fault::Malformed(MessageKind::PushQuery)),
        }
        self.run(cx)
    }

    /// A peer asks for the preference and names a block.
    pub(in crate::engine) fn pull_query(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
        id: Id,
        height: Height,
    ) -> Result<(), Fatal> {
        self.answer(cx, from, request_id, height)?;
        self.now(Job::IssueById { id, from })?;
        self.now(Job::Deferred)?;
        self.run(cx)
    }

    /// A block that was asked for; `None` if it could not be parsed.
    pub(in crate::engine) fn put(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
        block: Option<ParsedBlock<H>>,
    ) -> Result<(), Fatal> {
        let Some(block) = block else {
            cx.fault(from, Fault::Malformed(MessageKind::Put));
            return self.get_failed(cx, from, request_id);
        };
        let got = block.id();
        if let Some(asked) = self.block_requests.block_of(request_id, &from)
            && asked != got
        {
            cx.fault(from, Fault::WrongBlock { asked, got });
            return self.get_failed(cx, from, request_id);
        }
        self.block_requests.end(request_id, &from);
        self.now(Job::Walk { block, from, built: false })?;
        self.now(Job::Deferred)?;
        self.run(cx)
    }

    /// A block that was asked for does not come.
    pub(in crate::engine) fn get_failed(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
    ) -> Result<(), Fatal> {
        let Some(id) = self.block_requests.end(request_id, &from) else {
            return Ok(());
        };
        self.scheduler.abandon(id)?;
        self.now(Job::Deferred)?;
        self.run(cx)
    }

    /// The answer to a query.
    pub(in crate::engine) fn chits(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
        [preferred, at_height]: [Id; 2],
        accepted: Tip,
    ) -> Result<(), Fatal> {
        // Only validators have an entry, and it goes when they do.
        if let Some(known) = self.accepted_frontiers.get_mut(&from) {
            *known = accepted;
        } else if cx.validators.contains(&from) {
            self.accepted_frontiers.insert(from, accepted);
        }
        // Usually both are known: then nothing is issued and nothing waits.
        if self.can_issue_child_on(&preferred)
            && (at_height == preferred || self.can_issue_child_on(&at_height))
        {
            let options = VoteOptions::of(preferred, at_height);
            self.vote(cx, from, request_id, options)?;
            if self.builds == 0 {
                return Ok(());
            }
        } else {
            self.now(Job::IssueById { id: preferred, from })?;
            self.now(Job::ChitsAtHeight { from, request_id, preferred, at_height })?;
        }
        self.now(Job::Deferred)?;
        self.run(cx)
    }

    /// The second block of an answer, once the first was looked at.
    pub(super) fn chits_at_height(
        &mut self,
        from: NodeId,
        request_id: u32,
        preferred: Id,
        at_height: Id,
    ) -> Result<Flow, Fatal> {
        let options = VoteOptions::of(preferred, at_height);
        if preferred != at_height {
            self.now(Job::IssueById { id: at_height, from })?;
        }
        self.now(Job::AwaitVote { from, request_id, options })?;
        Ok(Flow::Done)
    }

    /// Waits for those blocks of an answer that are on their way. Beyond the bound it does not
    /// wait: a peer that feeds a chain block by block could hold back votes of thousands of polls.
    pub(super) fn await_vote(
        &mut self,
        cx: &Cx<H>,
        from: NodeId,
        request_id: u32,
        options: VoteOptions,
    ) -> Result<Flow, Fatal> {
        let full = self.waiting_votes >= cx.config.limits.requests_max;
        let waits: Vec<Id> = options.iter().filter(|id| !full && self.can_depend_on(id)).collect();
        self.waiting_votes += usize::from(!waits.is_empty());
        self.scheduler.schedule(Job::Vote { from, request_id, options }, waits)?;
        Ok(Flow::Done)
    }

    /// A query stays without an answer. The peer votes for what it was heard to accept last.
    pub(in crate::engine) fn query_failed(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
    ) -> Result<(), Fatal> {
        self.history.failed(request_id);
        if let Some(accepted) = self.accepted_frontiers.get(&from).copied() {
            return self.chits(cx, from, request_id, [accepted.id; 2], accepted);
        }
        self.vote(cx, from, request_id, VoteOptions::None)?;
        self.now(Job::Deferred)?;
        self.run(cx)
    }

    /// The VM wants to build a block.
    pub(in crate::engine) fn pending_transactions(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        self.builds = self.builds.saturating_add(1).min(cx.config.limits.builds_max);
        self.now(Job::Deferred)?;
        self.run(cx)
    }

    /// The VM has synced its state.
    pub(in crate::engine) const fn state_sync_done(&mut self) {
        self.state_syncing = false;
    }

    /// Answers a query, or schedules that if the VM has to help.
    fn answer(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
        height: Height,
    ) -> Result<(), Fatal> {
        let (accepted, accepted_height) = self.consensus.last_accepted();
        if self.tells_accepted_only(cx) || height < accepted_height {
            return self.now(Job::AnswerQuery { from, request_id, height });
        }
        let preferred = self.consensus.preference();
        let at_height = self.consensus.preference_at_height(height).unwrap_or(preferred);
        let ids = [preferred, at_height, accepted];
        self.answer_query(cx, from, request_id, ids, accepted_height);
        Ok(())
    }

    /// Answers a query about a height below the last accepted one, or while the state is not
    /// complete: the VM knows what was accepted there. If it is too busy, that is as if it had
    /// forgotten.
    pub(super) fn answer_with_vm(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        request_id: u32,
        requested: Height,
    ) -> Result<Flow, Fatal> {
        let (accepted, height) = self.consensus.last_accepted();
        let preferred =
            if self.tells_accepted_only(cx) { accepted } else { self.consensus.preference() };
        let resume = Resume::ChitsHeight { from, request_id, preferred, accepted, height };
        if self.park(cx, Call::BlockIdAtHeight(requested), Some(from), resume).is_ok() {
            return Ok(Flow::Parked);
        }
        self.answer_query(cx, from, request_id, [preferred, accepted, accepted], height);
        Ok(Flow::Done)
    }

    /// Sends the answer to a query: preferred tip, block at the height, last accepted block.
    pub(super) fn answer_query(
        &mut self,
        cx: &mut Cx<H>,
        to: NodeId,
        request_id: u32,
        [preferred, preferred_at_height, accepted]: [Id; 3],
        accepted_height: Height,
    ) {
        // To itself AvalancheGo names no height (`snow/networking/sender`).
        let accepted_height = if to == cx.own { Height::GENESIS } else { accepted_height };
        cx.send(
            to,
            Message::Chits {
                request_id,
                preferred,
                preferred_at_height,
                accepted,
                accepted_height,
            },
        );
    }

    fn tells_accepted_only(&self, cx: &Cx<H>) -> bool {
        self.state_syncing || cx.config.partial_sync
    }
}

impl VoteOptions {
    fn of(preferred: Id, at_height: Id) -> Self {
        if preferred == at_height { Self::One(preferred) } else { Self::Two(preferred, at_height) }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Id> {
        let (first, second) = match self {
            Self::None => (None, None),
            Self::One(first) => (Some(first), None),
            Self::Two(first, second) => (Some(first), Some(second)),
        };
        first.into_iter().chain(second)
    }
}
