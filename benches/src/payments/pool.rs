//! The mempool: admitting, choosing for a block, and taking out what was accepted.

use std::io;

use avalanche_consensus::{HashKey, Id, Timestamp};
use avalanche_vm::payments::{
    Account, BlockRef, Mempool, MempoolConfig, Rules, SignedTransfer, TRANSFERS_MAX,
};

use super::{CHAIN, address, block, transfer};
use crate::store::told;

/// Transfers that wait.
pub const WAITING: u32 = 100_000;

/// A mempool and what it is offered.
#[derive(Debug)]
pub struct Pool {
    mempool: Mempool,
    offers: Vec<SignedTransfer>,
}

impl Pool {
    /// An empty one, and [`WAITING`] transfers, as many of each sender as said.
    ///
    /// # Errors
    ///
    /// None.
    pub fn new(of_each: u32) -> io::Result<Self> {
        let rules = Rules { chain: CHAIN, fee_min: 1 };
        let key = HashKey::from_seed([3; 32]);
        let mempool = Mempool::new(key, MempoolConfig::default(), rules).map_err(told)?;
        let offer = |n: u32| {
            let (sender, nonce) = (address(n / of_each), u64::from(n % of_each));
            transfer(sender, address(n), nonce, 1 + u64::from(n.wrapping_mul(0x9e37_79b9) >> 20))
        };
        Ok(Self { mempool, offers: (0..WAITING).map(offer).collect() })
    }

    /// Admits all.
    ///
    /// # Errors
    ///
    /// None.
    pub fn fill(&mut self) -> io::Result<()> {
        for offer in &self.offers {
            self.mempool.insert(*offer, account(0), Timestamp::ZERO).map_err(told)?;
        }
        Ok(())
    }

    /// Chooses for a full block.
    #[must_use]
    pub fn choose(&self) -> Vec<SignedTransfer> {
        self.mempool.next_block(usize::MAX, 0, |_sender| account(0))
    }

    /// The block of what was chosen.
    #[must_use]
    pub fn block(chosen: &[SignedTransfer]) -> Vec<u8> {
        block(Id::EMPTY, 1, chosen.get(..TRANSFERS_MAX).unwrap_or(chosen))
    }

    /// Takes an accepted block out. Every sender has used `nonce` nonces.
    ///
    /// # Errors
    ///
    /// If these are not the bytes of a block.
    pub fn accept(&mut self, bytes: &[u8], nonce: u64) -> io::Result<()> {
        let block = BlockRef::decode(bytes).map_err(told)?;
        self.mempool.accept(block.transfers, |_sender| account(nonce));
        Ok(())
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.mempool.len()
    }
}

fn account(nonce: u64) -> Account {
    Account { balance: 1 << 40, nonce }
}
