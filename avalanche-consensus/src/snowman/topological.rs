//! The undecided blocks, and what each poll makes of them.

use std::collections::VecDeque;

use super::acceptor::{Acceptor, AcceptorCall, RecordPollError};
use super::arena::{Arena, BlockRef};
use super::climb::Climb;
use super::{Block, PollOutcome, Stats};
use crate::snowball::{Forest, Parameters, Rule, Snowflake, Thresholds};
use crate::{Bag, Error, HashKey, Height, Id, Timestamp};

/// Decides one chain of blocks by repeated polls, with AvalancheGo's decisions.
///
/// The caller adds verified blocks, reports what each poll of sampled validators answered, and carries
/// out the decisions that come back through an [`Acceptor`].
///
/// # Poisoning
///
/// When an acceptor fails or an invariant breaks, the state is partly changed. From then on every call
/// that would change it returns [`Error::Poisoned`]; only [`Topological::last_accepted`] is meaningful.
///
/// # Limits
///
/// At most [`PROCESSING_MAX`](Topological::PROCESSING_MAX) blocks are undecided at once, unless another
/// bound is set. A block takes one 64-byte slot, one index entry, and at most two tree nodes. Recording a
/// poll takes time in proportion to the undecided heights between the voted and the last accepted
/// blocks, and allocates nothing once its working memory has grown to that size.
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
    climb: Climb,
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
        let added = self.arena.insert(block.id, block.height, parent, now, self.stats.polls);
        match self.arena.slot(parent).root() {
            Some(mut root) => {
                self.forest.add(&mut root, added.choice(), &self.arena);
                self.arena.slot_mut(parent).set_root(root);
            }
            None => {
                let root = self.forest.plant(added.choice());
                self.arena.slot_mut(parent).set_root(root);
            }
        }
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
        let expected = self.arena.slot(known).height.next();
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
        // Whatever leaves this function early leaves a poisoned instance behind.
        self.poisoned = true;
        self.stats.polls += 1;
        let alpha = self.parameters.alpha_preference();
        self.climb.run(&self.arena, self.last_accepted, votes, alpha);
        let outcome = self.apply(acceptor)?;
        self.poisoned = false;
        Ok(outcome)
    }

    /// Records the poll on the tree of every level, from the last accepted block up.
    fn apply<A: Acceptor>(
        &mut self,
        acceptor: &mut A,
    ) -> Result<PollOutcome, RecordPollError<A::Error>> {
        if self.climb.peek().is_none() {
            self.arena.slot_mut(self.last_accepted).should_falter = true;
            if self.num_processing() == 0 {
                return Ok(PollOutcome::Idle);
            }
            self.stats.polls_failed += 1;
            return Ok(PollOutcome::Failed);
        }
        let (mut tip, mut on_preferred, mut successful) = (self.last_accepted, true, false);
        while let Some((parent, ballots, count)) = self.climb.pop() {
            let slot = self.arena.slot_mut(parent);
            if !slot.live {
                // Rejected earlier in this very poll.
                break;
            }
            let faltered = std::mem::take(&mut slot.should_falter);
            let Some(mut root) = slot.root() else {
                return Err(RecordPollError::Invariant { broken: "a voted child without a tree" });
            };
            root.should_reset |= faltered;
            let polled = self.forest.poll(&mut root, ballots, count, &self.thresholds, &self.arena);
            self.arena.slot_mut(parent).set_root(root);
            successful |= polled.successful;
            let preferred = BlockRef::of_choice(polled.preference);
            let accepted = parent == self.last_accepted && polled.finalized;
            if accepted {
                self.accept_preferred_child(parent, preferred, acceptor)?;
            }
            let next = self.climb.peek();
            if on_preferred {
                tip = preferred;
                on_preferred = next == preferred;
            }
            self.spread_falter(parent, next, faltered);
            if accepted {
                self.forest.fell(root);
            }
        }
        self.set_preference(tip);
        Ok(if successful {
            self.stats.polls_successful += 1;
            PollOutcome::Successful
        } else {
            self.stats.polls_failed += 1;
            PollOutcome::Failed
        })
    }

    /// Marks the surviving children whose trees did not take part, or had to start again.
    fn spread_falter(&mut self, parent: BlockRef, next: BlockRef, faltered: bool) {
        let mut children = self.arena.children(parent);
        while let Some(child) = children.next(&self.arena) {
            if faltered || child != next {
                let slot = self.arena.slot_mut(child);
                slot.should_falter |= slot.live;
            }
        }
    }

    /// Accepts `child`, rejects its siblings and their descendants, and forgets `parent`.
    fn accept_preferred_child<A: Acceptor>(
        &mut self,
        parent: BlockRef,
        child: BlockRef,
        acceptor: &mut A,
    ) -> Result<(), RecordPollError<A::Error>> {
        let slot = *self.arena.slot(child);
        if slot.parent != parent || !slot.live {
            return Err(RecordPollError::Invariant { broken: "a tree prefers another's child" });
        }
        let failed = |call| move |source| RecordPollError::Acceptor { call, id: slot.id, source };
        acceptor.notify_accepted(slot.id, slot.height).map_err(failed(AcceptorCall::Notify))?;
        acceptor.accept(slot.id, slot.height).map_err(failed(AcceptorCall::Accept))?;
        self.last_accepted = child;
        self.last_accepted_parent = Some(self.arena.slot(parent).id);
        self.preferred.pop_front();
        let accepted = self.arena.slot_mut(child);
        accepted.preferred = false;
        accepted.parent = BlockRef::NONE;
        self.stats.accepted += 1;
        self.stats.accepted_polls += self.stats.polls - self.arena.issued(child).poll;
        self.arena.unlink(child);

        self.walk.clear();
        let mut siblings = self.arena.children(parent);
        while let Some(sibling) = siblings.next(&self.arena) {
            if sibling != child {
                self.reject(sibling, acceptor)?;
            }
        }
        while let Some(rejected) = self.walk.pop() {
            self.arena.remove(rejected);
            if let Some(root) = self.arena.slot(rejected).root() {
                self.forest.fell(root);
            }
            let mut children = self.arena.children(rejected);
            while let Some(descendant) = children.next(&self.arena) {
                self.reject(descendant, acceptor)?;
            }
        }
        self.arena.remove(parent);
        Ok(())
    }

    fn reject<A: Acceptor>(
        &mut self,
        block: BlockRef,
        acceptor: &mut A,
    ) -> Result<(), RecordPollError<A::Error>> {
        let slot = self.arena.slot(block);
        let id = slot.id;
        acceptor.reject(id, slot.height).map_err(|source| RecordPollError::Acceptor {
            call: AcceptorCall::Reject,
            id,
            source,
        })?;
        self.stats.rejected += 1;
        self.stats.rejected_polls += self.stats.polls - self.arena.issued(block).poll;
        self.arena.unlink(block);
        self.walk.push(block);
        Ok(())
    }
}
