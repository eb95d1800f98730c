//! The newest told blocks, in memory: what clients ask about most.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use avalanche_consensus::{HashKey, Height, Id};

use crate::{ChainBlock, Cursor};

/// Blocks that are kept, at most.
const BLOCKS_MAX: usize = 16;

/// The last [`BLOCKS_MAX`] blocks that were told, and where their transactions are. A block has at
/// most 2 MiB; each of its transactions takes some 100 bytes beside it.
#[derive(Debug)]
pub(crate) struct Recent(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    /// Oldest first, with the names of their transactions.
    blocks: VecDeque<(ChainBlock, Vec<Id>)>,
    places: HashMap<Id, Cursor, HashKey>,
}

impl Recent {
    pub(crate) fn new(key: HashKey) -> Self {
        let places = HashMap::with_hasher(key);
        Self(Mutex::new(Kept { blocks: VecDeque::new(), places }))
    }

    pub(crate) fn add(&self, block: ChainBlock, transactions: Vec<Id>) {
        let mut kept = self.lock();
        for (index, id) in (0..).zip(&transactions) {
            kept.places.insert(*id, Cursor { height: block.height(), index });
        }
        kept.blocks.push_back((block, transactions));
        if kept.blocks.len() > BLOCKS_MAX
            && let Some((oldest, gone)) = kept.blocks.pop_front()
        {
            for id in gone {
                // One that was accepted again has its newer place.
                if kept.places.get(&id).is_some_and(|at| at.height == oldest.height()) {
                    kept.places.remove(&id);
                }
            }
        }
    }

    /// Where a transaction is.
    pub(crate) fn transaction(&self, id: &Id) -> Option<Cursor> {
        self.lock().places.get(id).copied()
    }

    /// The block of a height.
    pub(crate) fn block(&self, height: Height) -> Option<ChainBlock> {
        let kept = self.lock();
        kept.blocks.iter().map(|(block, _)| block).find(|block| block.height() == height).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::Timestamp;

    use super::*;

    #[test]
    fn the_newest_blocks_are_found_and_the_oldest_leave_with_their_transactions() {
        let recent = Recent::new(HashKey::from_seed([1; 32]));
        let count = BLOCKS_MAX + 3;
        for at in 0..count {
            let time = Timestamp::from_millis(at as u64);
            let block = ChainBlock::genesis(Id::EMPTY, time, &at.to_be_bytes()).unwrap();
            recent.add(block, vec![Id::hash(&at.to_be_bytes())]);
        }
        let found =
            (0..count).filter(|at| recent.transaction(&Id::hash(&at.to_be_bytes())).is_some());
        // All are of height 0 here, so that one that leaves takes its transaction along.
        assert_eq!(found.collect::<Vec<_>>(), (3..count).collect::<Vec<_>>());
        assert!(recent.block(Height::GENESIS).is_some());
        assert!(recent.block(Height::new(1)).is_none());
    }
}
