//! The undecided blocks, and what each poll makes of them.

use std::collections::VecDeque;

use super::acceptor::{Acceptor, RecordPollError};
use super::arena::{Arena, BlockRef};
use super::climb::Climb;
use super::{Block, PollOutcome, Stats};
use crate::snowball::{Forest, Parameters, Rule, Snowflake, Thresholds};
use crate::{Bag, Error, HashKey, Height, Id, Timestamp, events};

/// Decides one chain of blocks by repeated polls, with AvalancheGo's decisions.
///
/// The caller adds verified blocks, reports what each poll of sampled validators answered, and
/// carries out the decisions that come back through an [`Acceptor`].
///
/// # Poisoning
///
/// When an acceptor fails or an invariant breaks, the state is partly changed. From then on every
/// call that would change it returns [`Error::Poisoned`]; only [`Topological::last_accepted`] is
/// meaningful.
///
/// # Limits
///
/// At most [`PROCESSING_MAX`](Topological::PROCESSING_MAX) blocks are undecided at once, unless
/// another bound is set. A block takes one 64-byte slot, one index entry, and at most two tree
/// nodes. Recording a poll takes time in proportion to the undecided heights between the voted and
/// the last accepted blocks, and allocates nothing once its working memory has grown to that size.
#[derive(Clone, Debug)]
pub struct Topological<R: Rule = Snowflake> {
    pub(super) parameters: Parameters,
    pub(super) thresholds: Thresholds,
    pub(super) arena: Arena,
    pub(super) forest: Forest<R>,
    pub(super) last_accepted: BlockRef,
    /// The parent of the last accepted block, if this instance accepted it.
    pub(super) last_accepted_parent: Option<Id>,
    /// The preferred branch above the last accepted block, lowest first.
    pub(super) preferred: VecDeque<BlockRef>,
    /// The tip of the preferred branch; the last accepted block if nothing processes.
    pub(super) preference: BlockRef,
    pub(super) processing_max: u32,
    pub(super) poisoned: bool,
    pub(super) stats: Stats,
    pub(super) climb: Climb,
    /// Working memory of preference changes and of rejections; empty between calls.
    pub(super) walk: Vec<BlockRef>,
}

impl<R: Rule> Topological<R> {
    /// Undecided blocks that an instance holds unless told otherwise.
    pub const PROCESSING_MAX: u32 = 1 << 16;
    /// The highest bound that can be set.
    const PROCESSING_LIMIT: u32 = 1 << 30;

    /// An instance that starts from the last accepted block.
    ///
    /// `key` keeps lookups safe from chosen identifiers; it does not influence any decision.
    #[must_use]
    pub fn new(parameters: Parameters, last_accepted: Id, height: Height, key: HashKey) -> Self {
        let (arena, root) = Arena::new(last_accepted, height, key);
        Self {
            parameters,
            thresholds: parameters.into(),
            arena,
            forest: Forest::new(),
            last_accepted: root,
            last_accepted_parent: None,
            preferred: VecDeque::new(),
            preference: root,
            processing_max: Self::PROCESSING_MAX,
            poisoned: false,
            stats: Stats { max_verified_height: height, ..Stats::default() },
            climb: Climb::new(),
            walk: Vec::new(),
        }
    }

    /// Changes how many blocks may be undecided at once, up to 2^30.
    #[must_use]
    pub fn with_processing_max(self, max: u32) -> Self {
        Self { processing_max: max.min(Self::PROCESSING_LIMIT), ..self }
    }

    /// Adds a block, which must have been verified, at the time `now`.
    ///
    /// The block becomes preferred if it extends the preferred branch.
    ///
    /// # Errors
    ///
    /// Nothing changes on any of them: [`Error::Duplicate`], [`Error::UnknownParent`] (also for the
    /// last accepted block itself), [`Error::WrongHeight`], [`Error::ProcessingFull`] and
    /// [`Error::Poisoned`].
    pub fn add(&mut self, block: Block, now: Timestamp) -> Result<(), Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let parent = self.parent_of_new(&block)?;
        self.settle(parent);
        let added = self.arena.insert(block.id, block.height, parent, now, self.stats.polls);
        let tree = self.arena.slot(parent).tree;
        self.arena.slot_mut(parent).tree = if tree.is_none() {
            self.forest.plant(added.choice())
        } else {
            self.forest.add(tree, added.choice(), &self.arena)
        };
        if self.preference == parent {
            self.prefer(added);
        }
        self.stats.max_verified_height = self.stats.max_verified_height.max(block.height);
        Ok(())
    }

    /// The parent of a block that can be added.
    fn parent_of_new(&self, block: &Block) -> Result<BlockRef, Error> {
        let &Block { id, parent, height } = block;
        if self.processing(&id) {
            return Err(Error::Duplicate { block: id });
        }
        let Some(known) = self.arena.find(&parent) else {
            return Err(Error::UnknownParent { block: id, parent });
        };
        let expected = self.arena.height(known).next();
        if expected != Some(height) {
            return Err(Error::WrongHeight { block: id, height, expected });
        }
        if id == self.last_accepted().0 {
            // Only a block that claims to be its own ancestor gets here.
            return Err(Error::Duplicate { block: id });
        }
        if self.num_processing() >= self.processing_max as usize {
            return Err(Error::ProcessingFull { max: self.processing_max });
        }
        Ok(known)
    }

    /// Counts one finished poll. Decisions leave through `acceptor`, in order.
    ///
    /// Votes are for blocks; a vote counts for every undecided ancestor too. Votes for unknown or
    /// decided blocks count for nothing. Usually nothing is decided: confidence grew or was lost.
    ///
    /// # Errors
    ///
    /// [`RecordPollError::Refused`] with [`Error::TooManyVotes`] or [`Error::Poisoned`]: nothing
    /// changed. The other errors poison the instance.
    pub fn record_poll<A: Acceptor>(
        &mut self,
        votes: &Bag,
        acceptor: &mut A,
    ) -> Result<PollOutcome, RecordPollError<A::Error>> {
        if self.poisoned {
            return Err(RecordPollError::Refused(Error::Poisoned));
        }
        let (count, k) = (votes.len(), self.parameters.k());
        if count > k {
            return Err(RecordPollError::Refused(Error::TooManyVotes { votes: count, k }));
        }
        // Whatever does not come back, a panic of the acceptor included, leaves a poisoned
        // instance.
        self.poisoned = true;
        self.stats.polls += 1;
        let alpha = self.parameters.alpha_preference();
        self.climb.run(&self.arena, self.last_accepted, votes, alpha);
        let outcome = self.apply(acceptor);
        if outcome.is_ok() {
            self.poisoned = false;
        } else {
            let (last_accepted, height) = self.last_accepted();
            events::poisoned(&last_accepted, height);
        }
        outcome
    }
}
