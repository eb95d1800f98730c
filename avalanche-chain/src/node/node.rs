//! One process: keys, a network, chains.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::engine::EngineConfig;
use avalanche_consensus::{Id, NodeId};
use avalanche_net::identity::Identity;
use avalanche_net::network::{Inbox, Network, NetworkConfig};
use avalanche_net::queue::LaneLimit;
use avalanche_net::throttle::{BandwidthConfig, PoolConfig};
use avalanche_net::wire::Compression;
use avalanche_vm::{ManagerConfig, VmManager, VmRegistry};

use super::{NodeConfig, NodeError};
use crate::start::start_with;
use crate::{
    Chain, ChainConfig, ChainHandle, ChainParts, Check, Genesis, HealthReport, NodeReader, PeerView,
};

/// A running node. A clone is the same node.
#[derive(Clone, Debug)]
pub struct Node {
    identity: Arc<Identity>,
    genesis: Arc<Genesis>,
    network: Network,
    vms: Arc<VmManager>,
    chains: Arc<Vec<ChainHandle>>,
    config: Arc<NodeConfig>,
}

impl Node {
    /// Starts a node: all chains of its genesis, with VMs of the registry.
    ///
    /// Its folder holds `staking/` with the keys, which are made the first time, `peers` with the
    /// addresses of other nodes, and `chains/`.
    ///
    /// # Errors
    ///
    /// [`NodeError`]; nothing runs then.
    pub async fn start(config: NodeConfig, registry: VmRegistry) -> Result<Self, NodeError> {
        let dir = config.data_dir.clone();
        make_dir(&dir)?;
        let path = config.genesis_path();
        let json =
            fs::read(&path).map_err(|source| NodeError::File { path: path.clone(), source })?;
        let genesis = Genesis::parse(&json)
            .map_err(|source| NodeError::Genesis { path: path.clone(), source })?;
        let identity =
            Arc::new(Identity::load_or_create(&dir.join("staking")).map_err(NodeError::Identity)?);
        let vms = ManagerConfig { vms_max: config.max_vms_per_node, ..ManagerConfig::default() };
        let vms = Arc::new(VmManager::new(registry, vms).map_err(NodeError::Vms)?);
        let network = Network::start(network_config(&config, &genesis), Arc::clone(&identity))
            .await
            .map_err(NodeError::Network)?;
        // Before anything slow: peers that are faster send already.
        let inboxes = register(&network, &genesis)
            .map_err(|(name, source)| NodeError::Chain { name, source })?;
        let validators = genesis.peer_validators();
        let validators = validators.map_err(|source| NodeError::Genesis { path, source })?;
        network.set_validators(Id::EMPTY, validators);
        for peer in &config.bootstrap {
            if peer.node_id != identity.node_id() {
                network.track(peer.node_id, peer.address);
            }
        }
        let parts = ChainParts {
            network: network.clone(),
            identity: Arc::clone(&identity),
            vms: Arc::clone(&vms),
        };
        let mut node = Self {
            identity,
            genesis: Arc::new(genesis),
            network,
            vms,
            chains: Arc::default(),
            config: Arc::new(config),
        };
        match node.start_chains(inboxes, &parts).await {
            Ok(chains) => node.chains = Arc::new(chains),
            Err(error) => {
                node.shutdown().await;
                return Err(error);
            }
        }
        Ok(node)
    }

    async fn start_chains(
        &self,
        inboxes: Vec<Inbox>,
        parts: &ChainParts,
    ) -> Result<Vec<ChainHandle>, NodeError> {
        let mut chains = Vec::with_capacity(self.genesis.chains.len());
        for (chain, inbox) in self.genesis.chains.iter().zip(inboxes) {
            let settings = self.config.vm.get(&chain.name);
            let config = ChainConfig {
                dir: self.config.data_dir.join("chains").join(&chain.name),
                store: self.config.store,
                build: self.config.build,
                vm: settings.map(|text| text.clone().into_bytes()).unwrap_or_default(),
                engine: EngineConfig::default(),
            };
            make_dir(&config.dir)?;
            let started = start_with(inbox, &self.genesis, chain, config, parts).await;
            match started {
                Ok(handle) => chains.push(handle),
                Err(source) => {
                    for chain in chains {
                        chain.stop(self.config.drain()).await;
                    }
                    return Err(NodeError::Chain { name: chain.name.clone(), source });
                }
            }
        }
        Ok(chains)
    }

    /// Where it listens for peers.
    #[must_use]
    pub const fn network_addr(&self) -> SocketAddr {
        self.network.local_addr()
    }

    /// The configuration that it runs with.
    #[must_use]
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Its genesis.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Its network, for whoever counts.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// What others may ask of it.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn NodeReader> {
        Arc::new(self.clone())
    }

    /// Ends all chains, then the VMs and the network: what was begun is finished, within
    /// [`NodeConfig::drain_ms`] for each of the three. Whether all of it ended in time.
    pub async fn shutdown(&self) -> bool {
        let patience = self.config.drain();
        let mut ended = true;
        for chain in self.chains.iter() {
            ended &= chain.stop(patience).await;
        }
        ended &= self.vms.shutdown(patience).await.is_empty();
        self.network.shutdown().await;
        ended
    }

    fn peer(&self, score: Option<&avalanche_net::peers::Score>, view: PeerView) -> PeerView {
        PeerView {
            score: score.map(|score| score.score),
            latency: score.and_then(|score| score.latency),
            ..view
        }
    }

    async fn benched(&self) -> BTreeSet<NodeId> {
        let mut benched = BTreeSet::new();
        for chain in self.chains.iter() {
            benched.extend(chain.benched().await);
        }
        benched
    }
}

#[async_trait]
impl NodeReader for Node {
    fn node_id(&self) -> NodeId {
        self.identity.node_id()
    }

    fn network_id(&self) -> u32 {
        self.genesis.network_id
    }

    fn chains(&self) -> Vec<Arc<dyn Chain>> {
        self.chains.iter().map(|chain| Arc::new(chain.clone()) as Arc<dyn Chain>).collect()
    }

    async fn peers(&self) -> Vec<PeerView> {
        let benched = self.benched().await;
        let peers = self.network.peers();
        let scores = self.network.best(peers.len()).await;
        let scores: BTreeMap<_, _> = scores.iter().map(|score| (score.node, score)).collect();
        let view = |peer: &Arc<avalanche_net::peers::PeerInfo>| PeerView {
            node_id: peer.node_id,
            address: peer.ip.ip.addr,
            version: peer.version.to_string(),
            score: None,
            latency: None,
            benched: benched.contains(&peer.node_id),
        };
        peers.iter().map(|peer| self.peer(scores.get(&peer.node_id).copied(), view(peer))).collect()
    }

    async fn best_peers(&self, limit: usize) -> Vec<PeerView> {
        let mut peers = self.peers().await;
        let score = |peer: &PeerView| peer.score.unwrap_or_default();
        peers.sort_by(|a, b| score(b).total_cmp(&score(a)));
        peers.truncate(limit);
        peers
    }

    async fn health(&self) -> HealthReport {
        let mut checks: Vec<Check> = self.chains.iter().flat_map(ChainHandle::checks).collect();
        let validators = &self.genesis.validators;
        let own = self.identity.node_id();
        let there = |node: &NodeId| *node == own || self.network.is_connected(node);
        let connected = validators.iter().filter(|one| there(&one.node_id)).count();
        checks.push(Check {
            name: "network".to_owned(),
            healthy: connected * 5 >= validators.len() * 4,
            detail: format!("{connected} of {} validators are connected", validators.len()),
        });
        HealthReport { checks }
    }
}

/// Takes the messages of all chains from now on.
fn register(
    network: &Network,
    genesis: &Genesis,
) -> Result<Vec<Inbox>, (String, crate::StartError)> {
    let one = |chain: &crate::ChainGenesis| {
        let named = |error: crate::StartError| (chain.name.clone(), error);
        let id = genesis.chain_id(chain).map_err(|error| named(error.into()))?;
        network.register(id).map_err(|error| named(error.into()))
    };
    genesis.chains.iter().map(one).collect()
}

/// What a network of this node is like. Lanes and pools are larger than AvalancheGo's, which drop
/// full blocks that follow on each other closely.
fn network_config(config: &NodeConfig, genesis: &Genesis) -> NetworkConfig {
    const MIB: usize = 1 << 20;
    let mut network = NetworkConfig::new(genesis.network_id, config.listen);
    network.public = config.public;
    network.address_book = Some(config.data_dir.join("peers"));
    network.control.max_peers = config.max_peers;
    let limits = &mut network.limits;
    let rate = config.peer_bytes_per_second;
    limits.bandwidth = BandwidthConfig { refill_rate: rate, burst: rate.max(4 << 20) };
    if !config.compress {
        limits.compression = Compression::None;
    }
    limits.queue.consensus = LaneLimit { bytes: 16 * MIB, frames: 4_096 };
    limits.queue.sync = LaneLimit { bytes: 8 * MIB, frames: 1_024 };
    limits.queue.app = LaneLimit { bytes: 16 * MIB, frames: 4_096 };
    let pool = PoolConfig { at_large: 64 << 20, node_at_large_max: 16 << 20, validators: 64 << 20 };
    (limits.inbound_pool, limits.outbound_pool) = (pool, pool);
    network
}

fn make_dir(dir: &Path) -> Result<(), NodeError> {
    fs::create_dir_all(dir).map_err(|source| NodeError::File { path: dir.to_owned(), source })
}
