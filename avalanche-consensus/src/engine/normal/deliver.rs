//! Verifying blocks and adding them to consensus.

use super::jobs::{Flow, Job, Options, Resume};
use super::{Cx, Normal};
use crate::engine::{Call, Fatal, Fault, MessageKind, Output, ParsedBlock, Verdict};
use crate::{Id, NodeId};

impl<H: Clone> Normal<H> {
    /// Has a block verified whose parent was issued.
    pub(super) fn deliver(
        &mut self,
        cx: &mut Cx<H>,
        block: ParsedBlock<H>,
        from: NodeId,
        push: bool,
    ) -> Result<Flow, Fatal> {
        let (id, parent) = (block.id(), block.parent());
        if !self.can_issue_child_on(&parent) || self.consensus.processing(&id) {
            return self.drop_pending(id);
        }
        if self.height_above(&parent) != Some(block.height()) {
            cx.fault(from, Fault::WrongHeight(id));
            self.mark_unverified(&block);
            return self.drop_pending(id);
        }
        if self.consensus.num_processing() >= cx.config.limits.processing_max as usize {
            cx.fault(from, Fault::Flooding(MessageKind::Put));
            return self.drop_pending(id);
        }
        let call = Call::Verify(block.clone());
        match self.park(cx, call, Some(from), Resume::Verified { block, push }) {
            Ok(()) => {
                self.pending.verifying(&id);
                Ok(Flow::Parked)
            }
            Err(_) => {
                cx.fault(from, Fault::Flooding(MessageKind::Put));
                self.drop_pending(id)
            }
        }
    }

    /// Takes in the verdict on a block. What was decided meanwhile is checked again.
    pub(super) fn verified(
        &mut self,
        cx: &mut Cx<H>,
        block: ParsedBlock<H>,
        push: bool,
        verdict: Verdict<H>,
    ) -> Result<Flow, Fatal> {
        let id = block.id();
        let from = self.pending.get(&id).map(|waiting| waiting.from);
        if !self.take_verdict(cx, &block, from, &verdict)? {
            return self.drop_pending(id);
        }
        let Verdict::Oracle([first, second]) = verdict else {
            return self.issued(cx, &block, push, Vec::new(), Vec::new());
        };
        // A peer that gives an option meanwhile finds that it is on its way.
        for option in [&first, &second] {
            if option.parent() == id && self.should_issue(&option.block) {
                self.pending.insert(option.clone(), cx.own, false, cx.now);
            }
        }
        let left = vec![second, first];
        let (added, dropped) = (Vec::new(), Vec::new());
        let options = Options { oracle: block, push, left, added, dropped };
        self.next_option(cx, Box::new(options))
    }

    /// Has the next option of an oracle verified, or ends its issue.
    fn next_option(&mut self, cx: &mut Cx<H>, mut options: Box<Options<H>>) -> Result<Flow, Fatal> {
        while let Some(option) = options.left.last() {
            let (id, parent) = (option.id(), option.parent());
            let child = parent == options.oracle.id()
                && self.can_issue_child_on(&parent)
                && self.height_above(&parent) == Some(option.height());
            if !child || self.consensus.processing(&id) {
                options.dropped.push(id);
                options.left.pop();
                continue;
            }
            let call = Call::Verify(option.clone());
            match self.park(cx, call, None, Resume::OptionVerified(options)) {
                Ok(()) => {
                    self.pending.verifying(&id);
                    return Ok(Flow::Parked);
                }
                Err(Resume::OptionVerified(given_back)) => options = given_back,
                Err(_) => return Err(Fatal::Invariant("another step came back")),
            }
            options.dropped.push(id);
            options.left.pop();
        }
        let Options { oracle, push, added, dropped, .. } = *options;
        self.issued(cx, &oracle, push, added, dropped)
    }

    /// Takes in the verdict on an option of an oracle.
    pub(super) fn option_verified(
        &mut self,
        cx: &mut Cx<H>,
        mut options: Box<Options<H>>,
        verdict: &Verdict<H>,
    ) -> Result<Flow, Fatal> {
        let Some(option) = options.left.pop() else {
            return Err(Fatal::Invariant("an option without a name has a verdict"));
        };
        if self.take_verdict(cx, &option, None, verdict)? {
            options.added.push(option);
        } else {
            options.dropped.push(option.id());
        }
        self.next_option(cx, options)
    }

    /// Adds a block to consensus if it is valid and still can be added; whether it was.
    fn take_verdict(
        &mut self,
        cx: &mut Cx<H>,
        block: &ParsedBlock<H>,
        from: Option<NodeId>,
        verdict: &Verdict<H>,
    ) -> Result<bool, Fatal> {
        let (id, parent) = (block.id(), block.parent());
        if matches!(verdict, Verdict::Invalid) {
            cx.stats.invalid += 1;
            if let Some(from) = from {
                cx.fault(from, Fault::InvalidBlock(id));
            }
            self.mark_unverified(block);
            return Ok(false);
        }
        cx.stats.verified += 1;
        let full = self.consensus.num_processing() >= cx.config.limits.processing_max as usize;
        if self.consensus.processing(&id) {
            // It was issued by another way meanwhile, and the VM keeps it for that.
            return Ok(false);
        }
        if full || !self.can_issue_child_on(&parent) {
            // Its rival was accepted while it was verified: the VM must not keep it.
            cx.stats.rejected += 1;
            cx.emit(Output::Reject(block.clone()));
            return Ok(false);
        }
        self.unverified_tree.remove(&id);
        self.unverified_cache.remove(&id);
        self.consensus.add(block.block, cx.now)?;
        self.processing.insert(id, block.clone());
        Ok(true)
    }

    /// Ends the issue of a block that consensus has: ask about it, let go who waits for it.
    fn issued(
        &mut self,
        cx: &mut Cx<H>,
        block: &ParsedBlock<H>,
        push: bool,
        added: Vec<ParsedBlock<H>>,
        dropped: Vec<Id>,
    ) -> Result<Flow, Fatal> {
        let id = block.id();
        // Until now, or who meets an oracle on a walk would give up what waits for it.
        self.pending.remove(&id);
        self.set_preference(cx);
        // Blocks that are not preferred are never advertised.
        if self.consensus.is_preferred(&id) {
            self.send_query(cx, id, push.then_some(block))?;
        }
        self.scheduler.fulfill(id)?;
        for option in added {
            self.now(Job::SettleOption { id: option.id(), block: Some(option), push })?;
        }
        for id in dropped {
            self.now(Job::SettleOption { id, block: None, push })?;
        }
        self.now(Job::Issued)?;
        Ok(Flow::Done)
    }

    /// Asks about an option of an oracle, if it was added, and lets go who waits for it.
    pub(super) fn settle_option(
        &mut self,
        cx: &mut Cx<H>,
        id: Id,
        block: Option<&ParsedBlock<H>>,
        push: bool,
    ) -> Result<Flow, Fatal> {
        if let Some(block) = block
            && self.consensus.is_preferred(&id)
        {
            self.send_query(cx, id, push.then_some(block))?;
        }
        self.pending.remove(&id);
        if block.is_some() {
            self.scheduler.fulfill(id)?;
        } else {
            self.scheduler.abandon(id)?;
        }
        self.block_requests.remove_block(&id);
        Ok(Flow::Done)
    }

    /// Forgets a block that cannot be issued, and lets go who waits for it.
    fn drop_pending(&mut self, id: Id) -> Result<Flow, Fatal> {
        self.pending.remove(&id);
        self.scheduler.abandon(id)?;
        Ok(Flow::Done)
    }
}
