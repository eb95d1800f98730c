//! Reading a block of 10,000 transfers.

use std::hint::black_box;

use avalanche_consensus::Id;
use avalanche_vm::payments::BlockRef;

use super::{TRANSFERS, address, block, transfer};

/// The bytes of a block as they come from a peer.
#[derive(Debug)]
pub struct Decode(Vec<u8>);

impl Default for Decode {
    fn default() -> Self {
        let transfers: Vec<_> =
            (0..TRANSFERS).map(|n| transfer(address(n), address(n + 1), 0, 1)).collect();
        Self(block(Id::EMPTY, 1, &transfers))
    }
}

impl Decode {
    /// Copies the bytes, decodes the copy, and reads the amount and the fee of every transfer.
    pub fn ours(&self) {
        let bytes = black_box(&self.0).to_vec();
        let sum = BlockRef::decode(&bytes).map_or(0, |block| {
            let spent = block.transfers.iter().map(|t| t.amount() + t.fee());
            spent.fold(0, u64::wrapping_add)
        });
        assert_eq!(black_box(sum), 2 * u64::from(TRANSFERS), "not the block that it was");
        black_box(bytes);
    }

    /// Copies the bytes.
    pub fn floor(&self) {
        black_box(black_box(&self.0).to_vec());
    }
}
