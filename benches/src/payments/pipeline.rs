//! A block from its bytes to the disk: the VM and a log together, and their parts one by one.
//!
//! The parts: reading the block and naming its transfers, checking signatures, executing, computing
//! the root of the new state, appending to the log and syncing. All of them after each other, so
//! that no second core helps. Accepting comes after that and is left out of both.

use std::io;
use std::sync::Arc;

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{HashKey, Height, Id};
use avalanche_store::{BlockLog, Hash, LogConfig, MemoryStore, OsDisk, State, StateOptions, View};
use avalanche_vm::Vm;
use avalanche_vm::payments::{
    BURNED_KEY, BlockRef, Burned, Genesis, HEAD_KEY, Head, Header, Layer, Ledger, PaymentsVm,
    TRANSFER_DOMAIN,
};
use avalanche_vm::signature::{self, Item, PublicKey, Signature};

use super::node::{NOW, Wallet, at_once, instance};
use super::{CHAIN, TRANSFERS};
use crate::floor::SplitMix;
use crate::store::{Folder, Step, told};

/// Accounts of the state.
pub const ACCOUNTS: u32 = 100_000;

/// Blocks until log and state are made anew, to bound what they take.
const BLOCKS_MAX: u64 = 60;

/// What both have: keys, the next block, a log.
#[derive(Debug)]
struct Source {
    wallet: Wallet,
    random: SplitMix,
    log: BlockLog,
    bytes: Vec<u8>,
    /// Keeps the folder.
    _folder: Folder,
}

impl Source {
    fn new() -> io::Result<Self> {
        let folder = Folder::new()?;
        let (mut log, _report) =
            BlockLog::open(OsDisk, folder.path(), LogConfig::default()).map_err(told)?;
        // The first append makes the file.
        log.append_synced(Height::GENESIS, Id::EMPTY, &[]).map_err(told)?;
        let (wallet, random) = (Wallet::new(ACCOUNTS), SplitMix::new(3));
        Ok(Self { wallet, random, log, bytes: Vec::new(), _folder: folder })
    }

    /// Signs the block above `parent`.
    fn make(&mut self, parent: Tip, parent_state_root: Hash) -> io::Result<()> {
        let mut account = || usize::try_from(self.random.below(ACCOUNTS)).unwrap_or(usize::MAX);
        let pairs: Vec<_> = (0..TRANSFERS).map(|_| (account(), account())).collect();
        let transfers: Vec<_> =
            pairs.iter().filter_map(|(from, to)| self.wallet.pay(*from, *to)).collect();
        let height = parent.height.next().ok_or_else(|| told("the greatest height"))?;
        let timestamp_ms = NOW.as_nanos() / 1_000_000;
        let header = Header { parent: parent.id, height, timestamp_ms, parent_state_root };
        self.bytes = header.encode(&transfers).map_err(told)?;
        Ok(())
    }

    fn append(&mut self, height: Height, id: Id) -> io::Result<()> {
        self.log.append_synced(height, id, &self.bytes).map_err(told)
    }
}

/// The VM, and the log.
#[derive(Debug)]
pub struct Whole {
    source: Source,
    vm: PaymentsVm,
    last: Option<avalanche_vm::Block>,
}

impl Whole {
    /// An instance of [`ACCOUNTS`].
    ///
    /// # Errors
    ///
    /// If there is no folder for the log.
    pub fn new() -> io::Result<Self> {
        let source = Source::new()?;
        let vm = instance(&source.wallet.genesis()?)?;
        Ok(Self { source, vm, last: None })
    }
}

impl Step for Whole {
    fn prepare(&mut self) -> io::Result<()> {
        if let Some(block) = self.last.take() {
            at_once(self.vm.accept(&block))?.map_err(told)?;
        }
        if self.vm.last_accepted().height.get() >= BLOCKS_MAX {
            *self = Self::new()?;
        }
        let tip = self.vm.last_accepted();
        let root = self.vm.state_root(&tip.id).map_err(told)?;
        self.source.make(tip, root)
    }

    fn run(&mut self) -> io::Result<()> {
        let block = self.vm.parse(&self.source.bytes).map_err(told)?;
        at_once(self.vm.verify(&block, NOW))?.map_err(told)?;
        self.vm.state_root(&block.id()).map_err(told)?;
        self.source.append(block.height(), block.id())?;
        self.last = Some(block);
        Ok(())
    }
}

/// The parts, each on its own.
#[derive(Debug)]
pub struct Parts {
    source: Source,
    ledger: Ledger,
    state: State<MemoryStore>,
    view: View<MemoryStore>,
    next: Option<(Arc<Layer>, View<MemoryStore>)>,
}

impl Parts {
    /// Ledger and state of [`ACCOUNTS`].
    ///
    /// # Errors
    ///
    /// If there is no folder for the log.
    pub fn new() -> io::Result<Self> {
        let source = Source::new()?;
        let genesis: Genesis = source.wallet.genesis()?;
        let id = Id::hash(&genesis.block().map_err(told)?);
        let key = HashKey::from_seed([1; 32]);
        let ledger = Ledger::from_genesis(key, CHAIN, &genesis, id).map_err(told)?;
        let options = StateOptions { memory_bytes: 512 << 20, ..StateOptions::new("parts") };
        let mut state = State::open(MemoryStore::new(), options).map_err(told)?;
        let mut draft = state.begin();
        for (address, account) in genesis.accounts() {
            draft.put(*address.as_bytes(), account.encode()).map_err(told)?;
        }
        let view = draft.seal().map_err(told)?;
        state.commit(&view, view.height()).map_err(told)?;
        Ok(Self { source, ledger, state, view, next: None })
    }

    fn root(&self, layer: &Layer, head: Head) -> Result<View<MemoryStore>, avalanche_store::Error> {
        let mut draft = self.view.begin();
        for (address, account) in layer.accounts() {
            draft.put(*address.as_bytes(), account.encode())?;
        }
        draft.put(BURNED_KEY, Burned(layer.burned()).encode())?;
        draft.put(HEAD_KEY, head.encode())?;
        draft.seal()
    }
}

impl Step for Parts {
    fn prepare(&mut self) -> io::Result<()> {
        if let Some((layer, view)) = self.next.take() {
            let id = layer.id();
            self.ledger.hold(layer);
            self.ledger.accept(&id).map_err(told)?;
            self.state.commit(&view, view.height()).map_err(told)?;
            self.view = view;
        }
        if self.ledger.tip().height.get() >= BLOCKS_MAX {
            *self = Self::new()?;
        }
        self.source.make(self.ledger.tip(), self.view.root())
    }

    fn run(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.source.bytes);
        let block = BlockRef::decode(&bytes).map_err(told)?;
        let names: Vec<_> = block.transfers.iter().map(|one| one.id()).collect();
        std::hint::black_box(names);
        let items = block.transfers.iter().map(|one| Item {
            key: PublicKey::new(*one.sender().as_bytes()),
            domain: TRANSFER_DOMAIN.as_bytes(),
            message: one.signed_bytes(),
            signature: Signature::new(*one.signature()),
        });
        let items: Vec<_> = items.collect();
        signature::best().verify_batch(&items).map_err(told)?;
        let id = Id::hash(&bytes);
        let layer = self.ledger.execute(id, &block).map_err(told)?;
        let head = Head {
            block: Tip { id, height: block.header.height },
            timestamp_ms: block.header.timestamp_ms,
            genesis: Id::EMPTY,
        };
        let view = self.root(&layer, head).map_err(told)?;
        let height = block.header.height;
        self.source.bytes = bytes;
        self.source.append(height, id)?;
        self.next = Some((layer, view));
        Ok(())
    }
}
