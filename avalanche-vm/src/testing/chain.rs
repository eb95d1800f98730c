//! A chain in memory around one VM: it keeps the order that the contract promises, and refuses
//! what would break it.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::engine::{Phase, Tip};
use avalanche_consensus::{HashKey, Height, Id, NodeId, Timestamp};
use avalanche_store::testing::{Faults, FaultyStore};
use avalanche_store::{KeyValue, MemoryStore};

use super::Report;
use super::dice::Dice;
use super::log::{Heard, MemoryLog, Sent};
use crate::{Block, BlockReader, BuildRequest, Error, Vm, VmContext, VmFactory};

/// One node's chain: a VM, its accepted blocks, and a store that outlives instances and can lose
/// what was not flushed.
///
/// ```text
///   build, parse --> verify --> processing --> accept --> log, then VM --> reject rivals
///                                   ^ prefer                 |
///                                   +---- restart <----------+  replay of logged blocks
/// ```
///
/// Errors are the VM's own. A call out of order and a VM that breaks a promise that is seen here
/// are [`Error::Fatal`], with a reason that says which.
pub struct Chain {
    vm: Box<dyn Vm>,
    factory: Arc<dyn VmFactory>,
    options: ChainOptions,
    store: Arc<FaultyStore<MemoryStore>>,
    log: Arc<MemoryLog>,
    heard: Arc<Heard>,
    tip: Tip,
    /// A block is in the log, and the VM was not told: power is about to fail.
    logged_only: bool,
    processing: BTreeMap<Id, Block>,
    /// Rivals of the last accepted block, parents first.
    doomed: Vec<Block>,
    preference: Id,
    report: Report,
}

/// What a chain begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainOptions {
    /// The genesis bytes.
    pub genesis: Vec<u8>,
    /// The VM's settings.
    pub config: Vec<u8>,
    /// The chain's name.
    pub chain_id: Id,
    /// Decides what differs between nodes: name, hash key, threads, what a power loss takes.
    pub seed: u64,
    /// The time. The chain moves it when it is told to.
    pub now: Timestamp,
    /// The most bytes of a block.
    pub bytes_max: usize,
}

/// How an instance ends before the next one takes over its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is told to shut down.
    Shutdown,
    /// It is dropped, as when the process is killed.
    Kill,
    /// It is dropped, and of the batches that were not flushed only the first few survive, or none.
    PowerLoss,
}

impl ChainOptions {
    /// An empty config, a day in 2023, blocks up to 1 MiB.
    #[must_use]
    pub fn new(genesis: impl Into<Vec<u8>>) -> Self {
        Self {
            genesis: genesis.into(),
            config: Vec::new(),
            chain_id: Id::hash(b"a chain in memory"),
            seed: 0,
            now: Timestamp::from_millis(1_700_000_000_000),
            bytes_max: 1 << 20,
        }
    }

    /// What is asked of `build`: a block that is not empty.
    #[must_use]
    pub const fn request(&self) -> BuildRequest {
        BuildRequest { now: self.now, bytes_max: self.bytes_max, allow_empty: false }
    }

    /// A context for one instance, without the chain: for whoever drives it himself, as
    /// [`VmManager`](crate::VmManager)s do. It reads this log, has an empty store in memory, and
    /// nobody hears what it says.
    #[must_use]
    pub fn context(&self, log: &Arc<MemoryLog>) -> VmContext {
        context(self, Arc::new(MemoryStore::new()), log, &Arc::default())
    }
}

impl Chain {
    /// Makes genesis, logs it and starts the first instance on an empty store.
    ///
    /// # Errors
    ///
    /// What the factory answers.
    pub async fn new(factory: Arc<dyn VmFactory>, options: ChainOptions) -> Result<Self, Error> {
        let genesis = factory.genesis(&options.genesis)?;
        if genesis.height() != Height::GENESIS || genesis.parent() != Id::EMPTY {
            return Err(broken("genesis is not at height 0 below nothing"));
        }
        let log = Arc::new(MemoryLog::default());
        log.push(&genesis);
        let faults = Faults { seed: options.seed, ..Faults::default() };
        let store = Arc::new(FaultyStore::new(MemoryStore::new(), faults));
        Self::start(factory, options, store, log, Report::default()).await
    }

    /// Stops the instance, starts the next one on the same store, and hands it each logged block
    /// above the one that it stands at. What was processing is forgotten.
    ///
    /// # Errors
    ///
    /// What the factory answers; a state that is not at a logged block.
    pub async fn restart(self, stop: Stop) -> Result<Self, Error> {
        let Self { mut vm, factory, options, store, log, mut report, .. } = self;
        if stop == Stop::Shutdown {
            vm.shutdown().await?;
        }
        drop(vm);
        if stop == Stop::PowerLoss {
            let lost = u64::try_from(store.crash()?.lost).unwrap_or(u64::MAX);
            report.lost_batches += lost;
        }
        report.restarts += 1;
        Self::start(factory, options, store, log, report).await
    }

    async fn start(
        factory: Arc<dyn VmFactory>,
        options: ChainOptions,
        store: Arc<FaultyStore<MemoryStore>>,
        log: Arc<MemoryLog>,
        mut report: Report,
    ) -> Result<Self, Error> {
        let heard = Arc::new(Heard::default());
        let mut vm =
            factory.create(context(&options, Arc::clone(&store) as _, &log, &heard)).await?;
        let mut tip = vm.last_accepted();
        if log.id_at(tip.height) != Some(tip.id) {
            return Err(broken(format!(
                "it starts at {} {}, which was not logged",
                tip.height, tip.id
            )));
        }
        while let Some(height) = tip.height.next() {
            let Some(bytes) = log.at(height)? else { break };
            let block = vm.parse(&bytes)?;
            vm.accept(&block).await?;
            tip = Tip { id: block.id(), height };
            check_tip(&*vm, tip)?;
            report.replayed += 1;
        }
        vm.enter_phase(Phase::Bootstrapping).await?;
        vm.enter_phase(Phase::NormalOperation).await?;
        vm.set_preference(tip.id);
        Ok(Self {
            vm,
            factory,
            options,
            store,
            log,
            heard,
            tip,
            logged_only: false,
            processing: BTreeMap::new(),
            doomed: Vec::new(),
            preference: tip.id,
            report,
        })
    }

    /// The instance.
    pub fn vm(&mut self) -> &mut dyn Vm {
        &mut *self.vm
    }

    /// The last accepted block.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        self.tip
    }

    /// The preferred block.
    #[must_use]
    pub const fn preference(&self) -> Id {
        self.preference
    }

    /// The accepted blocks.
    #[must_use]
    pub fn blocks(&self) -> &dyn BlockReader {
        &*self.log
    }

    /// How many blocks were verified and are not decided.
    #[must_use]
    pub fn num_processing(&self) -> usize {
        self.processing.len()
    }

    /// The chain's time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.options.now
    }

    /// Moves time.
    pub fn advance(&mut self, by: Duration) {
        self.options.now = self.options.now.after(by);
    }

    /// How often this instance said that there is something to build.
    #[must_use]
    pub fn pending_signals(&self) -> u64 {
        self.heard.pending()
    }

    /// How often this instance said that a state sync has ended.
    #[must_use]
    pub fn sync_signals(&self) -> u64 {
        self.heard.synced()
    }

    /// What this instance sent to other nodes since this was last asked.
    #[must_use]
    pub fn take_sent(&mut self) -> Vec<Sent> {
        self.heard.take_sent()
    }

    /// What happened so far, over all instances.
    #[must_use]
    pub const fn report(&self) -> Report {
        self.report
    }

    /// Reads a block, as its peers send it.
    ///
    /// # Errors
    ///
    /// Those of [`Vm::parse`].
    pub fn parse(&self, bytes: &[u8]) -> Result<Block, Error> {
        let block = self.vm.parse(bytes)?;
        if block.bytes() != bytes {
            return Err(broken(format!(
                "the bytes of {} are not those that were parsed",
                block.id()
            )));
        }
        Ok(block)
    }

    /// Builds on the preferred block; `None` if nothing waits.
    ///
    /// # Errors
    ///
    /// Those of [`Vm::build`]; a block that is not what was asked for.
    pub async fn build(&mut self) -> Result<Option<Block>, Error> {
        self.build_with(self.options.request()).await
    }

    /// As [`build`](Self::build), with a request of one's own.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn build_with(&mut self, request: BuildRequest) -> Result<Option<Block>, Error> {
        self.check_whole()?;
        let Some(block) = self.vm.build(request).await? else { return Ok(None) };
        let parent = self.preference;
        let height = self.height_of(&parent).and_then(Height::next);
        if block.parent() != parent || Some(block.height()) != height {
            return Err(broken(format!("it builds {block:?}, not on the preferred {parent}")));
        }
        if block.bytes().len() > request.bytes_max {
            let (bytes, max) = (block.bytes().len(), request.bytes_max);
            return Err(broken(format!("it builds {bytes} bytes where {max} are allowed")));
        }
        let again = self.parse(block.bytes())?;
        if (again.parent(), again.height()) != (block.parent(), block.height())
            || again.timestamp() != block.timestamp()
        {
            return Err(broken(format!("it builds {block:?}, and parses it as {again:?}")));
        }
        self.report.built += 1;
        Ok(Some(block))
    }

    /// Verifies a block on the last accepted or a processing one. It is processing then.
    ///
    /// # Errors
    ///
    /// Those of [`Vm::verify`]; a parent that is not there.
    pub async fn verify(&mut self, block: &Block) -> Result<(), Error> {
        self.check_whole()?;
        if self.height_of(&block.parent()).is_none() {
            return Err(misuse(format!("{block:?} has a parent that is not processing")));
        }
        self.vm.verify(block, self.options.now).await.inspect_err(|error| {
            self.report.refused_by_verify += u64::from(error.as_invalid().is_some());
        })?;
        let rivals = self.processing.values().filter(|it| it.parent() == block.parent());
        let is_rival = rivals.into_iter().any(|it| it != block);
        if self.processing.insert(block.id(), block.clone()).is_none() && is_rival {
            self.report.siblings += 1;
        }
        check_tip(&*self.vm, self.tip)
    }

    /// Says on which block to build.
    ///
    /// # Errors
    ///
    /// If it is neither processing nor the last accepted one.
    pub fn prefer(&mut self, id: Id) -> Result<(), Error> {
        self.check_whole()?;
        if self.height_of(&id).is_none() {
            return Err(misuse(format!("{id} is preferred, and not processing")));
        }
        self.preference = id;
        self.vm.set_preference(id);
        Ok(())
    }

    /// Accepts a processing child of the last accepted block and rejects its rivals, with all that
    /// was built on them. Returns these.
    ///
    /// # Errors
    ///
    /// What the VM answers, all of it fatal; a block out of order.
    pub async fn accept(&mut self, block: &Block) -> Result<Vec<Block>, Error> {
        self.accept_only(block).await?;
        let mut rejected = Vec::new();
        while let Some(block) = self.reject_next().await? {
            rejected.push(block);
        }
        Ok(rejected)
    }

    /// The first part of [`accept`](Self::accept). Nothing but [`reject_next`](Self::reject_next),
    /// until that has nothing left, or a restart may follow.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn accept_only(&mut self, block: &Block) -> Result<(), Error> {
        self.log_only(block)?;
        self.logged_only = false;
        self.vm.accept(block).await?;
        self.tip = Tip { id: block.id(), height: block.height() };
        check_tip(&*self.vm, self.tip)?;
        self.report.accepted += 1;
        self.processing.remove(&block.id());
        let all: Vec<_> = self.processing.values().cloned().collect();
        self.doomed = all.into_iter().filter(|it| !self.is_on(it, block.id())).collect();
        self.doomed.sort_by_key(|it| std::cmp::Reverse(it.height()));
        Ok(())
    }

    /// Rejects the next rival of the block that was accepted last; `None` if there is none left.
    ///
    /// # Errors
    ///
    /// What the VM answers, all of it fatal.
    pub async fn reject_next(&mut self) -> Result<Option<Block>, Error> {
        let Some(block) = self.doomed.pop() else {
            if self.height_of(&self.preference).is_none() {
                self.prefer(self.tip.id)?;
            }
            return Ok(None);
        };
        self.vm.reject(&block).await?;
        check_tip(&*self.vm, self.tip)?;
        self.processing.remove(&block.id());
        self.report.rejected += 1;
        Ok(Some(block))
    }

    /// Writes a block to the log, and loses power before the VM hears of it: only a restart may
    /// follow, which then accepts the block.
    ///
    /// # Errors
    ///
    /// A block out of order.
    pub fn log_only(&mut self, block: &Block) -> Result<(), Error> {
        self.check_whole()?;
        if block.parent() != self.tip.id || !self.processing.contains_key(&block.id()) {
            return Err(misuse(format!(
                "{block:?} is accepted, and not a processing child of the tip"
            )));
        }
        self.log.push(block);
        self.logged_only = true;
        Ok(())
    }

    pub(super) const fn count_digest(&mut self) {
        self.report.digests += 1;
    }

    fn check_whole(&self) -> Result<(), Error> {
        if self.logged_only || !self.doomed.is_empty() {
            return Err(misuse("a call in the middle of a decision"));
        }
        Ok(())
    }

    fn height_of(&self, id: &Id) -> Option<Height> {
        if *id == self.tip.id {
            return Some(self.tip.height);
        }
        self.processing.get(id).map(Block::height)
    }

    /// Whether a processing block is built on another.
    fn is_on(&self, block: &Block, id: Id) -> bool {
        let mut at = block;
        loop {
            if at.parent() == id {
                return true;
            }
            let Some(below) = self.processing.get(&at.parent()) else { return false };
            at = below;
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("tip", &self.tip)
            .field("processing", &self.processing.len())
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

fn context(
    options: &ChainOptions,
    store: Arc<dyn KeyValue>,
    log: &Arc<MemoryLog>,
    heard: &Arc<Heard>,
) -> VmContext {
    let mut dice = Dice(options.seed);
    let mut node_id = [0; 20];
    node_id.copy_from_slice(&dice.bytes(20));
    VmContext {
        network_id: 12_345,
        chain_id: options.chain_id,
        node_id: NodeId::new(node_id),
        genesis: options.genesis.as_slice().into(),
        config: options.config.as_slice().into(),
        store,
        blocks: Arc::<MemoryLog>::clone(log),
        to_engine: Arc::<Heard>::clone(heard),
        app_sender: Arc::<Heard>::clone(heard),
        hash_key: HashKey::from_seed([u8::try_from(dice.roll() % 256).unwrap_or(0); 32]),
        threads: NonZeroUsize::MIN.saturating_add(usize::from(options.seed % 2 == 1)),
    }
}

fn check_tip(vm: &dyn Vm, tip: Tip) -> Result<(), Error> {
    let found = vm.last_accepted();
    if found == tip {
        return Ok(());
    }
    let (height, id) = (found.height, found.id);
    Err(broken(format!("its last accepted is {height} {id}, not {} {}", tip.height, tip.id)))
}

/// The VM broke a promise.
fn broken(found: impl fmt::Display) -> Error {
    Error::fatal(format!("the VM breaks its contract: {found}"))
}

/// The user of the chain broke one.
fn misuse(found: impl fmt::Display) -> Error {
    Error::fatal(format!("the test breaks the contract of VMs: {found}"))
}
