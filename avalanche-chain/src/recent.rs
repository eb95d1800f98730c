//! The newest told blocks, in memory: what clients ask about most.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avalanche_consensus::{Height, Id};

use crate::{ChainBlock, Cursor};

/// Blocks that are kept, at most.
const BLOCKS_MAX: usize = 16;

/// The last [`BLOCKS_MAX`] blocks that were told, and where their transactions are. A block has at
/// most 2 MiB; each of its transactions takes 48 bytes beside it.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<Kept>>);

/// A block that was told.
#[derive(Debug)]
struct Kept {
    block: ChainBlock,
    names: Arc<[Id]>,
    /// The beginnings of the names with their places, sorted: a table that is made in one go, and
    /// searched as long as the block is kept.
    order: Vec<(u64, u32)>,
}

impl Kept {
    fn new(block: ChainBlock, names: Arc<[Id]>) -> Self {
        let mut order: Vec<_> = names.iter().map(beginning).zip(0..).collect();
        order.sort_unstable();
        Self { block, names, order }
    }

    fn place(&self, id: &Id) -> Option<u32> {
        let from = self.order.partition_point(|(name, _)| *name < beginning(id));
        let rest = self.order.get(from..).unwrap_or_default().iter();
        let same = rest.take_while(|(name, _)| *name == beginning(id));
        let is_it =
            |place: &u32| usize::try_from(*place).is_ok_and(|at| self.names.get(at) == Some(id));
        same.map(|(_, place)| *place).find(is_it)
    }
}

fn beginning(id: &Id) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl Recent {
    pub(crate) fn add(&self, block: ChainBlock, transactions: Arc<[Id]>) {
        let kept = Kept::new(block, transactions);
        let mut blocks = self.lock();
        blocks.push_back(kept);
        if blocks.len() > BLOCKS_MAX {
            blocks.pop_front();
        }
    }

    /// Where a transaction is, for the last time that it was accepted.
    pub(crate) fn transaction(&self, id: &Id) -> Option<Cursor> {
        let blocks = self.lock();
        let mut newest = blocks.iter().rev();
        newest.find_map(|kept| Some(Cursor { height: kept.block.height(), index: kept.place(id)? }))
    }

    /// The block of a height.
    pub(crate) fn block(&self, height: Height) -> Option<ChainBlock> {
        let blocks = self.lock();
        blocks.iter().map(|kept| &kept.block).find(|block| block.height() == height).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::Timestamp;

    use super::*;

    #[test]
    fn the_newest_blocks_are_found_and_the_oldest_leave_with_their_transactions() {
        let recent = Recent::default();
        let count = BLOCKS_MAX + 3;
        for at in 0..count {
            let time = Timestamp::from_millis(at as u64);
            let block = ChainBlock::genesis(Id::EMPTY, time, &at.to_be_bytes()).unwrap();
            recent.add(block, Arc::new([Id::hash(&at.to_be_bytes())]));
        }
        let found =
            (0..count).filter(|at| recent.transaction(&Id::hash(&at.to_be_bytes())).is_some());
        // All are of height 0 here, so that one that leaves takes its transaction along.
        assert_eq!(found.collect::<Vec<_>>(), (3..count).collect::<Vec<_>>());
        assert!(recent.block(Height::GENESIS).is_some());
        assert!(recent.block(Height::new(1)).is_none());
    }
}
