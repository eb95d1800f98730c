//! What a chain of payments begins with.

use avalanche_consensus::{Height, Id};

use super::wire::{Reader, VERSION};
use super::{Account, Address, Header, Refusal};

const HEAD_BYTES: usize = 21;
const ALLOCATION_BYTES: usize = 40;

/// The most bytes of a genesis: 16 million allocations.
pub const GENESIS_BYTES_MAX: usize = HEAD_BYTES + (16 << 20) * ALLOCATION_BYTES;

/// The first accounts, and what holds for all blocks. The same on every node.
///
/// | Bytes | What |
/// |---|---|
/// | 1 | version: 1 |
/// | 8 | timestamp of genesis, milliseconds since the Unix epoch |
/// | 8 | least fee of a transfer |
/// | 4 | number of allocations, at least 1 |
/// | 40 each | address (32) and balance (8), in strictly rising order of addresses |
///
/// Balances are at least 1, and their sum fits into 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    timestamp_ms: u64,
    fee_min: u64,
    supply: u64,
    allocations: Vec<(Address, u64)>,
}

impl Genesis {
    /// A genesis of these accounts, in any order.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] if there is none, or one address twice, or a balance of 0;
    /// [`Refusal::SupplyOverflow`]; [`Refusal::GenesisTooLarge`] above [`GENESIS_BYTES_MAX`].
    pub fn new(
        timestamp_ms: u64,
        fee_min: u64,
        mut allocations: Vec<(Address, u64)>,
    ) -> Result<Self, Refusal> {
        allocations.sort_unstable();
        let bytes = HEAD_BYTES.saturating_add(allocations.len().saturating_mul(ALLOCATION_BYTES));
        check_size(bytes)?;
        let supply = check(&allocations)?;
        Ok(Self { timestamp_ms, fee_min, supply, allocations })
    }

    /// Reads a genesis, which has to be all of `bytes`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); [`Refusal::Malformed`], also if addresses are not in order;
    /// [`Refusal::WrongVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        check_size(bytes.len())?;
        let mut reader = Reader::new("genesis", bytes);
        reader.version()?;
        let (timestamp_ms, fee_min) = (reader.u64()?, reader.u64()?);
        let count = reader.count()?;
        let pieces: &[[u8; ALLOCATION_BYTES]] = reader.pieces(count)?;
        let mut allocations = Vec::with_capacity(count);
        for piece in pieces {
            let mut reader = Reader::new("allocation", piece);
            allocations.push((Address::new(*reader.array()?), reader.u64()?));
        }
        let supply = check(&allocations)?;
        Ok(Self { timestamp_ms, fee_min, supply, allocations })
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.allocations.len() * ALLOCATION_BYTES);
        bytes.push(VERSION);
        bytes.extend(self.timestamp_ms.to_be_bytes());
        bytes.extend(self.fee_min.to_be_bytes());
        // Bounded by `GENESIS_BYTES_MAX`.
        let count = u32::try_from(self.allocations.len()).unwrap_or(u32::MAX);
        bytes.extend(count.to_be_bytes());
        for (address, balance) in &self.allocations {
            bytes.extend(address.as_bytes());
            bytes.extend(balance.to_be_bytes());
        }
        bytes
    }

    /// The header of the first block: height 0, no transfers, and the SHA-256 of the genesis bytes
    /// where other blocks have the root of their parent's state.
    #[must_use]
    pub fn header(&self) -> Header {
        Header {
            parent: Id::EMPTY,
            height: Height::GENESIS,
            timestamp_ms: self.timestamp_ms,
            parent_state_root: *Id::hash(&self.encode()).as_bytes(),
        }
    }

    /// The bytes of the first block.
    ///
    /// # Errors
    ///
    /// None: a block without transfers is never too large.
    pub fn block(&self) -> Result<Vec<u8>, Refusal> {
        self.header().encode(&[])
    }

    /// When it was made: milliseconds since the Unix epoch.
    #[must_use]
    pub const fn timestamp_ms(&self) -> u64 {
        self.timestamp_ms
    }

    /// The least fee of a transfer, in the smallest unit.
    #[must_use]
    pub const fn fee_min(&self) -> u64 {
        self.fee_min
    }

    /// The sum of all balances, which never grows.
    #[must_use]
    pub const fn supply(&self) -> u64 {
        self.supply
    }

    /// How many accounts it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.allocations.len()
    }

    /// Never: there is at least one account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allocations.is_empty()
    }

    /// The first accounts, in the order of their addresses.
    #[must_use]
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = (Address, Account)> {
        self.allocations
            .iter()
            .map(|(address, balance)| (*address, Account { balance: *balance, nonce: 0 }))
    }
}

fn check_size(bytes: usize) -> Result<(), Refusal> {
    let max = GENESIS_BYTES_MAX;
    if bytes > max { Err(Refusal::GenesisTooLarge { bytes, max }) } else { Ok(()) }
}

/// The supply of allocations that keep the rules.
fn check(allocations: &[(Address, u64)]) -> Result<u64, Refusal> {
    let what = "genesis";
    let wrong = |reason, index: usize, field, expected| {
        let at = HEAD_BYTES.saturating_add(index.saturating_mul(ALLOCATION_BYTES));
        Refusal::Malformed { what, reason, at: at.saturating_add(field), expected, found: 0 }
    };
    if allocations.is_empty() {
        return Err(wrong("number of allocations", 0, 0, 1));
    }
    let mut supply = 0_u64;
    let mut last = None;
    for (index, (address, balance)) in allocations.iter().enumerate() {
        if last >= Some(address) {
            return Err(Refusal::NotSorted { index, address: *address });
        }
        if *balance == 0 {
            return Err(wrong("balance", index, 32, 1));
        }
        supply = supply.checked_add(*balance).ok_or(Refusal::SupplyOverflow {
            before: supply,
            more: *balance,
            index,
        })?;
        last = Some(address);
    }
    Ok(supply)
}
