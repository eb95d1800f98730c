//! The steps of normal operation, and how they wait for the VM.

use std::collections::VecDeque;
use std::mem;

use super::{Cx, Normal};
use crate::engine::context::Internal;
use crate::engine::scheduler::{Ready, Stack};
use crate::engine::{Answer, Call, CallId, Fatal, ParsedBlock, Purpose};
use crate::{Height, Id, NodeId};

/// One step.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Job<H> {
    /// The parent was issued or never will be: verify the block, or give it up.
    Issue { block: ParsedBlock<H>, from: NodeId, push: bool },
    /// Look for a block and issue it with its ancestors.
    IssueById { id: Id, from: NodeId },
    /// Issue a block with its ancestors.
    Walk { block: ParsedBlock<H>, from: NodeId, built: bool },
    /// Go on with a walk at the parent of a block that was issued.
    WalkOn { parent: Id, from: NodeId, built: bool },
    /// Answer a query with the help of the VM.
    AnswerQuery { from: NodeId, request_id: u32, height: Height },
    /// The second block of an answer to a query.
    ChitsAtHeight { from: NodeId, request_id: u32, preferred: Id, at_height: Id },
    /// Wait for what the answer names, then vote.
    AwaitVote { from: NodeId, request_id: u32, options: VoteOptions },
    /// The blocks that the answer names are there, or never will be: vote.
    Vote { from: NodeId, request_id: u32, options: VoteOptions },
    /// An option of an oracle was verified: ask about it and let go who waits for it.
    SettleOption { id: Id, block: Option<ParsedBlock<H>>, push: bool },
    /// The end of an issue.
    Issued,
    /// What every message ends with: build blocks.
    Deferred,
}

/// The blocks that an answer to a query can count for, the highest first.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum VoteOptions {
    None,
    One(Id),
    Two(Id, Id),
}

/// A step that waits for the VM, and the steps that wait behind it.
#[derive(Debug)]
pub(in crate::engine) struct Parked<H> {
    resume: Resume<H>,
    stack: Stack<Job<H>>,
    inbox: VecDeque<Internal<H>>,
}

/// What to do with the VM's answer.
#[derive(Clone, Debug)]
pub(super) enum Resume<H> {
    /// Look at the block that a query named; ask the peer if it is not there.
    IssueById { id: Id, from: NodeId },
    /// Go on down with the parent.
    Walk { parent: Id, from: NodeId, built: bool },
    /// A block has its verdict.
    Verified { block: ParsedBlock<H>, push: bool },
    /// An option of an oracle has its verdict.
    OptionVerified(Box<Options<H>>),
    /// A block was built, or not.
    Built,
    /// The block at the height that a query asked for.
    ChitsHeight { from: NodeId, request_id: u32, preferred: Id, accepted: Id, height: Height },
}

/// The options of an oracle while they are verified.
#[derive(Clone, Debug)]
pub(super) struct Options<H> {
    pub(super) oracle: ParsedBlock<H>,
    pub(super) push: bool,
    /// Not verified yet, in order, the next one last.
    pub(super) left: Vec<ParsedBlock<H>>,
    pub(super) added: Vec<ParsedBlock<H>>,
    pub(super) dropped: Vec<Id>,
}

/// Whether a step is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Flow {
    Done,
    /// It waits for the VM, and all that was to follow with it.
    Parked,
}

impl<H: Clone> Normal<H> {
    /// Schedules a step that waits for nothing: it comes after what was scheduled before in the
    /// present step, and before everything else.
    pub(super) fn now(&mut self, job: Job<H>) -> Result<(), Fatal> {
        Ok(self.scheduler.schedule(job, Vec::new())?)
    }

    /// Works off what is scheduled, up to its end or to a step that waits for the VM.
    pub(super) fn run(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        while let Some(ready) = self.scheduler.next_ready() {
            if self.execute(cx, ready)? == Flow::Parked {
                break;
            }
        }
        Ok(())
    }

    fn execute(&mut self, cx: &mut Cx<H>, ready: Ready<Job<H>>) -> Result<Flow, Fatal> {
        match ready.job {
            Job::Issue { block, from, push } => {
                if ready.abandoned.is_empty() {
                    self.deliver(cx, block, from, push)
                } else {
                    self.give_up(&block)
                }
            }
            Job::IssueById { id, from } => self.issue_by_id(cx, id, from),
            Job::Walk { block, from, built } => self.walk(cx, block, from, built),
            Job::WalkOn { parent, from, built } => self.walk_on(cx, parent, from, built),
            Job::AnswerQuery { from, request_id, height } => {
                self.answer_with_vm(cx, from, request_id, height)
            }
            Job::ChitsAtHeight { from, request_id, preferred, at_height } => {
                self.chits_at_height(from, request_id, preferred, at_height)
            }
            Job::AwaitVote { from, request_id, options } => {
                self.await_vote(cx, from, request_id, options)
            }
            Job::Vote { from, request_id, options } => {
                if !(ready.fulfilled.is_empty() && ready.abandoned.is_empty()) {
                    self.waiting_votes -= 1;
                }
                self.vote(cx, from, request_id, options)?;
                Ok(Flow::Done)
            }
            Job::SettleOption { id, block, push } => {
                self.settle_option(cx, id, block.as_ref(), push)
            }
            Job::Issued => {
                if self.consensus.num_processing() > 0 {
                    self.repoll(cx)?;
                }
                Ok(Flow::Done)
            }
            Job::Deferred => self.build(cx),
        }
    }

    /// Asks the VM and waits, with everything that is still to be done. With as many calls open as
    /// allowed, what was to be resumed comes back.
    pub(super) fn park(
        &mut self,
        cx: &mut Cx<H>,
        call: Call<H>,
        node: Option<NodeId>,
        resume: Resume<H>,
    ) -> Result<(), Resume<H>> {
        let node = node.filter(|node| *node != cx.own);
        let stack = self.scheduler.suspend();
        let inbox = mem::take(&mut cx.inbox);
        let parked = Purpose::Resume(Parked { resume, stack, inbox });
        match cx.call(call, node, parked) {
            Err(Purpose::Resume(Parked { resume, stack, inbox })) => {
                cx.inbox = inbox;
                self.scheduler.resume(stack);
                Err(resume)
            }
            _ => Ok(()),
        }
    }

    /// Goes on where a step waited. A wrong kind of answer is fatal.
    pub(in crate::engine) fn resume(
        &mut self,
        cx: &mut Cx<H>,
        call: CallId,
        parked: Parked<H>,
        answer: Answer<H>,
    ) -> Result<(), Fatal> {
        self.scheduler.resume(parked.stack);
        let later = mem::replace(&mut cx.inbox, parked.inbox);
        cx.inbox.extend(later);
        let flow = match (parked.resume, answer) {
            (Resume::IssueById { id, from }, Answer::Block(block)) => match block {
                Some(block) if block.id() == id => self.walk(cx, block, from, false)?,
                Some(_) => return Err(Fatal::WrongAnswer(call)),
                None => self.ask_for(cx, id, from)?,
            },
            (Resume::Walk { parent, from, built }, Answer::Block(block)) => match block {
                Some(block) if block.id() == parent => self.walk(cx, block, from, built)?,
                Some(_) => return Err(Fatal::WrongAnswer(call)),
                None if built => self.end_walk(parent, built)?,
                None => self.ask_for(cx, parent, from)?,
            },
            (Resume::Verified { block, push }, Answer::Verdict(verdict)) => {
                self.verified(cx, block, push, verdict)?
            }
            (Resume::OptionVerified(options), Answer::Verdict(verdict)) => {
                self.option_verified(cx, options, &verdict)?
            }
            (Resume::Built, Answer::Block(block)) => self.built(cx, block)?,
            (
                Resume::ChitsHeight { from, request_id, preferred, accepted, height },
                Answer::BlockId(found),
            ) => {
                let at_height = found.unwrap_or(accepted);
                self.answer_query(cx, from, request_id, [preferred, at_height, accepted], height);
                Flow::Done
            }
            _ => return Err(Fatal::WrongAnswer(call)),
        };
        if flow == Flow::Done { self.run(cx) } else { Ok(()) }
    }
}
