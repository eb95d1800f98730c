//! Keys, genesis and configurations of a network's validators.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use avalanche_chain::node::{BootstrapPeer, NodeConfig};
use avalanche_chain::{ChainGenesis, Genesis, GenesisValidator, ProposerRules};
use avalanche_consensus::snowball::ParametersConfig;
use avalanche_consensus::{Id, NodeId};
use avalanche_net::identity::Identity;
use avalanche_vm::payments;

use super::{Folder, GENESIS, replace};
use crate::demo;
use crate::devnet::{DevnetError, ports};

/// The number of the network.
pub const NETWORK_ID: u32 = 1_337;
/// The name of its chain, and the alias of the chain's VM.
pub const CHAIN: &str = "payments";
/// Demo accounts that have money from genesis on.
pub const ACCOUNTS: u32 = 10_000;
/// The money of each, in the smallest unit.
pub const BALANCE: u64 = 1_000_000_000_000;
/// The least fee of a payment.
const FEE_MIN: u64 = 1;
/// When a validator may propose: one that is dead holds the others up for a second at most. So many
/// slots are hardly ever all the silent one's; if they are, all others propose at once.
const PROPOSERS: ProposerRules = ProposerRules { slot_ms: 100, slots: 10 };
/// Units of stake of each validator where they are few.
const SMALL_NETWORK: u64 = 1_000;
/// Where a node has its keys, in its folder.
const STAKING: &str = "staking";
/// How long a validator may take to end, in milliseconds.
const DRAIN_MS: u64 = 5_000;

/// One validator as it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// Its number, from 1.
    pub number: u16,
    /// Who it is.
    pub node_id: NodeId,
    /// What it is told.
    pub config: NodeConfig,
    /// The file that says so.
    pub config_path: PathBuf,
    /// What it says.
    pub log_path: PathBuf,
}

/// A network as it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its validators.
    pub nodes: Vec<NodePlan>,
    /// Its chain.
    pub chain: Id,
}

/// The weight of each of `validators`: 5, and 1,000 if there are fewer than five.
///
/// A poll draws 20 units of stake without putting any back, and needs 15 equal votes. With five
/// units each, a validator that is silent can cost a poll five votes and no more: every poll
/// succeeds without it. And there are more units than votes, so that a poll is a sample: were there
/// exactly 20, two siblings that three and two validators prefer would stay so for ever. Fewer than
/// five cannot do without one, and need polls that differ more: of two that prefer siblings, each
/// has 15 votes in one poll of 50 only if units are many.
#[must_use]
pub fn weight(validators: usize) -> u64 {
    let parameters = ParametersConfig::default();
    let missed = u64::from(parameters.k.saturating_sub(parameters.alpha_confidence));
    let voters = u64::from(parameters.k).checked_div(missed).unwrap_or_default();
    let validators = u64::try_from(validators).unwrap_or(u64::MAX);
    if validators <= voters { SMALL_NETWORK } else { missed }
}

/// The genesis of a network of these validators, made at a time since the Unix epoch.
///
/// Parameters of consensus are the default ones, AvalancheGo's.
///
/// # Errors
///
/// [`DevnetError::Node`] if it would not be valid.
pub fn genesis(validators: &[&Identity], timestamp_ms: u64) -> Result<Genesis, DevnetError> {
    let invalid = |reason: String| DevnetError::Node(format!("no genesis can be made: {reason}"));
    let allocations = (0..ACCOUNTS).map(|index| (demo::address(index), BALANCE)).collect();
    let vm = payments::Genesis::new(timestamp_ms, FEE_MIN, allocations)
        .map_err(|error| invalid(error.to_string()))?;
    let validator = |identity: &&Identity| GenesisValidator {
        node_id: identity.node_id(),
        weight: weight(validators.len()),
        bls_public_key: Some(hex(&identity.bls().public_key().to_bytes())),
    };
    let genesis = Genesis {
        network_id: NETWORK_ID,
        validators: validators.iter().map(validator).collect(),
        chains: vec![ChainGenesis {
            name: CHAIN.to_owned(),
            vm: CHAIN.to_owned(),
            genesis: hex(&vm.encode()),
            proposers: PROPOSERS,
            consensus: ParametersConfig::default(),
        }],
    };
    genesis.check().map_err(|error| invalid(error.to_string()))?;
    Ok(genesis)
}

/// Makes what is missing in a folder, and says how its validators are started. Blocks.
///
/// # Errors
///
/// [`DevnetError::Folder`] names the file that cannot be read or written, or the key that genesis
/// does not know.
pub fn plan(folder: &Folder) -> Result<Network, DevnetError> {
    let dirs: Vec<_> = (1..=folder.layout.nodes.len()).map(|n| format!("node-{n}")).collect();
    let identities = identities(dirs.iter().map(|dir| folder.path.join(dir)))?;
    let path = folder.path.join(GENESIS);
    let validators: Vec<&Identity> = identities.iter().collect();
    let genesis = match fs::read(&path) {
        Ok(bytes) => check(&path, &bytes, &validators)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            let genesis = genesis(&validators, now)?;
            replace(&path, genesis.to_json().as_bytes())?;
            genesis
        }
        Err(error) => {
            return Err(DevnetError::folder(&path, format!("it cannot be read: {error}")));
        }
    };
    let nodes = folder.layout.nodes.iter().zip(&identities).zip(&dirs);
    let peer = |at: usize| {
        let (identity, ports) = (identities.get(at)?, folder.layout.nodes.get(at)?);
        let address = ports::local(ports.peer);
        Some(BootstrapPeer { node_id: identity.node_id(), address })
    };
    let mut plans = Vec::with_capacity(dirs.len());
    for ((at, number), ((ports, identity), dir)) in (0..).zip(1..).zip(nodes) {
        let dir = folder.path.join(dir);
        let others = (0..identities.len()).filter(|other| *other != at);
        let config = NodeConfig {
            genesis: Some(path.clone()),
            listen: ports::local(ports.peer),
            api: ports::local(ports.api),
            bootstrap: others.filter_map(peer).collect(),
            store: folder.layout.store,
            drain_ms: DRAIN_MS,
            data_dir: dir.clone(),
            ..NodeConfig::default()
        };
        let config_path = dir.join("config.toml");
        let text = format!("# Written by devnet at each start.\n{}", config.to_toml());
        replace(&config_path, text.as_bytes())?;
        let (node_id, log_path) = (identity.node_id(), dir.join("log"));
        plans.push(NodePlan { number, node_id, config, config_path, log_path });
    }
    let chain = genesis.chains.first().map(|chain| genesis.chain_id(chain)).transpose();
    let chain = chain.map_err(|error| DevnetError::folder(&path, error.to_string()))?;
    Ok(Network { nodes: plans, chain: chain.unwrap_or_default() })
}

/// The keys in these folders, which are made if they are not there: at once, since that waits for
/// the disk most of the time. There are at most a hundred.
fn identities(dirs: impl Iterator<Item = PathBuf>) -> Result<Vec<Identity>, DevnetError> {
    let one = |dir: &Path| {
        Identity::load_or_create(&dir.join(STAKING))
            .map_err(|error| DevnetError::folder(dir, error.to_string()))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = dirs.map(|dir| scope.spawn(move || one(&dir))).collect();
        let ended = |_| DevnetError::Node("a thread that makes keys ended without any".to_owned());
        threads.into_iter().map(|thread| thread.join().map_err(ended)?).collect()
    })
}

/// Reads a genesis, which has to be of exactly these validators.
fn check(path: &Path, bytes: &[u8], validators: &[&Identity]) -> Result<Genesis, DevnetError> {
    let genesis =
        Genesis::parse(bytes).map_err(|error| DevnetError::folder(path, error.to_string()))?;
    let advice = "put the keys back that were there, or begin anew in another folder";
    if genesis.validators.len() != validators.len() {
        let (found, keys) = (genesis.validators.len(), validators.len());
        let reason = format!("it has {found} validators, and there are keys of {keys}; {advice}");
        return Err(DevnetError::folder(path, reason));
    }
    for (number, (known, identity)) in (1..).zip(genesis.validators.iter().zip(validators)) {
        if known.node_id != identity.node_id() {
            let (known, found) = (known.node_id, identity.node_id());
            let reason =
                format!("validator {number} is {known}, and the keys are of {found}; {advice}");
            return Err(DevnetError::folder(path, reason));
        }
    }
    Ok(genesis)
}

/// Bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
