//! Nodes of one network in one process, over real sockets of the loopback device.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{error, fs};

use avalanche_consensus::Height;
use avalanche_consensus::engine::Phase;
use avalanche_consensus::snowball::ParametersConfig;
use avalanche_net::identity::Identity;
use avalanche_vm::VmRegistry;

use crate::node::{BootstrapPeer, Node, NodeConfig, StoreKind};
use crate::{Chain, ChainGenesis, Genesis, GenesisValidator, NodeReader, ProposerRules};

/// What a cluster is like.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many nodes.
    pub nodes: usize,
    /// The alias of the VM.
    pub vm: String,
    /// The VM's genesis.
    pub genesis: Vec<u8>,
    /// Settings of the VM.
    pub settings: String,
    /// What keeps states and indexes.
    pub store: StoreKind,
    /// Who may propose, and when.
    pub proposers: ProposerRules,
    /// Parameters of consensus.
    pub consensus: ParametersConfig,
}

impl ClusterOptions {
    /// Five nodes with the parameters of a devnet.
    #[must_use]
    pub fn new(vm: &str, genesis: Vec<u8>) -> Self {
        Self {
            nodes: 5,
            vm: vm.to_owned(),
            genesis,
            settings: String::new(),
            store: StoreKind::Memory,
            proposers: ProposerRules { slot_ms: 100, slots: 10 },
            consensus: ParametersConfig::default(),
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn error::Error + Send + Sync>>;

/// Nodes in one process. Their folders are below one, and stay there.
#[derive(Debug)]
pub struct Cluster {
    configs: Vec<NodeConfig>,
    nodes: Vec<Option<Node>>,
    registry: fn() -> VmRegistry,
    dir: PathBuf,
}

impl Cluster {
    /// Makes keys and a genesis in `dir`, and starts all nodes. `registry` is asked for each node.
    ///
    /// # Errors
    ///
    /// Those of the nodes.
    pub async fn start(
        dir: &Path,
        options: &ClusterOptions,
        registry: fn() -> VmRegistry,
    ) -> Result<Self> {
        let mut cluster = Self::prepare(dir, options, registry)?;
        for at in 0..options.nodes {
            cluster.start_node(at).await?;
        }
        Ok(cluster)
    }

    /// Makes keys and a genesis in `dir`, and starts nothing.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    pub fn prepare(
        dir: &Path,
        options: &ClusterOptions,
        registry: fn() -> VmRegistry,
    ) -> Result<Self> {
        let count = u64::try_from(options.nodes)?;
        // As many units as a poll can miss, so that one silent node fails none; and more in all
        // than a poll has votes, or every poll would ask everybody, and a split of 3 to 2 stays.
        let (k, alpha) = (options.consensus.k, options.consensus.alpha_confidence);
        let missed = u64::from(k.saturating_sub(alpha));
        let weight = missed.max(u64::from(k) / count.max(1) + 1);
        let mut validators = Vec::new();
        let mut bootstrap = Vec::new();
        for at in 0..options.nodes {
            let identity = Identity::load_or_create(&dir.join(format!("node-{at}/staking")))?;
            let key = identity.bls().public_key().to_bytes();
            let bls_public_key = key.iter().map(|byte| format!("{byte:02x}")).collect();
            let node_id = identity.node_id();
            validators.push(GenesisValidator {
                node_id,
                weight,
                bls_public_key: Some(bls_public_key),
            });
            bootstrap.push(BootstrapPeer { node_id, address: free_address()? });
        }
        let hex = options.genesis.iter().map(|byte| format!("{byte:02x}")).collect();
        let genesis = Genesis {
            network_id: 1337,
            validators,
            chains: vec![ChainGenesis {
                name: options.vm.clone(),
                vm: options.vm.clone(),
                genesis: hex,
                proposers: options.proposers,
                consensus: options.consensus,
            }],
        };
        genesis.check()?;
        fs::write(dir.join("genesis.json"), genesis.to_json())?;
        let config = |(at, peer): (usize, &BootstrapPeer)| NodeConfig {
            data_dir: dir.join(format!("node-{at}")),
            listen: peer.address,
            bootstrap: bootstrap.clone(),
            store: options.store,
            vm: [(options.vm.clone(), options.settings.clone())].into(),
            ..NodeConfig::default()
        };
        let configs: Vec<_> = bootstrap.iter().enumerate().map(config).collect();
        let nodes = configs.iter().map(|_| None).collect();
        Ok(Self { configs, nodes, registry, dir: dir.to_owned() })
    }

    /// Starts a node, again if it was stopped.
    ///
    /// # Errors
    ///
    /// Those of the node.
    pub async fn start_node(&mut self, at: usize) -> Result<()> {
        let config = self.configs.get(at).cloned().ok_or("no such node")?;
        let node = Node::start(config, (self.registry)()).await?;
        if let Some(place) = self.nodes.get_mut(at) {
            *place = Some(node);
        }
        Ok(())
    }

    /// Stops a node.
    pub async fn stop_node(&mut self, at: usize) {
        if let Some(node) = self.nodes.get_mut(at).and_then(Option::take) {
            node.shutdown().await;
        }
    }

    /// The configuration of a node, to change before it is started.
    pub fn config(&mut self, at: usize) -> Option<&mut NodeConfig> {
        self.configs.get_mut(at)
    }

    /// A running node.
    #[must_use]
    pub fn node(&self, at: usize) -> Option<&Node> {
        self.nodes.get(at).and_then(Option::as_ref)
    }

    /// The chain of a running node.
    #[must_use]
    pub fn chain(&self, at: usize) -> Option<std::sync::Arc<dyn Chain>> {
        self.node(at)?.chain(None)
    }

    /// The chains of all running nodes.
    #[must_use]
    pub fn chains(&self) -> Vec<std::sync::Arc<dyn Chain>> {
        self.nodes.iter().flatten().filter_map(|node| node.chain(None)).collect()
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits until all running nodes decide together.
    ///
    /// # Errors
    ///
    /// If that takes longer than `patience`.
    pub async fn ready(&self, patience: Duration) -> Result<()> {
        self.wait("nodes have not caught up", patience, async |chain: &dyn Chain| {
            chain.status().await.phase == Some(Phase::NormalOperation)
        })
        .await
    }

    /// Waits until all running nodes have accepted a height.
    ///
    /// # Errors
    ///
    /// If that takes longer than `patience`.
    pub async fn accepted(&self, height: Height, patience: Duration) -> Result<()> {
        self.wait("nodes have not accepted the height", patience, async |chain: &dyn Chain| {
            chain.status().await.last_accepted.height >= height
        })
        .await
    }

    async fn wait(
        &self,
        what: &str,
        patience: Duration,
        done: impl AsyncFn(&dyn Chain) -> bool,
    ) -> Result<()> {
        let until = tokio::time::Instant::now() + patience;
        for chain in self.chains() {
            while !done(&*chain).await {
                if tokio::time::Instant::now() > until {
                    let status = chain.status().await;
                    return Err(format!("{what} within {patience:?}: {status:?}").into());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    /// Stops all nodes.
    pub async fn stop(mut self) {
        for at in 0..self.nodes.len() {
            self.stop_node(at).await;
        }
    }
}

/// An address that nobody listens on now.
fn free_address() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
