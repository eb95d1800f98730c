//! Starting a chain: what is on disk is brought together, then the engine runs, again and again.

use std::path::PathBuf;
use std::sync::Arc;
use std::{error, fmt, io};

use avalanche_consensus::engine::{Engine, EngineConfig, Phase, Setup, Tip};
use avalanche_consensus::{HashKey, Height, Id};
use avalanche_net::identity::Identity;
use avalanche_net::network::{Inbox, Network};
use avalanche_store::recovery::{Base, Found, StateFound, plan};
use avalanche_store::{
    BlockLog, KeyValue, LogConfig, LogReader, MemoryStore, Prefixed, RedbConfig, RedbStore,
    SledConfig, SledStore,
};
use avalanche_vm::{Instance, ManagerError, VmContext, VmFactory, VmManager};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::app::{self, ChainSender, ForVm};
use crate::blocks::{Blocks, Indexed};
use crate::builder::Builder;
use crate::clock::Clock;
use crate::driver::{COMMANDS_MAX, Command, Driver, Parts};
use crate::executor::{Done, Executor, TELL_MAX, WORK_MAX, blocking, threads, tip_of};
use crate::fetched::Fetched;
use crate::handle::ChainHandle;
use crate::log::LogWriter;
use crate::node::{BuildConfig, StoreKind};
use crate::recent::Recent;
use crate::shared::{Fixed, Shared, Signal};
use crate::teller::{Tell, Teller};
use crate::waiters::Waiters;
use crate::{
    ChainBlock, ChainGenesis, Genesis, GenesisError, Indexer, Proposers, TransactionGossip,
};

/// How one chain of a node runs.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// Where its log, state and index are kept: a folder of its own.
    pub dir: PathBuf,
    /// What keeps state and index.
    pub store: StoreKind,
    /// How blocks are built.
    pub build: BuildConfig,
    /// Settings of its VM.
    pub vm: Vec<u8>,
    /// Times and bounds of the engine. Its parameters are those of genesis.
    pub engine: EngineConfig,
}

/// What chains of a node share.
#[derive(Clone, Debug)]
pub struct ChainParts {
    /// The network, of which a chain takes its own messages.
    pub network: Network,
    /// This node.
    pub identity: Arc<Identity>,
    /// Who makes VMs.
    pub vms: Arc<VmManager>,
}

/// Why a chain does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The genesis is wrong.
    Genesis(GenesisError),
    /// What is on disk cannot be used. The message says what to do.
    Store(avalanche_store::Error),
    /// The folder holds another chain.
    OtherChain {
        /// The folder.
        dir: PathBuf,
        /// The first block that is there.
        found: Id,
        /// The first block that genesis says.
        expected: Id,
    },
    /// Nothing on disk leads to the end of the log.
    Stuck(avalanche_store::recovery::Stuck),
    /// The VM cannot be made.
    Manager(ManagerError),
    /// The VM does not start.
    Vm(avalanche_vm::Error),
    /// The network refuses the chain.
    Network(avalanche_net::network::Error),
    /// The index cannot be used.
    Index(crate::Error),
    /// The engine refuses its configuration.
    Engine(avalanche_consensus::Error),
    /// The system has no thread or no randomness left.
    System(io::Error),
}

/// Starts a chain.
///
/// What is on disk is brought together first, by [`avalanche_store::recovery`]: the log counts, and
/// state and index are brought to its end or built again from it. What the log lost at its end is
/// fetched from peers.
///
/// # Errors
///
/// [`StartError`]; nothing of the chain runs then.
pub async fn start(
    genesis: &Genesis,
    chain: &ChainGenesis,
    config: ChainConfig,
    parts: &ChainParts,
) -> Result<ChainHandle, StartError> {
    let inbox = parts.network.register(genesis.chain_id(chain)?)?;
    start_with(inbox, genesis, chain, config, parts).await
}

/// [`start`] with the chain's messages, which were registered before: peers that are faster are
/// answered a little later, instead of never.
pub(crate) async fn start_with(
    inbox: Inbox,
    genesis: &Genesis,
    chain: &ChainGenesis,
    config: ChainConfig,
    parts: &ChainParts,
) -> Result<ChainHandle, StartError> {
    let id = inbox.chain();
    let factory = parts.vms.registry().resolve(&chain.vm).map_err(ManagerError::from)?;
    let vm_genesis = chain.vm_genesis()?;
    let first = genesis_block(&*factory, &vm_genesis)?;
    let disk = {
        let (config, factory, first) = (config.clone(), Arc::clone(&factory), first.clone());
        blocking(move || open(&config, &*factory, &first)).await??
    };
    let Disk { log, state, derived } = disk;
    let reader = log.reader().clone();
    let key = HashKey::from_seed(seed()?);
    let (signal, clock) = (Arc::new(Signal::default()), Arc::new(Clock::default()));
    let indexer = {
        let rows = Prefixed::new(Arc::clone(&derived), *b"index/");
        let (reader, contents) = (reader.clone(), factory.contents());
        blocking(move || {
            let mut indexer = Indexer::open(Arc::new(rows))?;
            let caught_up = indexer.catch_up(&reader, contents.as_deref())?;
            tracing::info!(?caught_up, "the index");
            Ok::<_, crate::Error>(indexer)
        })
        .await??
    };
    let index = indexer.reader(Arc::new(reader.clone()), factory.contents());
    let indexed = Arc::new(Indexed::new(indexer.height()));
    let (sender, messages) = ChainSender::new(id, parts.network.clone());
    let context = VmContext {
        network_id: genesis.network_id,
        chain_id: id,
        node_id: parts.identity.node_id(),
        genesis: vm_genesis.into(),
        config: config.vm.clone().into(),
        store: state,
        blocks: Arc::new(Blocks::new(reader.clone(), index.clone(), Arc::clone(&indexed))),
        to_engine: Arc::clone(&signal) as Arc<_>,
        app_sender: Arc::new(sender.clone()),
        hash_key: key,
        threads: threads(),
    };
    let instance = parts.vms.create(&chain.vm, context)?;
    instance.start().await?;
    let last = last_block(&reader)?.ok_or_else(|| no_blocks(&config))?;
    let fixed = Fixed {
        id,
        name: chain.name.clone(),
        vm: chain.vm.clone(),
        own: parts.identity.node_id(),
        parameters: chain.parameters()?,
        validators: genesis.validator_set()?,
        clock,
        log: reader,
        index,
        indexed,
        contents: factory.contents(),
        instance: instance.clone(),
        waiters: Waiters::new(key),
        recent: Recent::new(key),
        signal,
    };
    let shared = Arc::new(Shared::new(fixed, tip_of(&last)));
    let (commands, received) = mpsc::channel(COMMANDS_MAX);
    let (tell, told) = mpsc::channel(TELL_MAX);
    let teller = Teller::new(Arc::clone(&shared), indexer, commands.downgrade());
    let log = LogWriter::start(log, &chain.name).map_err(StartError::System)?;
    let (stop, stopped) = watch::channel(false);
    let supervisor = Supervisor {
        shared: Arc::clone(&shared),
        parts: parts.clone(),
        proposers: Proposers::new(id, chain.proposers, &shared.validators)
            .map_err(StartError::Engine)?,
        config,
        log: Arc::new(log),
        fetched: Fetched::new(derived),
        tell,
        to_vm: sender.to_vm().clone(),
        key,
        stopped,
    };
    // Refused here, where somebody reads it, and not in the task.
    drop(supervisor.engine(&last)?);
    let teller = tokio::spawn(teller.run(told));
    let apps = app::serve(id, parts.network.clone(), instance.clone(), messages);
    let apps = tokio::spawn(apps);
    let running = tokio::spawn(supervisor.run(inbox, received));
    Ok(ChainHandle::new(
        shared,
        commands,
        parts.network.clone(),
        stop,
        Tasks { running, teller, apps, instance },
    ))
}

/// What ends with a chain.
pub(crate) struct Tasks {
    pub(crate) running: JoinHandle<()>,
    pub(crate) teller: JoinHandle<()>,
    pub(crate) apps: JoinHandle<()>,
    pub(crate) instance: Instance,
}

/// Runs the engine of a chain, and again after its VM was made anew.
struct Supervisor {
    shared: Arc<Shared>,
    parts: ChainParts,
    proposers: Proposers,
    config: ChainConfig,
    log: Arc<LogWriter>,
    fetched: Fetched,
    tell: mpsc::Sender<Tell>,
    to_vm: mpsc::Sender<ForVm>,
    key: HashKey,
    stopped: watch::Receiver<bool>,
}

impl Supervisor {
    async fn run(self, mut inbox: Inbox, mut commands: mpsc::Receiver<Command>) {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            // Ends only with the chain.
            () = self.again_and_again(&mut inbox, &mut commands) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    async fn again_and_again(&self, inbox: &mut Inbox, commands: &mut mpsc::Receiver<Command>) {
        loop {
            let reason = match self.once(inbox, commands).await {
                Ok(reason) => reason,
                Err(error) => error.to_string(),
            };
            tracing::error!(chain = %self.shared.name, %reason, "the chain has stopped");
            self.shared.set_stopped(Some(reason));
            let status = self.shared.instance.status();
            if status.state.answers() {
                // Not the VM: what failed stays failed until the node is started again.
                return;
            }
            let mut status = self.shared.instance.watch();
            if status.wait_for(|status| status.state.answers()).await.is_err() {
                return;
            }
            self.shared.set_stopped(None);
            // What was accepted and not told is told now.
            let _ = self.tell.send(Tell::CatchUp).await;
        }
    }

    /// One engine, until it cannot go on.
    async fn once(
        &self,
        inbox: &mut Inbox,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<String, StartError> {
        let log = self.shared.log.clone();
        let last = blocking(move || last_block(&log)).await??;
        let last = last.ok_or_else(|| no_blocks(&self.config))?;
        let vm = self.shared.instance.status().last_accepted;
        let vm = vm.ok_or_else(|| avalanche_vm::Error::not_ready("it has no last block yet"))?;
        let engine = self.engine(&last)?;
        let (work, waiting) = mpsc::channel(WORK_MAX);
        let (answers, done) = mpsc::unbounded_channel::<Done>();
        let executor = Executor {
            instance: self.shared.instance.clone(),
            log: Arc::clone(&self.log),
            fetched: self.fetched.clone(),
            proposers: self.proposers.clone(),
            identity: Arc::clone(&self.parts.identity),
            clock: Arc::clone(&self.shared.clock),
            build: self.config.build,
            last: last.clone(),
            last_vm: vm.id,
            tell: self.tell.clone(),
            done: answers.clone(),
        };
        let builder = Builder::new(
            self.parts.identity.node_id(),
            self.proposers.clone(),
            self.config.build,
            (last.height(), last.timestamp()),
        );
        let driver = Driver::new(Parts {
            shared: Arc::clone(&self.shared),
            engine,
            network: self.parts.network.clone(),
            log: Arc::clone(&self.log),
            fetched: self.fetched.clone(),
            work,
            done,
            answers,
            builder,
            gossip: TransactionGossip::new(&seed()?),
            to_vm: self.to_vm.clone(),
            last,
            hash_key: self.key,
        });
        // The executor ends with the driver, after what it is at.
        let executor = tokio::spawn(executor.run(waiting));
        let reason = driver.run(inbox, commands).await;
        let _ = executor.await;
        Ok(reason)
    }

    fn engine(&self, last: &ChainBlock) -> Result<Engine<ChainBlock>, StartError> {
        let validators = self.shared.validators.clone();
        let alone = validators.node_ids() == [self.shared.own];
        let setup = Setup {
            own: self.shared.own,
            validators,
            beacons: None,
            tip: tip_of(last),
            phase: if alone { Phase::NormalOperation } else { Phase::Bootstrapping },
            stored: self.fetched.runs_above(last.height())?,
            seed: seed()?,
        };
        let config =
            EngineConfig { parameters: self.shared.parameters, ..self.config.engine.clone() };
        Engine::new(config, setup, self.shared.clock.now()).map_err(StartError::Engine)
    }
}

/// The first block of a chain: its VM's genesis block in a header without a proposer.
fn genesis_block(
    factory: &dyn VmFactory,
    genesis: &[u8],
) -> Result<ChainBlock, avalanche_vm::Error> {
    let inner = factory.genesis(genesis)?;
    ChainBlock::genesis(inner.timestamp(), inner.bytes())
        .map_err(|error| avalanche_vm::Error::fatal(format!("genesis makes no block: {error}")))
}

/// What a chain has on disk.
struct Disk {
    log: BlockLog,
    state: Arc<dyn KeyValue>,
    /// Index and downloaded blocks.
    derived: Arc<dyn KeyValue>,
}

fn open(
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
    let Some(block) = log.get(tip.height)? else { return Ok(false) };
    let block = ChainBlock::decode(Bytes::from(block.bytes));
    Ok(block.is_ok_and(|block| Id::hash(&block.payload()) == tip.id))
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

fn last_block(log: &LogReader) -> Result<Option<ChainBlock>, avalanche_store::Error> {
    let Some(last) = log.last() else { return Ok(None) };
    let Some(block) = log.get(last)? else { return Ok(None) };
    Ok(ChainBlock::decode(Bytes::from(block.bytes)).ok())
}

fn no_blocks(config: &ChainConfig) -> avalanche_store::Error {
    avalanche_store::Error::Corrupt {
        path: config.dir.join("log"),
        offset: 0,
        what: "the last block is no block of a chain",
    }
}

/// A seed that nobody can predict.
fn seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed)
        .map_err(|_| StartError::System(io::Error::other("the system gives no randomness")))?;
    Ok(seed)
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Genesis(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::OtherChain { dir, found, expected } => write!(
                f,
                "{} holds a chain that began with block {found}, and genesis says {expected}: give \
                 this chain a folder of its own, or the genesis that the folder was made with",
                dir.display()
            ),
            Self::Stuck(stuck) => stuck.fmt(f),
            Self::Manager(error) => error.fmt(f),
            Self::Vm(error) => error.fmt(f),
            Self::Network(error) => error.fmt(f),
            Self::Index(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl error::Error for StartError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(match self {
            Self::Genesis(error) => error,
            Self::Store(error) => error,
            Self::OtherChain { .. } => return None,
            Self::Stuck(stuck) => stuck,
            Self::Manager(error) => error,
            Self::Vm(error) => error,
            Self::Network(error) => error,
            Self::Index(error) => error,
            Self::Engine(error) => error,
            Self::System(error) => error,
        })
    }
}

macro_rules! from {
    ($($variant:ident: $source:ty),+ $(,)?) => {$(
        impl From<$source> for StartError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        }
    )+};
}

from! {
    Genesis: GenesisError,
    Store: avalanche_store::Error,
    Manager: ManagerError,
    Vm: avalanche_vm::Error,
    Network: avalanche_net::network::Error,
    Index: crate::Error,
}
