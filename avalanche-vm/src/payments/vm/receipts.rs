//! Where the newest accepted transfers are.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use avalanche_consensus::{HashKey, Id};

use crate::Block;
use crate::payments::{BlockRef, Receipt};

/// Finds the newest accepted transfers by name. A receipt is made of the block's bytes when
/// somebody asks, which is seldom; what is kept for each transfer is its place.
#[derive(Debug)]
pub(super) struct Receipts {
    max: usize,
    places: HashMap<Id, Place, HashKey>,
    /// Blocks with transfers that are found, oldest first.
    blocks: VecDeque<Kept>,
    /// Transfers of the oldest block that are not found any more.
    passed: usize,
    /// Number of the oldest block, counted from the first that was added.
    first: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// Which of all blocks that were added.
    block: u64,
    index: u32,
}

#[derive(Debug)]
struct Kept {
    block: Block,
    names: Arc<[Id]>,
}

impl Receipts {
    /// None yet, and never more than `max`.
    pub(super) fn new(key: HashKey, max: usize) -> Self {
        let places = HashMap::with_hasher(key);
        Self { max, places, blocks: VecDeque::new(), passed: 0, first: 0 }
    }

    /// Adds an accepted block whose transfers have these names, in their order.
    pub(super) fn add(&mut self, block: Block, names: Arc<[Id]>) {
        if names.is_empty() {
            return;
        }
        let number = self.first + self.blocks.len() as u64;
        for (index, name) in (0..).zip(names.iter()) {
            self.places.insert(*name, Place { block: number, index });
        }
        self.blocks.push_back(Kept { block, names });
        while let Some(oldest) = self.blocks.front() {
            let too_many = self.places.len().saturating_sub(self.max);
            let rest = oldest.names.get(self.passed..).unwrap_or_default();
            let go = rest.get(..too_many).unwrap_or(rest);
            for name in go {
                // No nonce is used twice, so no transfer is accepted twice.
                self.places.remove(name);
            }
            if go.len() < rest.len() {
                self.passed += go.len();
                return;
            }
            self.blocks.pop_front();
            (self.passed, self.first) = (0, self.first + 1);
        }
    }

    /// The receipt of a transfer, if it is among the newest.
    pub(super) fn get(&self, transfer: &Id) -> Option<Receipt> {
        let Place { block, index } = *self.places.get(transfer)?;
        let at = usize::try_from(block.checked_sub(self.first)?).ok()?;
        let block = &self.blocks.get(at)?.block;
        let transfers = BlockRef::decode(block.bytes()).ok()?.transfers;
        let found = transfers.get(usize::try_from(index).ok()?)?;
        Some(Receipt::new(*transfer, (block.id(), block.height(), index), found))
    }
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::Height;

    use super::*;
    use crate::payments::vm::block_from;
    use crate::payments::{Header, SignedTransfer, Transfer};

    fn block(height: u64, nonces: std::ops::Range<u64>) -> (Block, Vec<SignedTransfer>) {
        let transfer = |nonce| Transfer { nonce, ..Transfer::default() }.with_signature(&[0; 64]);
        let transfers: Vec<_> = nonces.map(transfer).collect();
        let (parent, height) = (Id::EMPTY, Height::new(height));
        let header = Header { parent, height, timestamp_ms: 0, parent_state_root: [0; 32] };
        (block_from(header.encode(&transfers).unwrap()).unwrap(), transfers)
    }

    #[test]
    fn the_newest_are_found_in_their_place_and_no_more_than_the_bound() {
        for max in [0, 1, 4, 5, 6, 1_000] {
            let mut receipts = Receipts::new(HashKey::from_seed([1; 32]), max);
            let mut all = Vec::new();
            let sizes = [3, 0, 5, 1, 1, 0, 2, 7];
            let mut nonce = 0;
            for (height, size) in (1..).zip(sizes) {
                let (block, transfers) = block(height, nonce..nonce + size);
                nonce += size;
                let names = transfers.iter().map(SignedTransfer::id).collect();
                receipts.add(block.clone(), names);
                all.extend((0..).zip(transfers).map(|(index, t)| (block.clone(), index, t)));
                let oldest = all.len().saturating_sub(max);
                for (at, (block, index, transfer)) in all.iter().enumerate() {
                    let found = receipts.get(&transfer.id());
                    let place = (block.id(), block.height(), *index);
                    let expected = Receipt::new(transfer.id(), place, transfer.view());
                    assert_eq!(found, (at >= oldest).then_some(expected), "{max} {at}");
                }
                assert!(receipts.blocks.len() <= 8 && receipts.places.len() <= max);
            }
        }
    }

    #[test]
    fn empty_blocks_do_not_gather() {
        let mut receipts = Receipts::new(HashKey::from_seed([1; 32]), 2);
        let (full, transfers) = block(1, 0..2);
        receipts.add(full, transfers.iter().map(SignedTransfer::id).collect());
        for height in 2..100 {
            receipts.add(block(height, 0..0).0, Arc::new([]));
        }
        assert_eq!(receipts.blocks.len(), 1);
        assert!(receipts.get(&transfers[0].id()).is_some());
    }
}
