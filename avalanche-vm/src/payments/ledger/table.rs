//! The accepted accounts.

use std::hash::BuildHasher;

use avalanche_consensus::HashKey;

use super::index::{Index, PLACES_MAX};
use crate::payments::{Account, Address};

/// Accounts by address. Each has a place, which stays.
#[derive(Debug)]
pub(super) struct Table {
    key: HashKey,
    index: Index,
    rows: Vec<Row>,
}

/// An account at its place.
#[derive(Clone, Copy, Debug)]
struct Row {
    address: Address,
    account: Account,
}

/// There are as many accounts as places can be told apart.
#[derive(Debug)]
pub(super) struct Full;

impl Table {
    pub(super) fn new(key: HashKey, room: usize) -> Self {
        Self { key, index: Index::with_room(room), rows: Vec::with_capacity(room) }
    }

    /// The hash of an address, by this table's key.
    pub(super) fn hash(&self, address: &Address) -> u32 {
        let [a, b, c, d, ..] = self.key.hash_one(address.as_bytes()).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    pub(super) fn guess(&self, hash: u32) -> Option<u32> {
        self.index.guess(hash)
    }

    /// Reads what [`guess`](Self::guess) will look at. One loop of nothing but loads, of which a
    /// processor has many under way.
    pub(super) fn read_ahead(&self, hashes: &[u32]) {
        self.index.read_ahead(hashes);
    }

    /// Reads the rows at these places: both ends, since a row can lie in two lines of the cache.
    pub(super) fn read_rows_ahead(&self, places: &[Option<u32>]) {
        let rows = places.iter().flatten().filter_map(|place| self.row(*place));
        let sum = rows.fold(0, |sum, row| {
            let [first, ..] = row.address.as_bytes();
            sum ^ u64::from(*first) ^ row.account.nonce
        });
        std::hint::black_box(sum);
    }

    /// The account at `place`, if it is that of `address`.
    pub(super) fn at(&self, place: u32, address: &Address) -> Option<Account> {
        self.row(place).filter(|row| row.address == *address).map(|row| row.account)
    }

    /// The place of an address.
    pub(super) fn find(&self, hash: u32, address: &Address) -> Option<u32> {
        self.index.find(hash, |place| self.at(place, address).is_some())
    }

    pub(super) fn get(&self, address: &Address) -> Option<Account> {
        self.get_hashed(self.hash(address), address)
    }

    pub(super) fn get_hashed(&self, hash: u32, address: &Address) -> Option<Account> {
        self.find(hash, address).and_then(|place| self.at(place, address))
    }

    /// Writes an account, to `place` if that is its own, else to where it is or to a new place.
    /// Returns what was there.
    pub(super) fn put(
        &mut self,
        place: Option<u32>,
        address: &Address,
        account: Account,
    ) -> Result<Account, Full> {
        let place = place.filter(|place| self.at(*place, address).is_some());
        if let Some(place) = place.or_else(|| self.find(self.hash(address), address)) {
            let row = usize::try_from(place).ok().and_then(|place| self.rows.get_mut(place));
            return Ok(
                row.map_or(Account::ABSENT, |row| std::mem::replace(&mut row.account, account))
            );
        }
        if self.rows.len() >= PLACES_MAX {
            return Err(Full);
        }
        let place = u32::try_from(self.rows.len()).map_err(|_big| Full)?;
        self.index.add(self.hash(address), place);
        self.rows.push(Row { address: *address, account });
        Ok(Account::ABSENT)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Address, Account)> {
        self.rows.iter().map(|row| (row.address, row.account))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.index.memory_bytes() + self.rows.capacity() * size_of::<Row>()
    }

    fn row(&self, place: u32) -> Option<&Row> {
        usize::try_from(place).ok().and_then(|place| self.rows.get(place))
    }
}
