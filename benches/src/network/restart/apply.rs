//! What a replay is held against: the VM by itself, given the blocks of the log from memory.

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use avalanche_chain::{ChainBlock, Genesis};
use avalanche_consensus::{Height, Id};
use avalanche_store::{BlockLog, LogConfig, OsDisk, SledConfig, SledStore};
use avalanche_vm::Vm;
use avalanche_vm::payments::BlockRef;
use bytes::Bytes;

use crate::payments::node::{at_once, open};
use crate::store::{Folder, told};

/// The blocks of a log, without what the chain put around them.
#[derive(Debug)]
pub(super) struct Logged {
    genesis: Vec<u8>,
    chain: Id,
    pub(super) blocks: Vec<Bytes>,
    pub(super) transactions: u64,
}

impl Logged {
    /// Reads the log of a validator that does not run.
    pub(super) fn read(genesis: &Path, log: &Path) -> io::Result<Self> {
        let genesis = Genesis::parse(&std::fs::read(genesis)?).map_err(told)?;
        let first = genesis.chains.first().ok_or_else(|| told("no chain"))?;
        let chain = genesis.chain_id(first).map_err(told)?;
        let (log, _report) = BlockLog::open(OsDisk, log, LogConfig::default()).map_err(told)?;
        let (mut blocks, mut transactions) = (Vec::new(), 0);
        for block in log.reader().range(Height::new(1)..) {
            let block = ChainBlock::decode(block.map_err(told)?.bytes.into()).map_err(told)?;
            let payload = block.payload();
            transactions += BlockRef::decode(&payload).map_err(told)?.transfers.len() as u64;
            blocks.push(payload);
        }
        Ok(Self { genesis: first.vm_genesis().map_err(told)?, chain, blocks, transactions })
    }

    /// Has a new VM accept all of them, over a store of the same kind as the validator's.
    pub(super) fn apply(&self) -> io::Result<Duration> {
        let folder = Folder::new()?;
        let store = SledStore::open(&folder.path().join("state"), SledConfig::default());
        let store = Arc::new(store.map_err(told)?);
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let mut vm = open(&self.genesis, self.chain, store, threads)?;
        let begun = Instant::now();
        for block in &self.blocks {
            let block = vm.parse(block).map_err(told)?;
            at_once(vm.accept(&block))?.map_err(told)?;
        }
        Ok(begun.elapsed())
    }
}
