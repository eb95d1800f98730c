//! The layout of the rows of an index.

use avalanche_consensus::{Height, Id};
use avalanche_store::Batch;

use crate::Cursor;

/// Where the [`Mark`] is.
pub(super) const MARK: &[u8] = b"m";
/// Transactions of one row of an address: 14,400 bytes, below what every store takes.
pub(super) const ENTRIES_MAX: usize = 400;

const ADDRESS: u8 = b'a';
const TRANSACTION: u8 = b't';
const VM_BLOCK: u8 = b'v';
const VERSION: u8 = 1;
const ENTRY_BYTES: usize = 36;

/// How far an index goes. It is in the batch of the last block's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) height: Height,
    pub(super) block: Id,
    pub(super) transactions: u64,
}

impl Mark {
    pub(super) fn encode(&self) -> Vec<u8> {
        [
            &[VERSION][..],
            &self.height.get().to_be_bytes(),
            self.block.as_bytes(),
            &self.transactions.to_be_bytes(),
        ]
        .concat()
    }

    /// Reads a mark, or says why the index cannot be used.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let fields = |bytes: &[u8]| {
            let (height, rest) = bytes.split_first_chunk()?;
            let (block, rest) = rest.split_first_chunk()?;
            let transactions = u64::from_be_bytes(rest.try_into().ok()?);
            let height = Height::new(u64::from_be_bytes(*height));
            Some(Self { height, block: Id::new(*block), transactions })
        };
        match bytes.split_first() {
            Some((&VERSION, rest)) => fields(rest).ok_or_else(|| "its mark is damaged".to_owned()),
            Some((found, _)) => Err(format!("it is of version {found}; this is {VERSION}")),
            None => Err("its mark is empty".to_owned()),
        }
    }
}

/// Adds the rows of a block, in the order of their keys. `touched` has addresses and places of the
/// transactions that touch them.
pub(super) fn stage(
    batch: &mut Batch,
    height: Height,
    names: &[Id],
    mut touched: Vec<([u8; 32], u32)>,
    vm_block: Id,
) {
    touched.sort_unstable();
    touched.dedup();
    for of_one in touched.chunk_by(|(one, _), (other, _)| one == other) {
        // From the last ones on, so that keys rise.
        for places in of_one.rchunks(ENTRIES_MAX) {
            let Some((address, first)) = places.first() else { continue };
            let mut value = Vec::with_capacity(places.len() * ENTRY_BYTES);
            for (_, place) in places {
                let name = usize::try_from(*place).ok().and_then(|at| names.get(at));
                value.extend(place.to_be_bytes());
                value.extend(name.unwrap_or(&Id::EMPTY).as_bytes());
            }
            batch.put(address_key(address, height, *first), value);
        }
    }
    let mut order: Vec<(&Id, u32)> = names.iter().zip(0..).collect();
    order.sort_unstable();
    for (name, place) in order {
        let mut value = Vec::with_capacity(12);
        value.extend(height.get().to_be_bytes());
        value.extend(place.to_be_bytes());
        batch.put(transaction_key(name), value);
    }
    batch.put(vm_block_key(&vm_block), height.get().to_be_bytes());
}

/// What the keys of all rows of an address begin with.
pub(super) fn address_prefix(address: &[u8; 32]) -> Vec<u8> {
    key(ADDRESS, address, 12)
}

/// What the keys of an address's rows of one height begin with.
pub(super) fn address_from(address: &[u8; 32], height: Height) -> Vec<u8> {
    let mut key = address_prefix(address);
    key.extend((!height.get()).to_be_bytes());
    key
}

fn address_key(address: &[u8; 32], height: Height, first: u32) -> Vec<u8> {
    let mut key = address_from(address, height);
    key.extend((!first).to_be_bytes());
    key
}

pub(super) fn transaction_key(id: &Id) -> Vec<u8> {
    key(TRANSACTION, id.as_bytes(), 0)
}

pub(super) fn vm_block_key(id: &Id) -> Vec<u8> {
    key(VM_BLOCK, id.as_bytes(), 0)
}

fn key(kind: u8, name: &[u8; 32], more: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(33 + more);
    key.push(kind);
    key.extend(name);
    key
}

/// The transactions of a row of an address, in order; `None` if it is damaged.
pub(super) fn entries(key: &[u8], value: &[u8]) -> Option<Vec<(Cursor, Id)>> {
    let (height, _first) = key.get(33..)?.split_first_chunk()?;
    let height = Height::new(!u64::from_be_bytes(*height));
    let (entries, rest) = value.as_chunks::<ENTRY_BYTES>();
    if entries.is_empty() || !rest.is_empty() {
        return None;
    }
    let entry = |entry: &[u8; ENTRY_BYTES]| {
        let (place, name) = entry.split_first_chunk()?;
        let index = u32::from_be_bytes(*place);
        Some((Cursor { height, index }, Id::new(name.try_into().ok()?)))
    };
    entries.iter().map(entry).collect()
}

pub(super) fn place(value: &[u8]) -> Option<Cursor> {
    let (height, index) = value.split_first_chunk()?;
    let height = Height::new(u64::from_be_bytes(*height));
    Some(Cursor { height, index: u32::from_be_bytes(index.try_into().ok()?) })
}

pub(super) fn height(value: &[u8]) -> Option<Height> {
    Some(Height::new(u64::from_be_bytes(value.try_into().ok()?)))
}
