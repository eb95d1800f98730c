//! What others may ask of a running chain and node, without knowing how it runs.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::engine::{Explanation, Phase, Stats, Tip};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::{Height, Id, NodeId, Timestamp};
use avalanche_vm::{HttpRequest, HttpResponse, TransactionStatus};
use bytes::Bytes;

use crate::{Error, Events};

/// Reads one chain.
///
/// # Contract
///
/// - Calls do not hold up consensus. Those that read blocks may wait for the disk.
/// - What is told as accepted is durable.
/// - After the chain stopped, what is durable can still be read.
#[async_trait]
pub trait ChainReader: Send + Sync {
    /// The chain.
    fn id(&self) -> Id;

    /// What people call it, from genesis.
    fn name(&self) -> &str;

    /// The alias of its VM, from genesis.
    fn vm(&self) -> &str;

    /// What it is at.
    async fn status(&self) -> ChainStatus;

    /// Why a block is final, or is not yet.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] while the engine does not run.
    async fn explain(&self, block: Id) -> Result<Explanation, Error>;

    /// An accepted block, or by its name one that is processing.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the log cannot be read.
    async fn block(&self, at: BlockAt) -> Result<Option<BlockInfo>, Error>;

    /// Accepted blocks from a height on, at most `limit` and at most [`BLOCKS_BYTES_MAX`] of them.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the log cannot be read.
    async fn blocks(&self, from: Height, limit: usize) -> Result<Vec<BlockInfo>, Error>;

    /// The names of the transactions of a block, in their order; empty for a VM that has none.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if there is no such accepted block; [`Error::Store`] if the log cannot be
    /// read.
    async fn block_transactions(&self, block: Height) -> Result<Vec<Id>, Error>;

    /// What became of a transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if the VM has no transactions, [`Error::Store`].
    async fn transaction(&self, id: Id) -> Result<TransactionInfo, Error>;

    /// The accepted transactions that touch an address, newest first; at most `limit`.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] for a VM without addresses, [`Error::Store`].
    async fn address(
        &self,
        address: [u8; 32],
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<AddressPage, Error>;

    /// Hands a request to the VM's own handler whose path begins the request's, as `/accounts`.
    async fn vm_request(&self, request: HttpRequest) -> HttpResponse;

    /// Events from now on.
    fn events(&self) -> Events;

    /// The validators of the chain.
    async fn validators(&self) -> Vec<ValidatorView>;
}

/// The most bytes that [`ChainReader::blocks`] returns, beyond its first block.
pub const BLOCKS_BYTES_MAX: usize = 8 << 20;

/// Takes transactions in.
///
/// # Contract
///
/// Admission promises nothing: a transaction is acknowledged by the receipt of its final block.
#[async_trait]
pub trait Submit: Send + Sync {
    /// Admits transactions to the mempool, each for itself, in order, and gossips those that were.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] for all of them. Inside, why one was refused.
    async fn submit(
        &self,
        transactions: Vec<Vec<u8>>,
    ) -> Result<Vec<Result<Id, avalanche_vm::Error>>, Error>;

    /// Waits until a transaction is final or dropped.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if the chain stops, or too many wait.
    async fn wait(&self, transaction: Id, patience: Duration) -> Result<Outcome, Error>;

    /// Takes an encoded block, as a peer's, and returns its name once it is issued.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] with what is wrong with it.
    async fn submit_block(&self, block: Bytes) -> Result<Id, Error>;

    /// Transactions that wait for a block, at most `limit` of their names, and how many there are.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`].
    async fn pending(&self, limit: usize) -> Result<(Vec<Id>, usize), Error>;
}

/// A chain that can be read and be given transactions.
pub trait Chain: ChainReader + Submit {}

impl<T: ChainReader + Submit> Chain for T {}

/// Reads a node.
#[async_trait]
pub trait NodeReader: Send + Sync {
    /// The node.
    fn node_id(&self) -> NodeId;

    /// The network.
    fn network_id(&self) -> u32;

    /// Its chains, the default one first.
    fn chains(&self) -> Vec<Arc<dyn Chain>>;

    /// A chain by its name or identifier (CB58 or hexadecimal); the default one for `None`.
    fn chain(&self, which: Option<&str>) -> Option<Arc<dyn Chain>> {
        let chains = self.chains();
        match which {
            None => chains.into_iter().next(),
            Some(which) => chains
                .into_iter()
                .find(|chain| chain.name() == which || which.parse() == Ok(chain.id())),
        }
    }

    /// The connected peers.
    async fn peers(&self) -> Vec<PeerView>;

    /// The best peers by score, at most so many.
    async fn best_peers(&self, limit: usize) -> Vec<PeerView>;

    /// How the node is doing, part by part.
    async fn health(&self) -> HealthReport;
}

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAt {
    /// The accepted one at a height.
    Height(Height),
    /// The one of a name.
    Id(Id),
    /// The last accepted one.
    Last,
}

/// A block as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Its name: the SHA-256 of [`bytes`](Self::bytes).
    pub id: Id,
    /// The block below.
    pub parent: Id,
    /// Its height.
    pub height: Height,
    /// When its proposer says that it was made.
    pub timestamp: Timestamp,
    /// Who made it; `None` for genesis.
    pub proposer: Option<NodeId>,
    /// Whether it is final.
    pub status: BlockStatus,
    /// The name of the VM's block in it.
    pub vm_block: Id,
    /// How many transactions it holds; `None` for a VM that has none.
    pub transactions: Option<u32>,
    /// All of it.
    pub bytes: Bytes,
    /// The VM's block: a part of `bytes`.
    pub payload: Bytes,
}

/// Whether a block is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStatus {
    /// It is.
    Accepted,
    /// It is verified and not decided.
    Processing,
}

/// What a chain is at.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainStatus {
    /// The phase of its engine; `None` while the engine does not run.
    pub phase: Option<Phase>,
    /// Why it does not run, if it does not.
    pub stopped: Option<String>,
    /// The parameters of consensus.
    pub parameters: Parameters,
    /// The tip of the preferred branch.
    pub preference: Id,
    /// The last accepted block.
    pub last_accepted: Tip,
    /// Blocks that are verified and not decided.
    pub processing: usize,
    /// Open polls.
    pub polls: usize,
    /// Connected weight as a fraction of the total.
    pub connected: f64,
    /// Transactions that wait for a block.
    pub pending: usize,
    /// Accepted transactions since the chain started, and how long its blocks took.
    pub finality: Finality,
    /// The engine's counters.
    pub stats: Stats,
}

/// How fast the last blocks became final on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finality {
    /// Transactions that were accepted since the chain started.
    pub transactions: u64,
    /// The median over the last [`Finality::BLOCKS`] blocks, from first sight to acceptance.
    pub p50: Duration,
    /// The 99th percentile over them.
    pub p99: Duration,
}

impl Finality {
    /// Blocks that the percentiles are over.
    pub const BLOCKS: usize = 512;
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionInfo {
    /// The transaction.
    pub id: Id,
    /// What became of it, as far as this node knows.
    pub status: TransactionStatus,
    /// The receipt as the VM writes it, a JSON object; `None` unless it is accepted.
    pub receipt: Option<String>,
}

/// What [`Submit::wait`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is final.
    Accepted(TransactionInfo),
    /// It is not in a block that this node builds: the rule that it broke, and why.
    Dropped {
        /// The rule.
        code: String,
        /// What was wrong.
        reason: String,
    },
    /// Patience ended before.
    Waiting(TransactionStatus),
}

/// A place in the order of all accepted transactions: the height of the block, and the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The height.
    pub height: Height,
    /// The place, from 0.
    pub index: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.height, self.index)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    /// A height and a place with a hyphen between, as `17-3`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('-');
        let parsed = parts.and_then(|(height, index)| {
            let height = Height::new(height.parse().ok()?);
            Some(Self { height, index: index.parse().ok()? })
        });
        parsed.ok_or_else(|| Error::Request {
            reason: format!("{text:?} is no cursor: height and place, as 17-3, are"),
        })
    }
}

/// Accepted transactions of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPage {
    /// Places and names, newest first.
    pub transactions: Vec<(Cursor, Id)>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// A validator of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatorView {
    /// The node.
    pub node_id: NodeId,
    /// Its weight.
    pub weight: u64,
    /// Whether it is connected, or this node itself.
    pub connected: bool,
    /// Whether it is given no queries for a while, since it did not answer.
    pub benched: bool,
    /// The part of the time, from 0 to 1, that this node has seen it connected; `None` if unknown.
    pub uptime: Option<f64>,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerView {
    /// The node.
    pub node_id: NodeId,
    /// Where it says it listens.
    pub address: SocketAddr,
    /// What it runs.
    pub version: String,
    /// Its score, if it has one.
    pub score: Option<f64>,
    /// How long it takes to answer, if it has answered.
    pub latency: Option<Duration>,
    /// Whether it is given no queries for a while.
    pub benched: bool,
}

/// How a node is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthReport {
    /// Part by part.
    pub checks: Vec<Check>,
}

impl HealthReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.checks.iter().all(|check| check.healthy)
    }
}

/// One part of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name, as `chain payments` or `disk`.
    pub name: String,
    /// Whether it is well.
    pub healthy: bool,
    /// What it is at, or what is wrong and what to do.
    pub detail: String,
}
