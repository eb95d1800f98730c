//! What one block changes.

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id};

use super::index::Index;
use crate::payments::{Account, Address};

/// A block that was executed: the accounts that it touches, with what they have after it.
#[derive(Debug)]
pub struct Layer {
    pub(super) tip: Tip,
    pub(super) parent: Id,
    pub(super) burned: u64,
    pub(super) burned_here: u64,
    pub(super) touched: Touched,
}

/// Accounts by the order in which the block names them. A block's place is the same in all of the
/// arrays.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) index: Index,
    pub(super) addresses: Vec<Address>,
    /// Hashes by the ledger's key.
    pub(super) hashes: Vec<u32>,
    pub(super) accounts: Vec<Account>,
    /// Places in the ledger's table; of the others nothing is known.
    pub(super) places: Vec<Option<u32>>,
}

impl Layer {
    /// The block.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.tip.id
    }

    /// The block's height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.tip.height
    }

    /// The block below.
    #[must_use]
    pub const fn parent(&self) -> Id {
        self.parent
    }

    /// Every account that the block changes, each once, with what it has after the block. In the
    /// order in which transfers name them, which is the same on every node.
    #[must_use]
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = (Address, Account)> {
        self.touched.addresses.iter().copied().zip(self.touched.accounts.iter().copied())
    }

    /// All fees burned from genesis to this block, which included: what the state has under
    /// [`BURNED_KEY`](crate::payments::BURNED_KEY) once it is not zero.
    #[must_use]
    pub const fn burned(&self) -> u64 {
        self.burned
    }

    /// The fees that this block burns.
    #[must_use]
    pub const fn burned_here(&self) -> u64 {
        self.burned_here
    }

    /// Bytes that it holds: about 75 for each account.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.touched.memory_bytes()
    }

    /// What an account has after the block, if the block touches it.
    pub(super) fn get(&self, hash: u32, address: &Address) -> Option<Account> {
        let place = self.touched.find(hash, address)?;
        let place = usize::try_from(place).ok()?;
        self.touched.accounts.get(place).copied()
    }
}

impl Touched {
    /// Forgets everything, and has room for `count` addresses.
    pub(super) fn clear(&mut self, count: usize) {
        let Self { index, addresses, hashes, accounts, places } = self;
        index.clear(count);
        addresses.clear();
        addresses.reserve(count);
        hashes.clear();
        hashes.reserve(count);
        accounts.clear();
        places.clear();
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let Self { index, addresses, hashes, accounts, places } = self;
        index.memory_bytes()
            + addresses.capacity() * size_of::<Address>()
            + hashes.capacity() * size_of::<u32>()
            + accounts.capacity() * size_of::<Account>()
            + places.capacity() * size_of::<Option<u32>>()
    }

    pub(super) fn find(&self, hash: u32, address: &Address) -> Option<u32> {
        self.index.find(hash, |place| {
            let found = usize::try_from(place).ok().and_then(|place| self.addresses.get(place));
            found == Some(address)
        })
    }

    /// The place of an address in this block, a new one if it has none. A block names fewer than
    /// 2^32 addresses.
    pub(super) fn intern(&mut self, hash: u32, address: &Address) -> u32 {
        if let Some(place) = self.find(hash, address) {
            return place;
        }
        let place = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        self.index.add(hash, place);
        self.addresses.push(*address);
        self.hashes.push(hash);
        place
    }
}
