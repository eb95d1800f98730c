//! Making payments VMs: a new state from genesis, or the one that is there.

use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::Id;
use avalanche_consensus::engine::Tip;
use avalanche_store::{Keep, KeyValue, RangeLimits, State, StateOptions};

use super::contents::PaymentsContents;
use super::head::{HEAD_KEY, Head};
use super::reader::PaymentsReader;
use super::states::{States, Store};
use super::{PaymentsConfig, PaymentsVm, block_from};
use crate::payments::{
    Account, Address, BURNED_KEY, Burned, Genesis, Ledger, Mempool, Refusal, Rules,
};
use crate::signature::{self, Verifier};
use crate::{Block, BlockContents, Error, Vm, VmContext, VmFactory, VmId, VmVersion};

/// The kind of the payments VM.
pub const PAYMENTS: VmId = VmId::named("payments");

/// Rows of a state that are read at once when it is opened.
const LOAD: RangeLimits = RangeLimits { entries: 4_096, bytes: 4 << 20 };

/// Makes instances of the payments VM. Their genesis bytes are those of a [`Genesis`], their config
/// bytes those that [`PaymentsConfig::parse`] reads.
#[derive(Debug)]
pub struct PaymentsFactory {
    verifier: &'static dyn Verifier,
}

impl PaymentsFactory {
    /// With the fastest verifier of signatures for this processor.
    #[must_use]
    pub fn new() -> Self {
        Self::with_verifier(signature::best())
    }

    /// With a verifier of the caller's choice. It changes no verdict.
    #[must_use]
    pub const fn with_verifier(verifier: &'static dyn Verifier) -> Self {
        Self { verifier }
    }

    /// An instance as its own type, for those who want its [reader](PaymentsVm::reader).
    ///
    /// # Errors
    ///
    /// As [`VmFactory::create`].
    pub fn open(&self, context: VmContext) -> Result<PaymentsVm, Error> {
        let config = PaymentsConfig::parse(&context.config)?;
        let genesis = Genesis::decode(&context.genesis)?;
        let id = Id::hash(&context.genesis);
        let options = StateOptions {
            keep: Keep::Heights(config.state_heights),
            threads: context.threads.get(),
            memory_bytes: config.state_memory_bytes,
            ..StateOptions::new(format!("the state of chain {}", context.chain_id))
        };
        let mut state = State::open(Arc::clone(&context.store), options)?;
        if state.height().is_none() {
            write_genesis(&mut state, &genesis, id)?;
        }
        let (head, ledger) = load(&state, &context, &genesis, id)?;
        let supply = genesis.supply();
        let rules = *ledger.rules();
        let mut states = States::new(state, head.block.id, &config)?;
        let view = states.view(&head.block.id)?.clone();
        let (key, receipts) = (context.hash_key, config.receipts);
        let reader = PaymentsReader::new(head.block, supply, ledger.burned(), view, key, receipts);
        let mempool = Mempool::new(context.hash_key, config.mempool, rules)
            .map_err(|error| Error::fatal(error.to_string()))?;
        Ok(PaymentsVm::new(context, config, self.verifier, head, ledger, states, mempool, reader))
    }
}

impl Default for PaymentsFactory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl VmFactory for PaymentsFactory {
    fn id(&self) -> VmId {
        PAYMENTS
    }

    fn version(&self) -> VmVersion {
        VmVersion { major: 1, minor: 0, patch: 0 }
    }

    fn genesis(&self, genesis: &[u8]) -> Result<Block, Error> {
        block_from(Genesis::decode(genesis)?.block()?)
    }

    fn stands_at(&self, store: &Arc<dyn KeyValue>) -> Result<Option<Tip>, Error> {
        let options =
            StateOptions { memory_bytes: 0, ..StateOptions::new("the state of payments") };
        let state = State::open(Arc::clone(store), options)?;
        if state.height().is_none() {
            return Ok(None);
        }
        let head = state.get(&HEAD_KEY)?.ok_or_else(|| Error::fatal("the state has no head"))?;
        Ok(Some(Head::decode(&head)?.block))
    }

    async fn create(&self, context: VmContext) -> Result<Box<dyn Vm>, Error> {
        Ok(Box::new(self.open(context)?))
    }

    fn contents(&self) -> Option<Arc<dyn BlockContents>> {
        Some(Arc::new(PaymentsContents))
    }
}

/// Makes the state of height 0 durable.
fn write_genesis(state: &mut State<Store>, genesis: &Genesis, id: Id) -> Result<(), Error> {
    let mut draft = state.begin();
    for (address, account) in genesis.accounts() {
        draft.put(*address.as_bytes(), account.encode())?;
    }
    let block = block_from(genesis.block()?)?;
    let head = Head {
        block: Tip { id: block.id(), height: block.height() },
        timestamp_ms: genesis.timestamp_ms(),
        genesis: id,
    };
    draft.put(HEAD_KEY, head.encode())?;
    let view = draft.seal()?;
    state.commit(&view, view.height())?;
    Ok(state.flush()?)
}

/// Reads all accounts of the accepted height, and holds them against genesis.
fn load(
    state: &State<Store>,
    context: &VmContext,
    genesis: &Genesis,
    genesis_id: Id,
) -> Result<(Head, Ledger), Error> {
    let height = state.height().ok_or_else(|| Error::fatal("the state has no height"))?;
    let value = state.get(&HEAD_KEY)?.ok_or_else(|| Error::fatal("the state has no head"))?;
    let head = Head::decode(&value)?;
    if head.genesis != genesis_id {
        return Err(Error::fatal(format!(
            "the store holds the state of another genesis ({}); this chain's is {genesis_id}: give \
             the chain a store of its own",
            head.genesis
        )));
    }
    if head.block.height.get() != height {
        return Err(Error::fatal(format!(
            "the state of height {height} says that it is of height {}; remove the VM's store to \
             build it again from the block log",
            head.block.height
        )));
    }
    let broken = |what: &'static str| {
        move |refusal: Refusal| Error::Fatal {
            reason: format!("the state holds {what} that cannot be read"),
            source: Some(Box::new(refusal)),
        }
    };
    let burned = match state.get(&BURNED_KEY)? {
        Some(value) => Burned::decode(&value).map_err(broken("a sum of burned fees"))?.0,
        None => 0,
    };
    let rules = Rules { chain: context.chain_id, fee_min: genesis.fee_min() };
    let key = context.hash_key;
    let mut ledger = Ledger::restore(key, rules, head.block, burned, genesis.len());
    let mut next = Some([0; 32]);
    while let Some(from) = next {
        let (pairs, more) = state.pairs(&from, LOAD, height)?;
        for (key, value) in &pairs {
            // What is not as long as an address is the VM's own.
            let Ok(address) = <[u8; 32]>::try_from(key.as_slice()) else { continue };
            let account = Account::decode(value).map_err(broken("an account"))?;
            ledger.load(Address::new(address), account)?;
        }
        next = more;
    }
    if ledger.supply() != u128::from(genesis.supply()) {
        return Err(Error::fatal(format!(
            "balances and burned fees are {} together, and genesis made {}; remove the VM's store \
             to build it again from the block log",
            ledger.supply(),
            genesis.supply()
        )));
    }
    Ok((head, ledger))
}
