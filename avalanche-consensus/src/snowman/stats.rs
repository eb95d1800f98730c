//! Plain counters and health, for a shell to publish.

use std::time::Duration;

use crate::{Height, Id};

/// Whether a poll moved anything.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollOutcome {
    /// A choice, or what choices have in common, reached the preference threshold somewhere.
    Successful,
    /// Nothing reached it, and blocks are processing.
    Failed,
    /// Nothing reached it, and nothing is processing.
    Idle,
}

/// Counters since the instance was made. They only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Polls that were recorded.
    pub polls: u64,
    /// Polls with [`PollOutcome::Successful`].
    pub polls_successful: u64,
    /// Polls with [`PollOutcome::Failed`].
    pub polls_failed: u64,
    /// Blocks that were accepted.
    pub accepted: u64,
    /// Polls between the addition and the acceptance of a block, added up over accepted blocks.
    pub accepted_polls: u64,
    /// Blocks that were rejected.
    pub rejected: u64,
    /// Polls between the addition and the rejection of a block, added up over rejected blocks.
    pub rejected_polls: u64,
    /// The greatest height that was ever added.
    pub max_verified_height: Height,
}

/// How the instance is doing, by the limits of its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Blocks that are processing.
    pub processing: usize,
    /// More blocks than `max_outstanding_items` are processing.
    pub too_many_processing: bool,
    /// How long the oldest processing block has been processing; zero if there is none.
    pub longest_processing: Duration,
    /// That is longer than `max_item_processing_time`.
    pub processing_too_long: bool,
    /// The last accepted block.
    pub last_accepted: Id,
    /// Its height.
    pub last_accepted_height: Height,
    /// The instance can no longer be used.
    pub poisoned: bool,
}

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn healthy(&self) -> bool {
        !self.too_many_processing && !self.processing_too_long && !self.poisoned
    }
}

/// The inside of one block, for traces and tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInspection {
    /// The block.
    pub id: Id,
    /// The block's tree is to be reset before its next poll.
    pub should_falter: bool,
    /// The printed form of the tree that decides between the block's children, if it has any.
    pub tree: Option<String>,
}
