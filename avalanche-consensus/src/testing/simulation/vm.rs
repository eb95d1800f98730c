//! A toy VM: what a shell would have behind its engine.

use std::collections::BTreeMap;
use std::time::Duration;

use super::block::{BlockRef, BlockStore, Kind};
use super::fault_plan::Lie;
use super::invariants::Invariant;
use super::random::Random;
use crate::engine::{Answer, Call, Phase, SyncMode, Tip, Verdict};
use crate::{Height, Id, Timestamp};

/// What a VM knows of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Unknown,
    Verified,
    Accepted,
    Rejected,
}

/// The VM of one node. Accepted and stored blocks survive a crash, the rest does not.
#[derive(Debug)]
pub(super) struct Vm {
    node: u32,
    /// By height, genesis first. Durable.
    accepted: Vec<BlockRef>,
    /// Downloaded and not executed. Durable.
    stored: BTreeMap<u64, BlockRef>,
    /// By number of the block; shorter than the store if the rest is unknown.
    status: Vec<Status>,
    undecided: usize,
    preference: BlockRef,
    /// The next block is built beside the preference.
    beside: bool,
    /// Whether blocks are built in turns only: one, and until when.
    turns: bool,
    turn: Option<Timestamp>,
    pub(super) lie: Option<Lie>,
    /// The longest time until an answer; zero: at once.
    pub(super) slowness: Duration,
    /// How many blocks of a thousand are oracles.
    oracles: u32,
    /// Whether all nodes want the same option of an oracle.
    options_agreed: bool,
    /// Nothing is built above this height.
    heights: u64,
    random: Random,
    salt: u64,
    pub(super) built: u64,
}

/// What is built, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Building {
    pub(super) oracles: u32,
    pub(super) options_agreed: bool,
    pub(super) turns: bool,
    pub(super) heights: u64,
}

/// How long a turn lasts.
const TURN: Duration = Duration::from_millis(100);

impl Vm {
    pub(super) fn new(node: u32, building: Building, random: Random) -> Self {
        let Building { oracles, options_agreed, turns, heights } = building;
        Self {
            node,
            accepted: vec![BlockRef::GENESIS],
            stored: BTreeMap::new(),
            status: vec![Status::Accepted],
            undecided: 0,
            preference: BlockRef::GENESIS,
            beside: false,
            turns,
            turn: None,
            lie: None,
            slowness: Duration::ZERO,
            oracles,
            options_agreed,
            heights,
            random,
            salt: 0,
            built: 0,
        }
    }

    /// Forgets what is not durable.
    pub(super) fn crash(&mut self) {
        for status in &mut self.status {
            if *status != Status::Accepted {
                *status = Status::Unknown;
            }
        }
        self.undecided = 0;
        self.beside = false;
        self.preference = self.tip();
    }

    /// It is this node's turn to build.
    pub(super) fn may_build(&mut self, now: Timestamp, beside: bool) {
        (self.beside, self.turn) = (beside, Some(now.after(TURN)));
    }

    pub(super) fn tip(&self) -> BlockRef {
        self.accepted.last().copied().unwrap_or(BlockRef::GENESIS)
    }

    /// The height of the last accepted block.
    pub(super) fn height(&self) -> u64 {
        u64::try_from(self.accepted.len()).unwrap_or(u64::MAX).saturating_sub(1)
    }

    pub(super) fn accepted_at(&self, height: u64) -> Option<BlockRef> {
        self.accepted.get(usize::try_from(height).ok()?).copied()
    }

    /// Heights and blocks that were downloaded and not executed, ascending.
    pub(super) fn stored(&self) -> impl Iterator<Item = (u64, BlockRef)> {
        self.stored.iter().map(|(height, block)| (*height, *block))
    }

    pub(super) const fn preference(&self) -> BlockRef {
        self.preference
    }

    pub(super) const fn prefer(&mut self, block: BlockRef) {
        self.preference = block;
    }

    pub(super) fn store(&mut self, height: u64, block: BlockRef) {
        self.stored.insert(height, block);
    }

    pub(super) fn status(&self, block: BlockRef) -> Status {
        self.status.get(block.index()).copied().unwrap_or_default()
    }

    /// Blocks that were found valid and are not decided.
    pub(super) const fn undecided(&self) -> usize {
        self.undecided
    }

    /// Carries out an accept that is in order.
    pub(super) fn accept(&mut self, block: BlockRef) {
        self.set(block, Status::Accepted);
        self.accepted.push(block);
    }

    /// Carries out a reject that is in order.
    pub(super) fn reject(&mut self, block: BlockRef) {
        self.set(block, Status::Rejected);
    }

    /// How long the answer to a call takes; `None`: it comes at once.
    pub(super) fn delay(&mut self) -> Option<Duration> {
        let most = self.slowness;
        (!most.is_zero()).then(|| self.random.between(Duration::ZERO, most))
    }

    /// Answers a call, but for the execution of stored blocks.
    pub(super) fn answer(
        &mut self,
        blocks: &mut BlockStore,
        now: Timestamp,
        call: &Call<BlockRef>,
    ) -> Answer<BlockRef> {
        match call {
            Call::EnterPhase(phase) => self.enter(blocks, *phase),
            Call::Verify(block) => Answer::Verdict(self.verify(blocks, block.handle)),
            Call::BuildBlock => Answer::Block(self.build(blocks, now).map(|at| blocks.parsed(at))),
            Call::GetBlock(id) => Answer::Block(self.find(blocks, id).map(|at| blocks.parsed(at))),
            Call::BlockIdAtHeight(height) => {
                Answer::BlockId(self.accepted_at(height.get()).map(|at| blocks.id(at)))
            }
            Call::GetAncestors { id, blocks_max, .. } => {
                let mut found = Vec::new();
                let mut at = self.find(blocks, id);
                while let Some(block) = at
                    && found.len() < *blocks_max
                {
                    found.push(blocks.parsed(block));
                    let parent = blocks.get(block).parent;
                    at = (block != BlockRef::GENESIS).then_some(parent);
                }
                Answer::Blocks(found)
            }
            Call::FilterAccepted(ids) => {
                let accepted = |id: &&Id| {
                    let block = blocks.find(id);
                    block.is_some_and(|block| self.status(block) == Status::Accepted)
                };
                Answer::Ids(ids.iter().filter(accepted).copied().collect())
            }
            Call::ExecuteStored { .. } => Answer::Executed(self.tip_of(blocks)),
            Call::OngoingSummary | Call::LastSummary => Answer::Summary(None),
            Call::SummariesAt(_) => Answer::Ids(Vec::new()),
            Call::AcceptSummary(_) => Answer::SyncMode(SyncMode::Skipped),
        }
    }

    pub(super) fn tip_of(&self, blocks: &BlockStore) -> Tip {
        let tip = self.tip();
        Tip { id: blocks.id(tip), height: Height::new(self.height()) }
    }

    /// Verifies a block that was downloaded. It does not lie about those: to find invalid what the
    /// network has accepted would stop the chain.
    pub(super) fn execute(&mut self, blocks: &BlockStore, block: BlockRef) {
        let lie = self.lie.take();
        self.verify(blocks, block);
        self.lie = lie;
    }

    /// Takes the stored blocks of these heights out, ascending.
    pub(super) fn take_stored(&mut self, low: u64, high: u64) -> Vec<BlockRef> {
        let heights: Vec<u64> = self.stored.range(low..=high).map(|(height, _)| *height).collect();
        heights.iter().filter_map(|height| self.stored.remove(height)).collect()
    }

    /// Whether the VM may be asked for a verdict now.
    pub(super) fn may_verify(&self, blocks: &BlockStore, block: BlockRef) -> Result<(), Invariant> {
        let parent = blocks.get(block).parent;
        if blocks.id(parent) != blocks.get(block).block.parent
            || (parent != self.tip() && self.status(parent) != Status::Verified)
        {
            return Err(Invariant::VerifiedAfterParent);
        }
        match self.status(block) {
            Status::Unknown => Ok(()),
            _ => Err(Invariant::VerifiedOnce),
        }
    }

    fn enter(&mut self, blocks: &BlockStore, _: Phase) -> Answer<BlockRef> {
        let tip = self.tip();
        let options = blocks.get(tip).options.map(|options| self.order(blocks, options));
        let options = options.map(|options| options.map(|at| blocks.parsed(at)));
        Answer::LastAccepted { tip: self.tip_of(blocks), options }
    }

    /// Two options in the order of what this node wants.
    fn order(&self, blocks: &BlockStore, [first, second]: [BlockRef; 2]) -> [BlockRef; 2] {
        let node = if self.options_agreed { 0 } else { self.node };
        let likes_second = blocks.id(first).bit(0) != (node % 2 == 1);
        if likes_second { [second, first] } else { [first, second] }
    }

    fn verify(&mut self, blocks: &BlockStore, at: BlockRef) -> Verdict<BlockRef> {
        let block = blocks.get(at);
        let parent_known =
            block.parent == self.tip() || self.status(block.parent) == Status::Verified;
        let parent = blocks.get(block.parent);
        let follows_oracle = parent.options.is_none_or(|options| options.contains(&at));
        let valid = match self.lie {
            Some(Lie::RejectValid) if block.block.id.as_bytes()[1].is_multiple_of(3) => false,
            Some(Lie::AcceptInvalid) => true,
            _ => block.valid,
        };
        if !parent_known || !follows_oracle || !valid || self.status(at) == Status::Accepted {
            return Verdict::Invalid;
        }
        self.set(at, Status::Verified);
        match block.options {
            Some(options) => {
                Verdict::Oracle(self.order(blocks, options).map(|at| blocks.parsed(at)))
            }
            None => Verdict::Valid,
        }
    }

    /// Builds on the preference, or beside it if that is asked for and possible.
    fn build(&mut self, blocks: &mut BlockStore, now: Timestamp) -> Option<BlockRef> {
        let turn = std::mem::take(&mut self.turn);
        if self.turns && turn.is_none_or(|end| end < now) {
            return None;
        }
        let beside = std::mem::take(&mut self.beside);
        let mut parent = self.preference;
        if beside {
            if self.status(parent) != Status::Verified {
                return None;
            }
            parent = blocks.get(parent).parent;
        }
        if blocks.height(parent) >= self.heights || blocks.get(parent).options.is_some() {
            return None;
        }
        let kind = if self.lie == Some(Lie::AcceptInvalid) && self.random.chance(250) {
            Kind::Invalid
        } else if self.random.chance(self.oracles) && blocks.height(parent) + 1 < self.heights {
            Kind::Oracle
        } else {
            Kind::Plain
        };
        self.salt += 1;
        self.built += 1;
        Some(blocks.build(parent, self.node, self.salt, kind, now))
    }

    fn find(&self, blocks: &BlockStore, id: &Id) -> Option<BlockRef> {
        let block = blocks.find(id)?;
        matches!(self.status(block), Status::Verified | Status::Accepted).then_some(block)
    }

    fn set(&mut self, block: BlockRef, status: Status) {
        if self.status.len() <= block.index() {
            self.status.resize(block.index() + 1, Status::Unknown);
        }
        let Some(place) = self.status.get_mut(block.index()) else { return };
        self.undecided -= usize::from(*place == Status::Verified);
        self.undecided += usize::from(status == Status::Verified);
        *place = status;
    }
}
