//! A client of a node's API.
//!
//! ```no_run
//! # async fn run() -> Result<(), avalanche_gateway::client::ClientError> {
//! use avalanche_gateway::client::Client;
//!
//! let client = Client::new(Client::DEFAULT_URL)?;
//! let status = client.status().await?;
//! let paid = client.submit(vec![1, 2, 3]).await?;
//! assert!(paid.is_final() || status.stopped.is_some());
//! # Ok(())
//! # }
//! ```

mod base;
mod error;
mod events;
mod http;
mod transactions;

use std::fmt;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use bytes::Bytes;
use serde::de::DeserializeOwned;

pub use self::error::ClientError;
pub use self::events::{Events, EventsQuery, Start};

use self::base::Base;
use self::http::{Answer, Http};
use crate::api::{
    Block, BlockForm, BlockIssued, Blocks, Chain, Chains, ConsensusStatus, DEFAULT_CHAIN,
    Explanation, Health, OCTETS, PREFIX, Peers, Validator, Validators, Version,
};

/// The code for a block that is not there.
const UNKNOWN_BLOCK: &str = "unknown_block";

/// Asks one node over HTTP/1.1, on connections that are kept. Clones share them.
///
/// Nothing is tried twice: whoever gets [`ClientError::may_retry`] decides.
#[derive(Clone)]
pub struct Client {
    http: Http,
    base: Base,
    chain: String,
    timeout: Duration,
}

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAt {
    /// The accepted one at a height.
    Height(u64),
    /// The one of a name.
    Id(Id),
    /// The last accepted one.
    Last,
}

impl Client {
    /// Where a node of one machine is found.
    pub const DEFAULT_URL: &str = "http://127.0.0.1:8000";
    /// How long an answer is waited for, unless [`with_timeout`](Self::with_timeout) says another
    /// time.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// The longest answer that is read, in bytes.
    pub const ANSWER_BYTES_MAX: usize = 64 << 20;

    /// A client of the node at an URL as `http://127.0.0.1:8000`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`] says what is wrong with it.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let base = Base::new(url)?;
        let chain = DEFAULT_CHAIN.to_owned();
        Ok(Self { http: Http::new(), base, chain, timeout: Self::TIMEOUT })
    }

    /// The same, with a token in each request.
    ///
    /// # Errors
    ///
    /// [`ClientError::Token`] if no header can hold it.
    pub fn with_token(mut self, token: &str) -> Result<Self, ClientError> {
        self.base.set_token(token)?;
        Ok(self)
    }

    /// The same, of another chain than the default one: its name or identifier.
    #[must_use]
    pub fn with_chain(mut self, chain: impl Into<String>) -> Self {
        self.chain = chain.into();
        self
    }

    /// The same, with another time for an answer.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The URL that was given, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.base.url()
    }

    /// What consensus is at.
    ///
    /// # Errors
    ///
    /// [`ClientError`], as for every request.
    pub async fn status(&self) -> Result<ConsensusStatus, ClientError> {
        self.get(&format!("{PREFIX}/consensus/status?chain={}", self.chain)).await
    }

    /// Why a block is final, or is not yet.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn explain(&self, block: Id) -> Result<Explanation, ClientError> {
        let chain = &self.chain;
        self.get(&format!("{PREFIX}/consensus/blocks/{block}/explain?chain={chain}")).await
    }

    /// Gives the node an encoded block, and its name once it is issued.
    ///
    /// # Errors
    ///
    /// [`ClientError::Api`] with 400 if the block is wrong.
    pub async fn submit_block(&self, block: impl Into<Bytes>) -> Result<Id, ClientError> {
        let path = format!("{PREFIX}/consensus/block?chain={}", self.chain);
        let issued: BlockIssued = self.post(&path, OCTETS, block.into(), self.timeout).await?;
        Ok(issued.id)
    }

    /// The validators of the chain.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn validators(&self) -> Result<Validators, ClientError> {
        self.get(&format!("{PREFIX}/validators?chain={}", self.chain)).await
    }

    /// One validator of the chain; `None` if it is none.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn validator(&self, id: NodeId) -> Result<Option<Validator>, ClientError> {
        let path = format!("{PREFIX}/validators/{id}?chain={}", self.chain);
        maybe(self.get(&path).await, "unknown_validator")
    }

    /// The chains of the node, the default one first.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn chains(&self) -> Result<Vec<Chain>, ClientError> {
        let chains: Chains = self.get(&format!("{PREFIX}/chains")).await?;
        Ok(chains.chains)
    }

    /// The chain.
    ///
    /// # Errors
    ///
    /// [`ClientError::Api`] with 404 if the node does not have it.
    pub async fn chain(&self) -> Result<Chain, ClientError> {
        self.get(&self.path("")).await
    }

    /// Accepted blocks from a height on, at most `limit`: the newest ones for `None`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn blocks(&self, from: Option<u64>, limit: u32) -> Result<Blocks, ClientError> {
        let from = from.map(|from| format!("&from={from}")).unwrap_or_default();
        self.get(&self.path(&format!("/blocks?limit={limit}{from}"))).await
    }

    /// A block; `None` if the node does not have it.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn block(&self, at: BlockAt) -> Result<Option<Block>, ClientError> {
        maybe(self.get(&self.path(&format!("/blocks/{at}"))).await, UNKNOWN_BLOCK)
    }

    /// The bytes of a block; `None` if the node does not have it.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn block_bytes(
        &self,
        at: BlockAt,
        form: BlockForm,
    ) -> Result<Option<Bytes>, ClientError> {
        let path = self.path(&format!("/blocks/{at}?form={form}"));
        let answer = self.http.get(&self.base, &path, self.timeout).await;
        maybe(answer.map(|answer| answer.body), UNKNOWN_BLOCK)
    }

    /// The connected peers.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn peers(&self) -> Result<Peers, ClientError> {
        self.get(&format!("{PREFIX}/peers")).await
    }

    /// The best peers, at most so many.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn best_peers(&self, limit: u32) -> Result<Peers, ClientError> {
        self.get(&format!("{PREFIX}/peers/best?limit={limit}")).await
    }

    /// How the node is doing: an answer, too, if it is not well.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.part("/health").await
    }

    /// Whether the node takes part in consensus.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn ready(&self) -> Result<Health, ClientError> {
        self.part("/ready").await
    }

    /// What the node runs.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.get("/version").await
    }

    /// The node's metrics, as Prometheus reads them.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let answer = self.http.get(&self.base, "/metrics", self.timeout).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Asks a handler of the chain's VM; `path` begins with `/`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn vm<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get(&self.path(&format!("/vm{path}"))).await
    }

    /// Follows what happens on the chain.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn events(&self, query: &EventsQuery) -> Result<Events, ClientError> {
        Events::open(&self.base, &self.chain, query, self.timeout).await
    }

    /// Asks for whatever has a path of the API, as `/api/v1/chains`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.http.get(&self.base, path, self.timeout).await?.json()
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        media_type: &'static str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        self.http.post(&self.base, path, media_type, body, timeout).await?.json()
    }

    async fn part(&self, path: &str) -> Result<Health, ClientError> {
        let answer: Answer = self.http.raw(&self.base, path, self.timeout).await?;
        match answer.status {
            200 | 503 => answer.json(),
            _ => answer.good()?.json(),
        }
    }

    /// A path below the chain's.
    fn path(&self, rest: &str) -> String {
        format!("{PREFIX}/chains/{}{rest}", self.chain)
    }
}

/// Turns the code that says that it is not there into `None`.
fn maybe<T>(outcome: Result<T, ClientError>, code: &str) -> Result<Option<T>, ClientError> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == Some(code) => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base)
            .field("chain", &self.chain)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BlockAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Height(height) => height.fmt(f),
            Self::Id(id) => id.fmt(f),
            Self::Last => f.write_str("last"),
        }
    }
}
