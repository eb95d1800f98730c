//! Starting a chain: what is on disk is brought together, then the engine runs, again and again.

mod disk;
mod error;
mod supervisor;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::HashKey;
use avalanche_consensus::engine::EngineConfig;
use avalanche_net::identity::Identity;
use avalanche_net::network::{Inbox, Network};
use avalanche_store::Prefixed;
use avalanche_vm::{Instance, ManagerError, VmContext, VmManager};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use self::error::StartError;

use self::disk::{Disk, genesis_block, last_block, no_blocks, open};
use self::supervisor::Supervisor;
use crate::app::{self, ChainSender};
use crate::blocks::{Blocks, Indexed};
use crate::clock::Clock;
use crate::driver::COMMANDS_MAX;
use crate::executor::{TELL_MAX, blocking, threads, tip_of};
use crate::fetched::Fetched;
use crate::handle::ChainHandle;
use crate::log::LogWriter;
use crate::node::{BuildConfig, StoreKind};
use crate::recent::Recent;
use crate::shared::{Shared, Signal};
use crate::teller::Teller;
use crate::waiters::Waiters;
use crate::{ChainGenesis, Genesis, Indexer, Proposers};

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

/// How long a VM that did not start may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

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
    let first = genesis_block(id, &*factory, &vm_genesis)?;
    let (parameters, validators) = (chain.parameters()?, genesis.validator_set()?);
    let proposers = Proposers::new(id, chain.proposers, &validators).map_err(StartError::Engine)?;
    let disk = {
        let (config, factory) = (config.clone(), Arc::clone(&factory));
        blocking(move || open(&config, &*factory, &first)).await??
    };
    let Disk { log, state, derived } = disk;
    let reader = log.reader().clone();
    let last = last_block(&reader)?.ok_or_else(|| no_blocks(&config))?;
    let key = HashKey::from_seed(seed()?);
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
    let log = LogWriter::start(log, &chain.name).map_err(StartError::System)?;
    let (sender, messages) = ChainSender::new(id, parts.network.clone());
    let signal = Arc::new(Signal::default());
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
    let shared = Arc::new(Shared {
        id,
        name: chain.name.clone(),
        vm: chain.vm.clone(),
        own: parts.identity.node_id(),
        parameters,
        validators,
        clock: Arc::new(Clock::default()),
        log: reader,
        index,
        indexed,
        contents: factory.contents(),
        instance: instance.clone(),
        waiters: Waiters::new(key),
        recent: Recent::default(),
        signal,
        live: crate::shared::Live::new(tip_of(&last)),
    });
    let (commands, received) = mpsc::channel(COMMANDS_MAX);
    let (tell, told) = mpsc::channel(TELL_MAX);
    let (stop, stopped) = watch::channel(false);
    let supervisor = Supervisor {
        shared: Arc::clone(&shared),
        parts: parts.clone(),
        proposers,
        config,
        log: Arc::new(log),
        fetched: Fetched::new(derived),
        tell,
        to_vm: sender.to_vm().clone(),
        key,
        stopped,
    };
    // Refused here, where somebody reads it, and not in the task.
    let accepted = supervisor.engine(&last).map(drop);
    let started = match accepted {
        Ok(()) => instance.start().await.map_err(StartError::Vm),
        Err(error) => Err(error),
    };
    if let Err(error) = started {
        // One that failed goes on trying until it is told not to.
        let _ = instance.stop(STOP_PATIENCE).await;
        let _ = parts.vms.remove(&id);
        return Err(error);
    }
    let teller = Teller::new(Arc::clone(&shared), indexer, commands.downgrade());
    let apps = app::serve(id, parts.network.clone(), instance.clone(), messages);
    let tasks = Tasks {
        teller: tokio::spawn(teller.run(told)),
        apps: tokio::spawn(apps),
        running: tokio::spawn(supervisor.run(inbox, received)),
        instance,
    };
    Ok(ChainHandle::new(shared, commands, parts.network.clone(), stop, tasks))
}

/// What ends with a chain.
pub(crate) struct Tasks {
    pub(crate) running: JoinHandle<()>,
    pub(crate) teller: JoinHandle<()>,
    pub(crate) apps: JoinHandle<()>,
    pub(crate) instance: Instance,
}

/// A seed that nobody can predict.
pub(super) fn seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed)
        .map_err(|_| StartError::System(io::Error::other("the system gives no randomness")))?;
    Ok(seed)
}
