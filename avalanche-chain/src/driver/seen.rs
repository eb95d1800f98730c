//! Blocks that are not decided, as a driver remembers them.

use std::time::Duration;

use avalanche_consensus::{Id, Timestamp};

use crate::ChainBlock;

/// How long nothing is built beside a block that is being verified: as long as some slots, so that
/// no block whose verification hangs keeps others from being built.
const RIVAL_PATIENCE: Duration = Duration::from_secs(2);

/// A block that is not decided.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) block: ChainBlock,
    /// When it was first seen here.
    pub(super) at: Timestamp,
}

impl Seen {
    /// Whether what would now be built on a block contests this one.
    pub(super) fn is_rival(&self, parent: &Id, now: Timestamp) -> bool {
        self.block.parent() == *parent && now.since(self.at) < RIVAL_PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_child_of_the_same_block_contests_and_not_for_ever() {
        let (parent, at) = (Id::new([1; 32]), Timestamp::from_millis(5_000));
        let block = ChainBlock::genesis(parent, at, b"a block").unwrap();
        let seen = Seen { block, at };
        let after = |millis: u64| Timestamp::from_millis(5_000 + millis);
        for (block, millis, contests) in [
            (parent, 0, true),
            (parent, 1_999, true),
            (parent, 2_000, false),
            (seen.block.id(), 0, false),
        ] {
            assert_eq!(seen.is_rival(&block, after(millis)), contests, "{millis}");
        }
    }
}
