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
