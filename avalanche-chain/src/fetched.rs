//! Blocks that were downloaded while catching up, until they are executed.

use std::sync::Arc;

use avalanche_consensus::engine::StoredRun;
use avalanche_consensus::{Height, Id};
use avalanche_store::{Batch, Error, KeyRange, KeyValue, Order, Prefixed};
use bytes::Bytes;

use crate::ChainBlock;

/// Rows of a store:
///
/// | Key | Value |
/// |---|---|
/// | height (8, big-endian), piece (2) | a piece of the block, as long as the store takes |
///
/// They are not flushed: what a crash loses is downloaded again.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    rows: Prefixed<Arc<dyn KeyValue>>,
}

impl Fetched {
    pub(crate) fn new(store: Arc<dyn KeyValue>) -> Self {
        Self { rows: Prefixed::new(store, *b"fetched/") }
    }

    /// Keeps blocks.
    pub(crate) fn put(&self, blocks: &[ChainBlock]) -> Result<(), Error> {
        let piece_bytes = self.rows.limits().value_bytes_max.max(1);
        for block in blocks {
            let mut batch = Batch::new();
            for (piece, bytes) in (0_u16..).zip(block.bytes().chunks(piece_bytes)) {
                batch.put(key(block.height(), piece), bytes);
            }
            self.rows.commit(batch)?;
        }
        Ok(())
    }

    /// The block of a height; `None` if it is not here, or not whole.
    pub(crate) fn get(&self, height: Height) -> Result<Option<ChainBlock>, Error> {
        let mut bytes = Vec::new();
        for row in self.rows.range(KeyRange::prefix(&height.get().to_be_bytes()), Order::Ascending)
        {
            bytes.extend(row?.1);
        }
        Ok(ChainBlock::decode(Bytes::from(bytes)).ok())
    }

    /// Forgets the blocks of these heights.
    pub(crate) fn remove(&self, low: Height, high: Height) -> Result<(), Error> {
        let mut batch = Batch::new();
        let end = high.next().unwrap_or(high);
        let range = KeyRange::between(low.get().to_be_bytes(), end.get().to_be_bytes());
        for row in self.rows.range(range, Order::Ascending) {
            batch.delete(row?.0);
        }
        self.rows.commit(batch)
    }

    /// What is here above a height, as runs without gaps; the rest is forgotten.
    pub(crate) fn runs_above(&self, last: Height) -> Result<Vec<StoredRun>, Error> {
        if let Some(above) = last.next() {
            let old = KeyRange::between(Vec::new(), above.get().to_be_bytes());
            let mut batch = Batch::new();
            for row in self.rows.range(old, Order::Ascending) {
                batch.delete(row?.0);
            }
            self.rows.commit(batch)?;
        }
        let mut heights = Vec::new();
        for row in self.rows.range(KeyRange::all(), Order::Ascending) {
            let (key, _) = row?;
            let Some(height) = key.first_chunk().copied().map(u64::from_be_bytes) else { continue };
            if heights.last() != Some(&height) {
                heights.push(height);
            }
        }
        let mut runs: Vec<StoredRun> = Vec::new();
        let mut child: Option<(Height, Id)> = None;
        for height in heights {
            let height = Height::new(height);
            let Some(block) = self.get(height)? else { continue };
            match runs.last_mut() {
                Some(run) if child == height.previous().map(|below| (below, block.parent())) => {
                    run.high = height;
                }
                _ => runs.push(StoredRun { low: height, high: height, parent: block.parent() }),
            }
            child = Some((height, block.id()));
        }
        Ok(runs)
    }
}

fn key(height: Height, piece: u16) -> Vec<u8> {
    [&height.get().to_be_bytes()[..], &piece.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::Timestamp;
    use avalanche_net::identity::Identity;
    use avalanche_store::MemoryStore;

    use super::*;

    /// Blocks of heights 1 to `count`, each on the one before, of more bytes than one row takes.
    fn chain(count: u64) -> Vec<ChainBlock> {
        let (identity, mut parent) = (Identity::generate().unwrap(), Id::EMPTY);
        let one = |height| {
            let payload = vec![7; 40_000];
            let time = Timestamp::from_millis(height);
            let block =
                ChainBlock::build(parent, Height::new(height), time, &payload, &identity).unwrap();
            parent = block.id();
            block
        };
        (1..=count).map(one).collect()
    }

    #[test]
    fn blocks_come_back_whole_and_leave_when_they_are_told_to() {
        let fetched = Fetched::new(Arc::new(MemoryStore::new()));
        let blocks = chain(5);
        fetched.put(&blocks).unwrap();
        for block in &blocks {
            assert_eq!(fetched.get(block.height()).unwrap().as_ref(), Some(block));
        }
        fetched.remove(Height::new(2), Height::new(3)).unwrap();
        let left: Vec<_> =
            (1..=5).filter(|at| fetched.get(Height::new(*at)).unwrap().is_some()).collect();
        assert_eq!(left, [1, 4, 5]);
    }

    #[test]
    fn runs_are_without_gaps_and_what_is_accepted_is_forgotten() {
        let fetched = Fetched::new(Arc::new(MemoryStore::new()));
        let blocks = chain(7);
        fetched.put(&blocks).unwrap();
        fetched.remove(Height::new(5), Height::new(5)).unwrap();
        let run = |low: usize, high: u64| StoredRun {
            low: blocks[low - 1].height(),
            high: Height::new(high),
            parent: blocks[low - 1].parent(),
        };
        assert_eq!(fetched.runs_above(Height::new(2)).unwrap(), [run(3, 4), run(6, 7)]);
        assert!(fetched.get(Height::new(2)).unwrap().is_none());
        // A piece is missing: the block is, too, and the run ends before it.
        let key = key(Height::new(4), 1);
        let mut batch = Batch::new();
        batch.delete(key);
        fetched.rows.commit(batch).unwrap();
        assert_eq!(fetched.runs_above(Height::new(2)).unwrap(), [run(3, 3), run(6, 7)]);
    }

    #[test]
    fn neighbours_that_do_not_follow_on_each_other_are_two_runs() {
        let fetched = Fetched::new(Arc::new(MemoryStore::new()));
        let (one, other) = (chain(3), chain(3));
        fetched.put(&one[..2]).unwrap();
        fetched.put(&other[2..]).unwrap();
        let runs = fetched.runs_above(Height::GENESIS).unwrap();
        assert_eq!(runs.iter().map(|run| run.high.get()).collect::<Vec<_>>(), [2, 3]);
    }
}
