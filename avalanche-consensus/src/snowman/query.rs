//! Questions about an instance, none of which changes it.

use super::{BlockInspection, Health, Stats, Topological};
use crate::poll::Ancestry;
use crate::snowball::{Parameters, Rule};
use crate::{Height, Id, Timestamp};

impl<R: Rule> Topological<R> {
    /// The last accepted block and its height.
    #[must_use]
    pub fn last_accepted(&self) -> (Id, Height) {
        (self.arena.slot(self.last_accepted).id, self.arena.height(self.last_accepted))
    }

    /// The tip of the preferred branch; the last accepted block if nothing processes.
    #[must_use]
    pub fn preference(&self) -> Id {
        self.arena.slot(self.preference).id
    }

    /// The block at `height` that is last accepted or preferred. `None` below and above those.
    #[must_use]
    pub fn preference_at_height(&self, height: Height) -> Option<Id> {
        let (last_accepted, accepted_height) = self.last_accepted();
        let above = height.get().checked_sub(accepted_height.get())?;
        let Some(index) = above.checked_sub(1) else {
            return Some(last_accepted);
        };
        let block = self.preferred.get(usize::try_from(index).ok()?)?;
        Some(self.arena.slot(*block).id)
    }

    /// The preferred branch above the last accepted block, lowest height first.
    pub fn preferred(&self) -> impl Iterator<Item = (Height, Id)> {
        self.preferred.iter().map(|block| (self.arena.height(*block), self.arena.slot(*block).id))
    }

    /// Number of blocks that are added and undecided.
    #[must_use]
    pub fn num_processing(&self) -> usize {
        self.arena.len().saturating_sub(1)
    }

    /// Whether the block is added and undecided.
    #[must_use]
    pub fn processing(&self, id: &Id) -> bool {
        self.arena.find(id).is_some_and(|block| block != self.last_accepted)
    }

    /// Whether the block is last accepted or on the preferred branch.
    #[must_use]
    pub fn is_preferred(&self, id: &Id) -> bool {
        self.arena
            .find(id)
            .is_some_and(|block| block == self.last_accepted || self.arena.slot(block).preferred)
    }

    /// The parent of a processing or last accepted block.
    ///
    /// `None` for other blocks, and for the block that the instance started from. The parent of the
    /// last accepted block is named although it is no longer known here.
    #[must_use]
    pub fn parent(&self, id: &Id) -> Option<Id> {
        let block = self.arena.find(id)?;
        if block == self.last_accepted {
            self.last_accepted_parent
        } else {
            Some(self.arena.slot(self.arena.slot(block).parent).id)
        }
    }

    /// The parameters.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Whether an earlier failure made the instance unusable.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Counters since the instance was made.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// How the instance is doing at the time `now`.
    ///
    /// Source of the rule: `HealthCheck` in `snow/consensus/snowman/topological.go` of AvalancheGo.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> Health {
        let (last_accepted, last_accepted_height) = self.last_accepted();
        let processing = self.num_processing();
        let longest_processing = self
            .arena
            .oldest()
            .map_or_else(Default::default, |block| now.since(self.arena.issued(block).at));
        Health {
            processing,
            too_many_processing: processing > self.parameters.max_outstanding_items() as usize,
            longest_processing,
            processing_too_long: longest_processing > self.parameters.max_item_processing_time(),
            last_accepted,
            last_accepted_height,
            poisoned: self.poisoned,
        }
    }

    /// The last accepted and all processing blocks, in the order of their identifiers, with what is
    /// inside them. For traces and tools: it allocates and takes time.
    #[must_use]
    pub fn inspect(&self) -> Vec<BlockInspection> {
        let mut settled = self.clone();
        self.arena.iter().for_each(|block| settled.settle(block));
        let inspect = |block| {
            let slot = settled.arena.slot(block);
            let tree = (!slot.tree.is_none()).then(|| settled.forest.show(slot.tree).to_string());
            BlockInspection { id: slot.id, should_falter: slot.should_falter, tree }
        };
        let mut blocks: Vec<_> = self.arena.iter().map(inspect).collect();
        blocks.sort_unstable_by_key(|block| block.id);
        blocks
    }
}

impl<R: Rule> Ancestry for Topological<R> {
    fn parent(&self, id: &Id) -> Option<Id> {
        self.parent(id)
    }
}
