//! The VM: blocks executed over each other, committed when they are accepted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_store::{Draft, EMPTY, Hash, KeyValue, Proof, State, StateOptions, View};

use super::format::{self, BLOCK_BYTES_MAX, Body, Change, HEADER_BYTES, TRANSACTIONS_MAX};
use super::{Transaction, pool::Pool};
use crate::contents::Named;
use crate::{
    Block, BlockContents, BuildRequest, Error, InvalidKind, Place, TransactionStatus, Transactions,
    Vm, VmContext, VmFactory, VmId, VmVersion,
};

/// How far ahead of this node's time a block's timestamp may be.
pub const TOO_NEW: Duration = Duration::from_secs(10);
/// Accepted blocks after which the state is flushed. A crash costs their replay.
const FLUSH_BLOCKS: u64 = 16;

type Store = Arc<dyn KeyValue>;

/// Keys and values that a chain agrees on.
///
/// Codes of broken rules: those of [`Transaction::decode`], `block_length`; `parent`, `height`,
/// `timestamp`, `too_new`, `root`, `repeated` of blocks; `repeated`, `waits`, `pool_full` of
/// transactions; `genesis`.
#[derive(Debug)]
pub struct KeyValueVm {
    context: VmContext,
    state: State<Store>,
    tip: Block,
    processing: BTreeMap<Id, (Block, View<Store>)>,
    preference: Id,
    pool: Pool,
}

/// Makes instances of [`KeyValueVm`].
///
/// Genesis bytes are the transactions of the first block, one after the other, or none. There is
/// no config.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyValueFactory;

impl KeyValueVm {
    /// The value of a key in the accepted state.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if the store failed.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.state.get(&value_key(key))?)
    }

    /// The root of the accepted state: what a child of the last accepted block has in its header.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.state.root()
    }

    /// The proof of what a key had in the state of a height. [`value_key`](Self::value_key) is the
    /// key to verify it with.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] for a height that is not there, or if the store failed.
    pub fn prove(&self, key: &[u8], height: Height) -> Result<Proof, Error> {
        Ok(self.state.prove(&value_key(key), height.get())?)
    }

    /// What a key is called in the state, and in proofs.
    #[must_use]
    pub fn value_key(key: &[u8]) -> Vec<u8> {
        value_key(key)
    }

    /// A block that may be built on, with its state's root and the beginning of a child's state.
    fn parent(&self, id: &Id) -> Option<(&Block, Hash, Draft<Store>)> {
        if *id == self.tip.id() {
            return Some((&self.tip, self.state.root(), self.state.begin()));
        }
        let (block, view) = self.processing.get(id)?;
        Some((block, view.root(), view.begin()))
    }

    /// All rules but the one about the present.
    fn execute(&self, block: &Block) -> Result<View<Store>, Error> {
        let body: &Body = block.content()?;
        let parent = self.parent(&block.parent());
        let (parent, root, draft) = parent.ok_or_else(|| broken("parent", "it is not there"))?;
        if Some(block.height()) != parent.height().next() {
            let reason = format!("{} does not follow {}", block.height(), parent.height());
            return Err(broken("height", reason));
        }
        if block.timestamp() < parent.timestamp() {
            let reason = format!("{} is before {}", block.timestamp(), parent.timestamp());
            return Err(broken("timestamp", reason));
        }
        if body.parent_root != root {
            return Err(broken("root", "it names another root of its parent's state"));
        }
        apply(draft, block.height(), body)
    }
}

/// Makes the changes of a block.
fn apply(mut draft: Draft<Store>, height: Height, body: &Body) -> Result<View<Store>, Error> {
    for (index, (id, Transaction { key, change, .. })) in (0_u32..).zip(&body.transactions) {
        if draft.get(&name_key(id))?.is_some() {
            return Err(broken("repeated", format!("transaction {id} is in the chain already")));
        }
        match change {
            Change::Put(value) => draft.put(value_key(key), value.clone())?,
            Change::Delete => draft.delete(value_key(key))?,
        }
        let place = [&height.get().to_be_bytes()[..], &index.to_be_bytes()].concat();
        draft.put(name_key(id), place)?;
    }
    Ok(draft.seal()?)
}

#[async_trait]
impl Vm for KeyValueVm {
    fn parse(&self, bytes: &[u8]) -> Result<Block, Error> {
        format::parse(bytes)
    }

    async fn build(&mut self, request: BuildRequest) -> Result<Option<Block>, Error> {
        let parent = self.parent(&self.preference);
        let (parent, root, draft) = parent.ok_or_else(|| Error::not_ready("its preference"))?;
        let room = request.bytes_max.min(BLOCK_BYTES_MAX).checked_sub(HEADER_BYTES);
        let (Some(room), Some(height)) = (room, parent.height().next()) else { return Ok(None) };
        let (mut bytes, mut count) = (Vec::new(), 0);
        for (id, transaction) in self.pool.iter() {
            let fits = bytes.len() + transaction.len() <= room && count < TRANSACTIONS_MAX;
            if fits && draft.get(&name_key(id))?.is_none() {
                bytes.extend(transaction);
                count += 1;
            }
        }
        if count == 0 && !request.allow_empty {
            return Ok(None);
        }
        let timestamp = request.now.max(parent.timestamp());
        let place = Place { parent: parent.id(), height, timestamp };
        format::block(place, root, &bytes).map(Some)
    }

    async fn verify(&mut self, block: &Block, now: Timestamp) -> Result<(), Error> {
        if self.processing.contains_key(&block.id()) {
            return Ok(());
        }
        let view = self.execute(block)?;
        if block.timestamp() > now.after(TOO_NEW) {
            return Err(broken("too_new", format!("{} is after {now}", block.timestamp())));
        }
        self.processing.insert(block.id(), (block.clone(), view));
        Ok(())
    }

    async fn accept(&mut self, block: &Block) -> Result<(), Error> {
        if block.height() <= self.tip.height() {
            return Ok(());
        }
        let view = match self.processing.remove(&block.id()) {
            Some((_, view)) => view,
            None => self.execute(block)?,
        };
        self.state.commit(&view, block.height().get())?;
        self.tip = block.clone();
        if block.height().get().is_multiple_of(FLUSH_BLOCKS) {
            self.state.flush()?;
        }
        for (id, _) in &block.content::<Body>()?.transactions {
            self.pool.remove(id);
        }
        if self.pool.len() > 0 {
            self.context.to_engine.pending_transactions();
        }
        Ok(())
    }

    async fn reject(&mut self, block: &Block) -> Result<(), Error> {
        self.processing.remove(&block.id());
        Ok(())
    }

    fn set_preference(&mut self, block: Id) {
        self.preference = block;
    }

    fn last_accepted(&self) -> Tip {
        Tip { id: self.tip.id(), height: self.tip.height() }
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        Some(self)
    }

    async fn shutdown(&mut self) -> Result<(), Error> {
        Ok(self.state.flush()?)
    }
}

#[async_trait]
impl Transactions for KeyValueVm {
    async fn submit(&mut self, all: &[&[u8]], _now: Timestamp) -> Vec<Result<Id, Error>> {
        let mut admit = |bytes: &[u8]| {
            let id = Transaction::decode(bytes)?.id();
            if self.state.get(&name_key(&id))?.is_some() {
                let reason = format!("{id} is in the chain");
                return Err(Error::invalid(InvalidKind::Duplicate, "repeated", reason));
            }
            self.pool.insert(id, bytes).map(|()| id)
        };
        let answers: Vec<_> = all.iter().map(|bytes| admit(bytes)).collect();
        if answers.iter().any(Result::is_ok) {
            self.context.to_engine.pending_transactions();
        }
        answers
    }

    fn pending(&self) -> usize {
        self.pool.len()
    }

    fn waiting(&self, limit: usize) -> Vec<Id> {
        self.pool.iter().take(limit).map(|(id, _)| *id).collect()
    }

    fn status(&self, id: &Id) -> TransactionStatus {
        let holds = |(block, _): &&(Block, View<Store>)| {
            self.in_block(block).is_ok_and(|names| names.contains(id))
        };
        if let Some((block, _)) = self.processing.values().find(holds) {
            return TransactionStatus::Processing { block: block.id() };
        }
        if self.pool.contains(id) {
            return TransactionStatus::Pending;
        }
        let place = self.state.get(&name_key(id)).ok().flatten().and_then(|place| {
            let (height, index) = place.split_first_chunk()?;
            let height = Height::new(u64::from_be_bytes(*height));
            Some((height, u32::from_be_bytes(index.try_into().ok()?)))
        });
        place.map_or(TransactionStatus::Unknown, |(height, index)| TransactionStatus::Accepted {
            height,
            index,
        })
    }

    fn in_block(&self, block: &Block) -> Result<Vec<Id>, Error> {
        Ok(block.content::<Body>()?.transactions.iter().map(|(id, _)| *id).collect())
    }
}

#[async_trait]
impl VmFactory for KeyValueFactory {
    fn id(&self) -> VmId {
        VmId::named("keyvalue")
    }

    fn version(&self) -> VmVersion {
        VmVersion { major: 1, minor: 0, patch: 0 }
    }

    fn genesis(&self, genesis: &[u8]) -> Result<Block, Error> {
        let (parent, height, timestamp) = (Id::EMPTY, Height::GENESIS, Timestamp::ZERO);
        let block = format::block(Place { parent, height, timestamp }, EMPTY, genesis)?;
        if block.bytes().len() > BLOCK_BYTES_MAX {
            let reason = format!("its block has more than {BLOCK_BYTES_MAX} bytes");
            return Err(Error::invalid(InvalidKind::TooLarge, "genesis", reason));
        }
        Ok(block)
    }

    fn contents(&self) -> Option<Arc<dyn BlockContents>> {
        Some(Arc::new(Named(names)))
    }

    async fn create(&self, context: VmContext) -> Result<Box<dyn Vm>, Error> {
        let genesis = self.genesis(&context.genesis)?;
        let logged = context.blocks.at(Height::GENESIS)?;
        if logged.is_some_and(|bytes| bytes != genesis.bytes()) {
            return Err(Error::fatal("the chain began with another genesis"));
        }
        let options =
            StateOptions { threads: context.threads.get(), ..StateOptions::new("key_value") };
        let mut state = State::open(Arc::clone(&context.store), options)?;
        if state.height().is_none() {
            let view = apply(state.begin(), Height::GENESIS, genesis.content()?)?;
            state.commit(&view, 0)?;
        }
        let height = Height::new(state.height().unwrap_or(0));
        let tip = match context.blocks.at(height)? {
            Some(bytes) => format::parse(&bytes)?,
            None if height == Height::GENESIS => genesis,
            None => return Err(Error::fatal(format!("no block of its state's height, {height}"))),
        };
        let preference = tip.id();
        let (processing, pool) = (BTreeMap::new(), Pool::default());
        Ok(Box::new(KeyValueVm { context, state, tip, processing, preference, pool }))
    }
}

/// What a key of a user is called in the state.
fn value_key(key: &[u8]) -> Vec<u8> {
    [b"k", key].concat()
}

/// Where the state says in which block a transaction is.
fn name_key(id: &Id) -> Vec<u8> {
    [b"t", &id.as_bytes()[..]].concat()
}

fn broken(code: &'static str, reason: impl Into<String>) -> Error {
    Error::invalid(InvalidKind::State, code, reason)
}

/// The names of a block's transactions.
fn names(block: &[u8]) -> Result<Vec<Id>, Error> {
    let block = format::parse(block)?;
    Ok(block.content::<Body>()?.transactions.iter().map(|(id, _)| *id).collect())
}
