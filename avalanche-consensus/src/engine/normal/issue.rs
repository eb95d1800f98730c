//! Bringing blocks to consensus with all their ancestors.

use super::jobs::{Flow, Job, Resume};
use super::{Cx, Normal};
use crate::engine::{Call, Fatal, Fault, Message, MessageKind, ParsedBlock};
use crate::{Id, NodeId};

impl<H: Clone> Normal<H> {
    /// Issues a block that a peer named, or asks the peer for it.
    pub(super) fn issue_by_id(
        &mut self,
        cx: &mut Cx<H>,
        id: Id,
        from: NodeId,
    ) -> Result<Flow, Fatal> {
        // A block that is here already needs nothing, and nobody waits for it.
        if self.can_issue_child_on(&id) || self.pending.contains(&id) {
            return self.end_walk(id, false);
        }
        if let Some(block) = self.unverified_cache.get(&id).cloned() {
            return self.walk(cx, block, from, false);
        }
        let resume = Resume::IssueById { id, from };
        match self.park(cx, Call::GetBlock(id), Some(from), resume) {
            Ok(()) => Ok(Flow::Parked),
            Err(_) => self.ask_for(cx, id, from),
        }
    }

    /// Walks from a block down to an ancestor that needs not be issued, and has every block on the
    /// way wait for its parent.
    ///
    /// The blocks of a walk are a peer's (`built` is false) or this node's own.
    pub(super) fn walk(
        &mut self,
        cx: &mut Cx<H>,
        mut block: ParsedBlock<H>,
        from: NodeId,
        built: bool,
    ) -> Result<Flow, Fatal> {
        loop {
            let (id, parent) = (block.id(), block.parent());
            if !self.should_issue(&block.block) {
                return self.end_walk(id, built);
            }
            let stranger = cx.is_stranger(&from);
            if !self.pending.has_room(&cx.config.limits, &from, stranger, block.bytes) {
                cx.fault(from, Fault::Flooding(MessageKind::Put));
                self.block_requests.remove_block(&id);
                self.scheduler.abandon(id)?;
                return Ok(Flow::Done);
            }
            self.pending.insert(block.clone(), from, stranger, cx.now);
            self.block_requests.remove_block(&id);
            let issue = Job::Issue { block, from, push: built };
            if self.can_issue_child_on(&parent) {
                self.now(issue)?;
                self.now(Job::WalkOn { parent, from, built })?;
                return Ok(Flow::Done);
            }
            self.scheduler.schedule(issue, vec![parent])?;
            match self.next_of_walk(cx, parent, from, built)? {
                Ok(next) => block = next,
                Err(flow) => return Ok(flow),
            }
        }
    }

    /// Goes on with a walk once a block was issued. Usually that was the last one, but votes that
    /// waited for it may have rejected its parent, and then AvalancheGo looks for the parent.
    pub(super) fn walk_on(
        &mut self,
        cx: &mut Cx<H>,
        parent: Id,
        from: NodeId,
        built: bool,
    ) -> Result<Flow, Fatal> {
        if self.can_issue_child_on(&parent) {
            return self.end_walk(parent, built);
        }
        match self.next_of_walk(cx, parent, from, built)? {
            Ok(next) => self.walk(cx, next, from, built),
            Err(flow) => Ok(flow),
        }
    }

    fn next_of_walk(
        &mut self,
        cx: &mut Cx<H>,
        parent: Id,
        from: NodeId,
        built: bool,
    ) -> Result<Result<ParsedBlock<H>, Flow>, Fatal> {
        if self.pending.contains(&parent) {
            return self.end_walk(parent, built).map(Err);
        }
        if let Some(cached) = self.unverified_cache.get(&parent) {
            return Ok(Ok(cached.clone()));
        }
        let resume = Resume::Walk { parent, from, built };
        let flow = match self.park(cx, Call::GetBlock(parent), Some(from), resume) {
            Ok(()) => Flow::Parked,
            Err(_) if built => self.end_walk(parent, built)?,
            Err(_) => self.ask_for(cx, parent, from)?,
        };
        Ok(Err(flow))
    }

    /// Ends a walk at a block that needs not be issued: whoever still waits for it would wait for
    /// ever.
    pub(super) fn end_walk(&mut self, id: Id, built: bool) -> Result<Flow, Fatal> {
        let keep = if built {
            self.block_requests.contains(&id)
        } else {
            self.block_requests.remove_block(&id);
            self.pending.contains(&id)
        };
        // Who waits for a block that is issued is let go when its issue ends.
        if !keep && !self.can_issue_child_on(&id) {
            self.scheduler.abandon(id)?;
        }
        Ok(Flow::Done)
    }

    /// Asks a peer for a block, unless somebody was asked already.
    pub(super) fn ask_for(&mut self, cx: &mut Cx<H>, id: Id, from: NodeId) -> Result<Flow, Fatal> {
        // While the VM looked for the block it may have come from elsewhere.
        if self.pending.contains(&id) || self.can_issue_child_on(&id) {
            return self.end_walk(id, false);
        }
        if self.block_requests.contains(&id) {
            return Ok(Flow::Done);
        }
        let stranger = cx.is_stranger(&from);
        if !self.block_requests.has_room(&cx.config.limits, &from, stranger) {
            cx.fault(from, Fault::Flooding(MessageKind::PullQuery));
            self.scheduler.abandon(id)?;
            return Ok(Flow::Done);
        }
        let request_id = cx.next_request_id();
        // To itself it would fail at once, as in AvalancheGo's sender.
        if from != cx.own && cx.request(&[from], &Message::Get { request_id, id }) {
            self.block_requests.insert(id, request_id, from, stranger);
        } else {
            self.scheduler.abandon(id)?;
        }
        Ok(Flow::Done)
    }

    /// Gives up a block whose parent never will be there.
    pub(super) fn give_up(&mut self, block: &ParsedBlock<H>) -> Result<Flow, Fatal> {
        let id = block.id();
        self.pending.remove(&id);
        self.mark_unverified(block);
        self.scheduler.abandon(id)?;
        Ok(Flow::Done)
    }

    /// Remembers a block without a verdict if it hangs from one that is processing, so that votes
    /// for it count there. A failing child of the last accepted block is not remembered: votes for
    /// it could count for nothing.
    pub(super) fn mark_unverified(&mut self, block: &ParsedBlock<H>) {
        let (id, parent) = (block.id(), block.parent());
        if self.consensus.processing(&id) {
            return;
        }
        if (self.unverified_tree.contains(&parent) || self.consensus.processing(&parent))
            && self.unverified_tree.add(id, parent).is_ok()
        {
            self.unverified_cache.put(id, block.clone(), block.bytes as usize);
        }
    }

    /// Builds blocks while the VM wants to and not too many are processing.
    pub(super) fn build(&mut self, cx: &mut Cx<H>) -> Result<Flow, Fatal> {
        let optimal = cx.config.parameters.optimal_processing() as usize;
        if self.builds == 0 || self.building || self.consensus.num_processing() >= optimal {
            return Ok(Flow::Done);
        }
        match self.park(cx, Call::BuildBlock, None, Resume::Built) {
            Ok(()) => {
                self.builds -= 1;
                self.building = true;
                Ok(Flow::Parked)
            }
            Err(_) => Ok(Flow::Done),
        }
    }

    /// Issues what was built. Without a block, the other requests wait for the next message.
    pub(super) fn built(
        &mut self,
        cx: &mut Cx<H>,
        block: Option<ParsedBlock<H>>,
    ) -> Result<Flow, Fatal> {
        self.building = false;
        let Some(block) = block else { return Ok(Flow::Done) };
        cx.stats.built += 1;
        self.now(Job::Walk { block, from: cx.own, built: true })?;
        self.now(Job::Deferred)?;
        Ok(Flow::Done)
    }
}
