//! Normal operation: deciding together with the others (AvalancheGo's
//! `snow/engine/snowman/engine.go`, `issuer.go`, `voter.go`, `memory_block.go`).
//!
//! ```text
//!  message --> steps (jobs) --> walk down to a known ancestor --> wait for the parent --> verify
//!                                                                                          |
//!      repoll <-- record polls <-- count the vote <-- wait for the blocks voted for <-- issue
//! ```
//!
//! Every step is a [`Job`] of the scheduler, so that what follows from a step comes before the next
//! one, as in a recursion. A step that has to ask the VM takes the whole stack of the scheduler
//! along and waits; other inputs begin with an empty one. So a shell that answers every call at
//! once sees AvalancheGo's order under its lock, and one that answers later loses no time.

mod deliver;
mod explain;
mod history;
mod issue;
mod jobs;
mod messages;
mod pending;
mod query;
mod vote;

pub use history::PollRecord;
pub(super) use jobs::Parked;

use history::PollHistory;
use jobs::Job;
use pending::{BlockRequests, Pending};

use super::context::Context;
use super::explain::Decided;
use super::getter::Serving;
use super::{
    AncestorTree, Fatal, Holdings, Limits, Output, ParsedBlock, Purpose, Scheduler, Tip,
    UnverifiedCache,
};
use crate::poll::Polls;
use crate::snowman::{Block, Decisions, Topological};
use crate::validators::ValidatorDiff;
use crate::vocabulary::IdMap;
use crate::{Bag, Height, Id, NodeId, Timestamp};

/// The context of an engine.
pub(super) type Cx<H> = Context<H, Purpose<H>>;

impl<H> From<Serving> for Purpose<H> {
    fn from(serving: Serving) -> Self {
        Self::Serve(serving)
    }
}

/// The state of normal operation.
#[derive(Debug)]
pub(super) struct Normal<H> {
    consensus: Topological,
    polls: Polls,
    /// Blocks of `consensus` that are undecided, for their handles.
    processing: IdMap<Id, ParsedBlock<H>>,
    pending: Pending<H>,
    block_requests: BlockRequests,
    unverified_tree: AncestorTree,
    unverified_cache: UnverifiedCache<ParsedBlock<H>>,
    /// Answers to queries that wait for blocks.
    waiting_votes: usize,
    /// What validators said that they accepted last.
    accepted_frontiers: IdMap<NodeId, Tip>,
    scheduler: Scheduler<Job<H>>,
    /// Blocks that the VM wants to build.
    builds: u32,
    building: bool,
    /// The VM syncs its state in the background.
    state_syncing: bool,
    /// The preference that the VM was told last.
    told: Option<Id>,
    next_gossip: Option<Timestamp>,
    history: PollHistory,
    decided: Decided,
    /// Working memory.
    decisions: Decisions,
    draws: Vec<u32>,
    sampled: Bag<NodeId>,
    asked: Vec<NodeId>,
}

impl<H: Clone> Normal<H> {
    /// Begins at the last accepted block, which may be an oracle.
    pub(super) fn start(
        cx: &mut Cx<H>,
        tip: Tip,
        options: Option<[ParsedBlock<H>; 2]>,
        state_syncing: bool,
    ) -> Result<Self, Fatal> {
        let (limits, parameters, key) = (cx.config.limits, cx.config.parameters, cx.key);
        cx.tip = tip;
        let mut normal = Self {
            consensus: Topological::new(parameters, tip.id, tip.height, key)
                .with_processing_max(limits.processing_max),
            polls: Polls::new(&parameters, key)
                .with_polls_max(limits.polls_max)
                .with_vertices_max(limits.processing_max.saturating_mul(2)),
            processing: IdMap::new(key),
            pending: Pending::new(key),
            block_requests: BlockRequests::new(key),
            unverified_tree: AncestorTree::new(key).with_blocks_max(limits.unverified_max),
            unverified_cache: UnverifiedCache::new(key)
                .with_budget_bytes(limits.unverified_bytes_max),
            waiting_votes: 0,
            accepted_frontiers: IdMap::new(key),
            scheduler: Scheduler::new(key).with_items_max(items_max(&limits)),
            builds: 0,
            building: false,
            state_syncing,
            told: None,
            next_gossip: None,
            history: PollHistory::new(limits.poll_history_max),
            decided: Decided::new(key),
            decisions: Decisions::new(),
            draws: Vec::new(),
            sampled: Bag::new(),
            asked: Vec::new(),
        };
        normal.schedule_gossip(cx);
        match options {
            None => normal.set_preference(cx),
            Some(options) => {
                for block in options {
                    // A peer that gives it before it is issued finds that it is on its way.
                    if normal.should_issue(&block.block) {
                        normal.pending.insert(block.clone(), cx.own, false, cx.now);
                    }
                    normal.now(Job::Issue { block, from: cx.own, push: false })?;
                }
            }
        }
        normal.now(Job::Deferred)?;
        normal.run(cx)?;
        Ok(normal)
    }

    pub(super) const fn consensus(&self) -> &Topological {
        &self.consensus
    }

    pub(super) fn polls_open(&self) -> usize {
        self.polls.len()
    }

    /// Blocks that are asked for, blocks that wait, and jobs that wait.
    pub(super) fn waiting(&self) -> [usize; 3] {
        [self.block_requests.len(), self.pending.len(), self.scheduler.waiting()]
    }

    /// Notes how much there is of everything.
    pub(super) fn hold(&self, held: &mut Holdings) {
        held.processing = self.consensus.num_processing();
        held.pending = self.pending.len();
        held.pending_bytes = self.pending.bytes();
        held.fetching = self.block_requests.open();
        held.jobs = self.scheduler.waiting();
        held.unverified = self.unverified_tree.len();
        held.unverified_bytes = self.unverified_cache.weight_bytes();
        held.polls = self.polls.len();
        held.frontiers = self.accepted_frontiers.len();
    }

    /// What nodes that are validators no longer accepted does not matter any more.
    pub(super) fn validators_changed(&mut self, diffs: &[ValidatorDiff]) {
        for diff in diffs.iter().filter(|diff| diff.after == 0) {
            self.accepted_frontiers.remove(&diff.node_id);
        }
    }

    /// Whether a child of this block can be issued now: it is last accepted or processing.
    fn can_issue_child_on(&self, id: &Id) -> bool {
        self.is_last_accepted(id) || self.consensus.processing(id)
    }

    fn is_last_accepted(&self, id: &Id) -> bool {
        self.consensus.last_accepted().0 == *id
    }

    /// Whether a block is known to be accepted or rejected. Direct rivals of the last accepted
    /// block are recognised without knowing their parent.
    fn is_decided(&self, block: &Block) -> bool {
        let (last_accepted, height) = self.consensus.last_accepted();
        block.height <= height
            || (block.height.previous() == Some(height) && block.parent != last_accepted)
    }

    fn should_issue(&self, block: &Block) -> bool {
        !self.is_decided(block)
            && !self.pending.contains(&block.id)
            && !self.consensus.processing(&block.id)
    }

    /// Whether jobs can wait for a block: it is sure to be fulfilled or abandoned.
    fn can_depend_on(&self, id: &Id) -> bool {
        self.pending.contains(id) || self.block_requests.contains(id)
    }

    /// The height that a child of a known block has.
    fn height_above(&self, parent: &Id) -> Option<Height> {
        let (last_accepted, height) = self.consensus.last_accepted();
        if last_accepted == *parent {
            return height.next();
        }
        self.processing.get(parent)?.height().next()
    }

    /// Tells the VM what is preferred, if that is news.
    fn set_preference(&mut self, cx: &mut Cx<H>) {
        let preference = self.consensus.preference();
        if self.told != Some(preference) {
            self.told = Some(preference);
            cx.emit(Output::SetPreference(preference));
        }
    }
}

/// Room for every job that can exist within the bounds: one a pending block and one an answer to a
/// query, each with what it waits for, and the steps of every handler that waits for the VM.
const fn items_max(limits: &Limits) -> usize {
    let blocks = limits.pending_max.saturating_mul(4);
    let votes = limits.requests_max.saturating_mul(4);
    let steps = limits.calls_max.saturating_mul(16);
    blocks.saturating_add(votes).saturating_add(steps).saturating_add(1_024)
}

#[cfg(test)]
mod tests;
