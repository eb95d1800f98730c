//! What the work for payments costs, each stage alone, one after another, on the blocks that a
//! network has decided.
//!
//! ```text
//!   client --ingest--> a validator --gossip--> others      each hop over bare TLS
//!   block: decode, name, check signatures, apply, root --push--> others
//!          append and sync, write state, write index
//! ```
//!
//! Nothing runs beside a stage in this process, so its processor time is that of the stage, the
//! threads of the store included.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use avalanche_chain::{ChainBlock, Indexer};
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{HashKey, Id};
use avalanche_net::wire::{Body, build};
use avalanche_store::{
    BlockLog, Keep, KeyValue, LogConfig, OsDisk, SledConfig, SledStore, State, StateOptions, View,
};
use avalanche_vm::VmFactory as _;
use avalanche_vm::payments::{
    BURNED_KEY, BlockRef, Burned, Genesis, HEAD_KEY, Head, Layer, Ledger, PaymentsFactory,
    TRANSFER_BYTES, TRANSFER_DOMAIN,
};
use avalanche_vm::signature::{self, Item, PublicKey, Signature};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;

use super::ingest;
use super::load::BATCH;
use crate::net::bare;
use crate::store::{Folder, told};

/// Accepted blocks between two commits of the state, and accounts that they changed, as the VM does
/// it by default.
const COMMIT_EVERY: (usize, usize) = (64, 1 << 16);
/// Heights of the state that are kept, as by default.
const HEIGHTS: NonZeroU64 = NonZeroU64::MIN.saturating_add(255);
/// Bytes of transactions in a message of gossip.
const GOSSIP_BYTES: usize = 96 << 10;

/// What was decided.
#[derive(Debug)]
pub struct Decided {
    /// The chain.
    pub chain: Id,
    /// The VM's genesis.
    pub genesis: Genesis,
    /// All blocks above genesis.
    pub blocks: Vec<Bytes>,
}

impl Decided {
    /// How many payments there are.
    ///
    /// # Errors
    ///
    /// If the blocks are not those of payments.
    pub fn payments(&self) -> io::Result<usize> {
        Ok(payments(self)?.len())
    }
}

/// A stage and its processor time for one payment, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// What it does.
    pub name: &'static str,
    /// Microseconds.
    pub us: f64,
}

/// The stages of every validator.
///
/// # Errors
///
/// If the blocks are not of this chain, or the disk is full.
pub fn of_validator(decided: &Decided) -> io::Result<Vec<Stage>> {
    let mut all = Stages::of(decided)?;
    let (chain_blocks, payloads) = all.measure("decode", || decode(&decided.blocks))?;
    let blocks: Result<Vec<_>, _> = payloads.iter().map(|bytes| BlockRef::decode(bytes)).collect();
    let blocks = blocks.map_err(told)?;
    let ids = all.measure("name", || Ok(names(&payloads, &blocks)))?;
    all.measure("check signatures", || signatures(&blocks))?;
    let layers = all.measure("apply", || apply(decided, &ids, &blocks))?;
    let folder = Folder::new()?;
    let mut states = States::open(&folder, decided)?;
    // Root and write depend on each other from block to block, and are taken apart by their times.
    let (mut root, mut write) = (Duration::ZERO, Duration::ZERO);
    for (layer, (id, block)) in layers.iter().zip(ids.iter().zip(&blocks)) {
        let before = cpu();
        let view = states.root(layer, *id, block)?;
        let between = cpu();
        states.accept(view, layer.accounts().len())?;
        root += between - before;
        write += cpu() - between;
    }
    let before = cpu();
    states.write()?;
    write += cpu() - before;
    drop(states);
    all.add("state root", root);
    all.measure("append to the log, and sync", || log(&folder, &chain_blocks))?;
    all.add("write the state", write);
    all.measure("write the index", || index(&folder, decided, &chain_blocks))?;
    Ok(all.done)
}

/// What it costs the validator that a client gives payments to.
///
/// # Errors
///
/// Of the loopback.
pub fn of_client(decided: &Decided) -> io::Result<Stage> {
    let mut all = Stages::of(decided)?;
    let took = ingest::measure(&payments(decided)?, BATCH)?;
    all.add("take it in over HTTP", took);
    all.done.pop().ok_or_else(|| told("one stage"))
}

/// What it costs to send payments and their blocks to one more validator, both ends.
///
/// # Errors
///
/// Of the loopback.
pub fn of_hops(decided: &Decided) -> io::Result<[Stage; 2]> {
    let mut all = Stages::of(decided)?;
    let gossip = gossip(decided)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut client, mut server) = runtime.block_on(bare::connect())?;
    let mut carry = |bodies: Vec<Body>| {
        runtime.block_on(async {
            for body in bodies {
                let send = async {
                    client.put(body).await?;
                    client.flush().await
                };
                let (sent, received) = tokio::join!(send, server.next());
                sent?;
                received?;
            }
            Ok(())
        })
    };
    all.measure("send and receive it", || carry(gossip))?;
    let push = |block: &Bytes| {
        build::push_query(decided.chain, 1, Duration::from_secs(1), block.clone(), 1)
    };
    let blocks = decided.blocks.iter().map(push).collect();
    all.measure("send and receive its block", || carry(blocks))?;
    <[_; 2]>::try_from(all.done).map_err(|_| told("two stages"))
}

struct Stages {
    payments: f64,
    done: Vec<Stage>,
}

impl Stages {
    fn of(decided: &Decided) -> io::Result<Self> {
        let payments = payments(decided)?.len() as u64;
        Ok(Self { payments: crate::measure::as_f64(payments), done: Vec::new() })
    }

    fn measure<T>(
        &mut self,
        name: &'static str,
        stage: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let before = cpu();
        let done = stage()?;
        self.add(name, cpu() - before);
        Ok(done)
    }

    fn add(&mut self, name: &'static str, took: Duration) {
        self.done.push(Stage { name, us: took.as_secs_f64() * 1e6 / self.payments });
    }
}

/// Processor time of all threads of this process.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let number = |part: i64| u64::try_from(part).unwrap_or_default();
    Duration::from_secs(number(now.tv_sec)) + Duration::from_nanos(number(now.tv_nsec))
}

fn decode(blocks: &[Bytes]) -> io::Result<(Vec<ChainBlock>, Vec<Bytes>)> {
    let blocks: Result<Vec<_>, _> =
        blocks.iter().map(|block| ChainBlock::decode(block.clone())).collect();
    let blocks = blocks.map_err(told)?;
    let payloads: Vec<_> = blocks.iter().map(ChainBlock::payload).collect();
    for payload in &payloads {
        BlockRef::decode(payload).map_err(told)?;
    }
    Ok((blocks, payloads))
}

fn names(payloads: &[Bytes], blocks: &[BlockRef<'_>]) -> Vec<Id> {
    for block in blocks {
        let names: Vec<_> = block.transfers.iter().map(|transfer| transfer.id()).collect();
        std::hint::black_box(names);
    }
    payloads.iter().map(|payload| Id::hash(payload)).collect()
}

/// In batches as they come from clients.
fn signatures(blocks: &[BlockRef<'_>]) -> io::Result<()> {
    let items = blocks.iter().flat_map(|block| block.transfers.iter()).map(|one| Item {
        key: PublicKey::new(*one.sender().as_bytes()),
        domain: TRANSFER_DOMAIN.as_bytes(),
        message: one.signed_bytes(),
        signature: Signature::new(*one.signature()),
    });
    let items: Vec<_> = items.collect();
    items.chunks(BATCH).try_for_each(|batch| signature::best().verify_batch(batch)).map_err(told)
}

fn apply(decided: &Decided, ids: &[Id], blocks: &[BlockRef<'_>]) -> io::Result<Vec<Arc<Layer>>> {
    let genesis = &decided.genesis;
    let id = Id::hash(&genesis.block().map_err(told)?);
    let key = HashKey::from_seed([1; 32]);
    let mut ledger = Ledger::from_genesis(key, decided.chain, genesis, id).map_err(told)?;
    let layers = ids.iter().zip(blocks).map(|(id, block)| {
        let layer = ledger.execute(*id, block).map_err(told)?;
        ledger.hold(Arc::clone(&layer));
        ledger.accept(id).map_err(told)
    });
    layers.collect()
}

/// The state on the disk.
struct States {
    state: State<Arc<dyn KeyValue>>,
    view: View<Arc<dyn KeyValue>>,
    /// Blocks and accounts since the last commit.
    unwritten: (usize, usize),
}

impl States {
    fn open(folder: &Folder, decided: &Decided) -> io::Result<Self> {
        let store = SledStore::open(&folder.path().join("state"), SledConfig::default());
        let store: Arc<dyn KeyValue> = Arc::new(store.map_err(told)?);
        let keep = Keep::Heights(HEIGHTS);
        let options = StateOptions { keep, memory_bytes: 512 << 20, ..StateOptions::new("stages") };
        let mut state = State::open(store, options).map_err(told)?;
        let mut draft = state.begin();
        for (address, account) in decided.genesis.accounts() {
            draft.put(*address.as_bytes(), account.encode()).map_err(told)?;
        }
        let view = draft.seal().map_err(told)?;
        state.commit(&view, view.height()).map_err(told)?;
        Ok(Self { state, view, unwritten: (0, 0) })
    }

    fn root(
        &self,
        layer: &Layer,
        id: Id,
        block: &BlockRef<'_>,
    ) -> io::Result<View<Arc<dyn KeyValue>>> {
        let mut draft = self.view.begin();
        for (address, account) in layer.accounts() {
            draft.put(*address.as_bytes(), account.encode()).map_err(told)?;
        }
        draft.put(BURNED_KEY, Burned(layer.burned()).encode()).map_err(told)?;
        let head = Head {
            block: Tip { id, height: block.header.height },
            timestamp_ms: block.header.timestamp_ms,
            genesis: Id::EMPTY,
        };
        draft.put(HEAD_KEY, head.encode()).map_err(told)?;
        draft.seal().map_err(told)
    }

    fn accept(&mut self, view: View<Arc<dyn KeyValue>>, accounts: usize) -> io::Result<()> {
        self.view = view;
        self.unwritten = (self.unwritten.0 + 1, self.unwritten.1 + accounts);
        if self.unwritten.0 >= COMMIT_EVERY.0 || self.unwritten.1 >= COMMIT_EVERY.1 {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.unwritten).0 > 0 {
            self.state.commit(&self.view, self.view.height()).map_err(told)?;
            self.state.flush().map_err(told)?;
            self.state.prune(1 << 18).map_err(told)?;
        }
        Ok(())
    }
}

fn log(folder: &Folder, blocks: &[ChainBlock]) -> io::Result<()> {
    let dir = folder.path().join("log");
    let (mut log, _) = BlockLog::open(OsDisk, dir, LogConfig::default()).map_err(told)?;
    blocks.iter().try_for_each(|block| {
        log.append_synced(block.height(), block.id(), block.bytes()).map_err(told)
    })
}

fn index(folder: &Folder, decided: &Decided, blocks: &[ChainBlock]) -> io::Result<()> {
    let store = SledStore::open(&folder.path().join("index"), SledConfig::default());
    let mut indexer = Indexer::open(Arc::new(store.map_err(told)?)).map_err(told)?;
    let contents = PaymentsFactory::new().contents();
    let vm = PaymentsFactory::new().genesis(&decided.genesis.encode()).map_err(told)?;
    let genesis = ChainBlock::genesis(decided.chain, vm.timestamp(), vm.bytes()).map_err(told)?;
    for block in [&genesis].into_iter().chain(blocks) {
        indexer.apply(block, contents.as_deref()).map_err(told)?;
    }
    indexer.flush().map_err(told)
}

/// All payments.
fn payments(decided: &Decided) -> io::Result<Vec<Bytes>> {
    let mut all = Vec::new();
    for block in &decided.blocks {
        let payload = ChainBlock::decode(block.clone()).map_err(told)?.payload();
        let block = BlockRef::decode(&payload).map_err(told)?;
        all.extend(block.transfers.iter().map(|one| payload.slice_ref(one.as_bytes())));
    }
    Ok(all)
}

/// All payments in messages of gossip.
fn gossip(decided: &Decided) -> io::Result<Vec<Body>> {
    let per_message = GOSSIP_BYTES / TRANSFER_BYTES;
    let payments = payments(decided)?;
    let messages = payments.chunks(per_message).map(|some| some.concat().into());
    Ok(messages.map(|message| build::app_gossip(decided.chain, message)).collect())
}
