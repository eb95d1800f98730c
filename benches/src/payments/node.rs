//! A payments VM with what a node puts around it: genesis, signed transfers, a context.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use avalanche_consensus::{HashKey, Height, Id, NodeId, Timestamp};
use avalanche_store::{KeyValue, MemoryStore};
use avalanche_vm::payments::{
    Address, Genesis, PaymentsFactory, PaymentsVm, SignedTransfer, TRANSFER_DOMAIN, Transfer,
};
use avalanche_vm::signature::SigningKey;
use avalanche_vm::{AppSender, BlockReader, ToEngine, VmContext};

use super::CHAIN;
use crate::store::told;

/// When the chain begins.
const START_MS: u64 = 1_700_000_000_000;

/// The time of all calls.
pub const NOW: Timestamp = Timestamp::from_millis(START_MS + 1_000);

/// What every account begins with.
const BALANCE: u64 = 1 << 40;

/// Keys with their accounts.
#[derive(Debug)]
pub struct Wallet {
    keys: Vec<(SigningKey, Address, u64)>,
}

impl Wallet {
    /// So many keys.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let keys = (0..count).map(|number| {
            let mut seed = [0x33; 32];
            seed.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
            let key = SigningKey::from_seed(&seed);
            let address = Address::new(key.public_key().to_bytes());
            (key, address, 0)
        });
        Self { keys: keys.collect() }
    }

    /// A genesis that gives each of them the same.
    ///
    /// # Errors
    ///
    /// None.
    pub fn genesis(&self) -> io::Result<Genesis> {
        let allocations = self.keys.iter().map(|(_, address, _)| (*address, BALANCE)).collect();
        Genesis::new(START_MS, 1, allocations).map_err(told)
    }

    /// A transfer of 1 with the sender's next nonce. `None` for a key that is not there.
    pub fn pay(&mut self, from: usize, to: usize) -> Option<SignedTransfer> {
        let recipient = self.keys.get(to).map(|(_, address, _)| *address)?;
        let (key, sender, nonce) = self.keys.get_mut(from)?;
        let transfer = Transfer {
            chain: CHAIN,
            sender: *sender,
            recipient,
            amount: 1,
            fee: 1,
            nonce: *nonce,
            expiry: u64::MAX,
        };
        *nonce += 1;
        let signature = key.sign(TRANSFER_DOMAIN.as_bytes(), &transfer.signed_bytes());
        Some(transfer.with_signature(signature.as_bytes()))
    }
}

/// An instance over a store in memory, for one thread.
///
/// # Errors
///
/// None.
pub fn instance(genesis: &Genesis) -> io::Result<PaymentsVm> {
    open(&genesis.encode(), CHAIN, Arc::new(MemoryStore::new()), NonZeroUsize::MIN)
}

/// An instance of a chain over a store, for so many threads.
///
/// # Errors
///
/// If genesis or store are of no use.
pub fn open(
    genesis: &[u8],
    chain: Id,
    store: Arc<dyn KeyValue>,
    threads: NonZeroUsize,
) -> io::Result<PaymentsVm> {
    let context = VmContext {
        network_id: 1,
        chain_id: chain,
        node_id: NodeId::default(),
        genesis: Arc::from(genesis),
        config: Arc::from([]),
        store,
        blocks: Arc::new(Alone),
        to_engine: Arc::new(Alone),
        app_sender: Arc::new(Alone),
        hash_key: HashKey::from_seed([1; 32]),
        threads,
    };
    PaymentsFactory::new().open(context).map_err(told)
}

/// The result of a future that never waits.
///
/// # Errors
///
/// If it does.
pub fn at_once<T>(future: impl Future<Output = T>) -> io::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Ok(result),
        Poll::Pending => Err(told("a call of the VM waits")),
    }
}

/// No other blocks, nobody to tell.
#[derive(Debug)]
struct Alone;

impl BlockReader for Alone {
    fn last_height(&self) -> Option<Height> {
        None
    }

    fn at(&self, _height: Height) -> Result<Option<Vec<u8>>, avalanche_vm::Error> {
        Ok(None)
    }

    fn by_id(&self, _id: &Id) -> Result<Option<Vec<u8>>, avalanche_vm::Error> {
        Ok(None)
    }
}

impl ToEngine for Alone {
    fn pending_transactions(&self) {}

    fn state_sync_done(&self) {}
}

impl AppSender for Alone {
    fn request(&self, _to: NodeId, _request: u64, _deadline: Duration, _bytes: Vec<u8>) {}

    fn gossip(&self, _bytes: Vec<u8>) {}
}
