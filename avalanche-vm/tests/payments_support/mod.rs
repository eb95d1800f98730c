//! Keys, a genesis and transfers that are signed.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use avalanche_consensus::{HashKey, Height, Id, NodeId, Timestamp};
use avalanche_store::MemoryStore;
use avalanche_vm::payments::{Address, Genesis, SignedTransfer, TRANSFER_DOMAIN, Transfer};
use avalanche_vm::signature::SigningKey;
use avalanche_vm::testing::ChainOptions;
use avalanche_vm::{AppSender, BlockReader, Error, ToEngine, VmContext};

pub(crate) const FEE_MIN: u64 = 10;
pub(crate) const START_MS: u64 = 1_700_000_000_000;
pub(crate) const START: Timestamp = Timestamp::from_millis(START_MS);
pub(crate) const BALANCE: u64 = 1_000_000;

pub(crate) fn key(number: u32) -> SigningKey {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(&seed)
}

/// Each is derived once: tests ask for thousands.
pub(crate) fn address(number: u32) -> Address {
    static DERIVED: Mutex<BTreeMap<u32, Address>> = Mutex::new(BTreeMap::new());
    let derive = || Address::new(key(number).public_key().to_bytes());
    *DERIVED.lock().unwrap().entry(number).or_insert_with(derive)
}

/// `count` accounts with the same balance.
pub(crate) fn genesis(count: u32) -> Genesis {
    let allocations = (0..count).map(|number| (address(number), BALANCE)).collect();
    Genesis::new(START_MS - 1_000, FEE_MIN, allocations).unwrap()
}

pub(crate) fn options(count: u32) -> ChainOptions {
    ChainOptions { now: START, ..ChainOptions::new(genesis(count).encode()) }
}

pub(crate) fn transfer(from: u32, to: u32, amount: u64, nonce: u64) -> Transfer {
    Transfer {
        chain: Id::hash(b"a chain in memory"),
        sender: address(from),
        recipient: address(to),
        amount,
        fee: FEE_MIN,
        nonce,
        expiry: START_MS / 1_000 + 3_600,
    }
}

pub(crate) fn sign(from: u32, transfer: &Transfer) -> SignedTransfer {
    let signature = key(from).sign(TRANSFER_DOMAIN.as_bytes(), &transfer.signed_bytes());
    transfer.with_signature(signature.as_bytes())
}

/// Each is signed once.
pub(crate) fn signed(from: u32, to: u32, amount: u64, nonce: u64) -> SignedTransfer {
    static SIGNED: Mutex<BTreeMap<(u32, u32, u64, u64), SignedTransfer>> =
        Mutex::new(BTreeMap::new());
    let made = SIGNED.lock().unwrap().get(&(from, to, amount, nonce)).copied();
    made.unwrap_or_else(|| {
        let made = sign(from, &transfer(from, to, amount, nonce));
        SIGNED.lock().unwrap().insert((from, to, amount, nonce), made);
        made
    })
}

/// A chain without blocks.
pub(crate) struct NoBlocks;

impl BlockReader for NoBlocks {
    fn last_height(&self) -> Option<Height> {
        None
    }

    fn at(&self, _height: Height) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }

    fn by_id(&self, _id: &Id) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

impl ToEngine for NoBlocks {
    fn pending_transactions(&self) {}
    fn state_sync_done(&self) {}
}

impl AppSender for NoBlocks {
    fn request(&self, _to: NodeId, _request: u64, _deadline: Duration, _bytes: Vec<u8>) {}
    fn gossip(&self, _bytes: Vec<u8>) {}
}

pub(crate) fn context(genesis: Vec<u8>, blocks: Arc<NoBlocks>) -> VmContext {
    VmContext {
        network_id: 1,
        chain_id: Id::hash(b"a chain in memory"),
        node_id: NodeId::default(),
        genesis: genesis.into(),
        config: Arc::from([]),
        store: Arc::new(MemoryStore::new()),
        blocks: Arc::<NoBlocks>::clone(&blocks),
        to_engine: Arc::<NoBlocks>::clone(&blocks),
        app_sender: blocks,
        hash_key: HashKey::from_seed([7; 32]),
        threads: NonZeroUsize::MIN,
    }
}
