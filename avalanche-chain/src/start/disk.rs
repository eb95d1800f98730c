//! What a chain has on disk, brought together: the log counts.

use std::sync::Arc;

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id};
use avalanche_store::recovery::{Base, Found, StateFound, plan};
use avalanche_store::{
    BlockLog, KeyValue, LogConfig, LogReader, MemoryStore, RedbConfig, RedbStore, SledConfig,
    SledStore,
};
use avalanche_vm::VmFactory;
use bytes::Bytes;

use super::{ChainConfig, StartError};
use crate::ChainBlock;
use crate::node::StoreKind;

/// The first block of a chain: its VM's genesis block in a header without a proposer.
pub(super) fn genesis_block(
    chain: Id,
    factory: &dyn VmFactory,
    genesis: &[u8],
) -> Result<ChainBlock, avalanche_vm::Error> {
    let inner = factory.genesis(genesis)?;
    ChainBlock::genesis(chain, inner.timestamp(), inner.bytes())
        .map_err(|error| avalanche_vm::Error::fatal(format!("genesis makes no block: {error}")))
}

/// What a chain has on disk.
pub(super) struct Disk {
    pub(super) log: BlockLog,
    pub(super) state: Arc<dyn KeyValue>,
    /// Index and downloaded blocks.
    pub(super) derived: Arc<dyn KeyValue>,
}

/// Opens log, state and index, and sets aside what does not fit the log.
pub(super) fn open(
    config: &ChainConfig,
    factory: &dyn VmFactory,
    genesis: &ChainBlock,
) -> Result<Disk, StartError> {
    let (mut log, report) =
        BlockLog::open(avalanche_store::OsDisk, config.dir.join("log"), LogConfig::default())?;
    if let Some(cut) = &report.cut {
        tracing::warn!(?cut, "the end of the block log was half written, and is cut");
    }
    if let Some(damage) = report.damage {
        // Accepted blocks are the same everywhere: what cannot be read is fetched from peers.
        tracing::error!(?damage, "blocks are damaged; they are set aside and fetched from peers");
        log.truncate_after(damage.first_lost.previous().filter(|_| log.first().is_some()))?;
    }
    if log.last().is_none() {
        log.append_synced(Height::GENESIS, genesis.id(), genesis.bytes())?;
    }
    if let Some(first) = log.get(Height::GENESIS)?
        && first.id != genesis.id()
    {
        let (dir, found, expected) = (config.dir.clone(), first.id, genesis.id());
        return Err(StartError::OtherChain { dir, found, expected });
    }
    let state = open_state(config, factory, log.reader())?;
    let derived = open_store(config, "index")?;
    Ok(Disk { log, state, derived })
}

/// The VM's store, which is set aside if it does not fit the log: then it is built again.
fn open_state(
    config: &ChainConfig,
    factory: &dyn VmFactory,
    log: &LogReader,
) -> Result<Arc<dyn KeyValue>, StartError> {
    let store = open_store(config, "state")?;
    let stands = match factory.stands_at(&store) {
        Ok(stands) => stands,
        Err(error) => {
            tracing::error!(%error, "the state cannot be read, and is built again from the log");
            return Ok(open_fresh(config, store)?);
        }
    };
    // Nothing yet, or a VM that does not say.
    let Some(tip) = stands else { return Ok(store) };
    let found = Found {
        log: log.first().zip(log.last()).map(|(first, last)| first..=last),
        state: if fits(log, tip)? {
            StateFound::At { height: tip.height, oldest: tip.height }
        } else {
            StateFound::Unusable
        },
        checkpoints: Vec::new(),
    };
    let plan = plan(&found).map_err(StartError::Stuck)?;
    tracing::info!(?plan, "state and block log");
    match plan.base {
        Base::State => Ok(store),
        _ => {
            tracing::warn!(height = %tip.height, "the state does not fit the log, and is built again");
            Ok(open_fresh(config, store)?)
        }
    }
}

/// Whether the log has the block that a state stands at.
fn fits(log: &LogReader, tip: Tip) -> Result<bool, avalanche_store::Error> {
    let block = block_at(log, tip.height)?;
    Ok(block.is_some_and(|block| Id::hash(&block.payload()) == tip.id))
}

/// Moves a state aside and begins a new one.
fn open_fresh(
    config: &ChainConfig,
    store: Arc<dyn KeyValue>,
) -> Result<Arc<dyn KeyValue>, avalanche_store::Error> {
    drop(store);
    let dir = config.dir.join("state");
    let mut aside = (1_u32..).map(|number| config.dir.join(format!("state-{number}.aside")));
    let aside = aside.find(|path| !path.exists()).unwrap_or_default();
    if dir.exists() {
        std::fs::rename(&dir, &aside).map_err(|source| avalanche_store::Error::Io {
            action: "rename",
            path: dir.clone(),
            source,
        })?;
    }
    open_store(config, "state")
}

fn open_store(
    config: &ChainConfig,
    name: &str,
) -> Result<Arc<dyn KeyValue>, avalanche_store::Error> {
    let dir = config.dir.join(name);
    Ok(match config.store {
        StoreKind::Sled => Arc::new(SledStore::open(&dir, SledConfig::default())?),
        StoreKind::Redb => Arc::new(RedbStore::open(&dir, RedbConfig::default())?),
        StoreKind::Memory => Arc::new(MemoryStore::new()),
    })
}

/// The last block of a log; `None` if it is none of a chain.
pub(super) fn last_block(log: &LogReader) -> Result<Option<ChainBlock>, avalanche_store::Error> {
    log.last().map_or(Ok(None), |last| block_at(log, last))
}

/// The block at a height; `None` if there is none, or none of a chain.
pub(super) fn block_at(
    log: &LogReader,
    height: Height,
) -> Result<Option<ChainBlock>, avalanche_store::Error> {
    let logged = log.get(height)?;
    Ok(logged.and_then(|block| ChainBlock::decode(Bytes::from(block.bytes)).ok()))
}

/// A log whose blocks are not those of a chain.
pub(super) fn no_blocks(config: &ChainConfig) -> avalanche_store::Error {
    avalanche_store::Error::Corrupt {
        path: config.dir.join("log"),
        offset: 0,
        what: "the last block is no block of a chain",
    }
}
