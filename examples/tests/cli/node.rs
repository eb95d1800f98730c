//! A node that decides alone, for tests of the client: the real payments VM and the real server,
//! and instead of consensus a task that accepts a block whenever there is something to build.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use avalanche_chain::{
    AcceptedBlock, AddressPage, BlockAt, BlockInfo, BlockStatus, Chain, ChainEvent, ChainReader,
    ChainStatus, Cursor, Error, Events, Finality, HealthReport, NodeReader, Outcome, PeerView,
    Submit, TransactionInfo, ValidatorView,
};
use avalanche_consensus::engine::{Cause, Explanation, Phase, Stats, Tip};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::{Height, Id, NodeId, Timestamp};
use avalanche_examples::demo;
use avalanche_gateway::{GatewayConfig, serve};
use avalanche_vm::payments::{BlockRef, Genesis, PaymentsFactory};
use avalanche_vm::testing::{Chain as Driven, ChainOptions, Stop};
use avalanche_vm::{HttpRequest, HttpResponse, TransactionStatus};
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, broadcast, oneshot};

/// What stands before the VM's block in a block.
const HEADER: &[u8] = b"head";

/// A chain that this node decides alone.
pub(crate) struct FakeChain {
    id: Id,
    driven: Mutex<Option<Driven>>,
    blocks: StdMutex<Vec<BlockInfo>>,
    events: broadcast::Sender<ChainEvent>,
    /// No block is accepted while this is set.
    pub(crate) held: AtomicBool,
    /// Batches that get no room, before any gets some.
    pub(crate) full: AtomicU64,
    /// The answer about every account, instead of the VM's.
    pub(crate) account: StdMutex<Option<Value>>,
    /// What blocks that are not accepted are explained with.
    pub(crate) cause: StdMutex<Cause>,
}

struct FakeNode(Arc<FakeChain>);

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

fn info(block: &avalanche_vm::Block, parent: Id, transactions: usize) -> BlockInfo {
    let bytes = Bytes::from([HEADER, block.bytes()].concat());
    let first = block.height() == Height::GENESIS;
    BlockInfo {
        id: Id::hash(&bytes),
        parent,
        height: block.height(),
        timestamp: block.timestamp(),
        proposer: (!first).then(|| NodeId::new([1; 20])),
        status: BlockStatus::Accepted,
        vm_block: block.id(),
        transactions: Some(u32::try_from(transactions).unwrap()),
        payload: bytes.slice(HEADER.len()..),
        bytes,
    }
}

impl FakeChain {
    async fn new(accounts: u32, balance: u64) -> Self {
        let funded = (0..accounts).map(|index| (demo::address(index), balance)).collect();
        let genesis = Genesis::new(1_700_000_000_000, 1, funded).unwrap();
        let mut options = ChainOptions::new(genesis.encode());
        options.now = now();
        let id = options.chain_id;
        let factory = Arc::new(PaymentsFactory::new());
        let driven = Driven::new(factory, options).await.unwrap();
        let first = driven.blocks().at(Height::GENESIS).unwrap().unwrap();
        let first = driven.parse(&first).unwrap();
        Self {
            id,
            blocks: StdMutex::new(vec![info(&first, Id::EMPTY, 0)]),
            driven: Mutex::new(Some(driven)),
            events: Events::channel().0,
            held: AtomicBool::new(false),
            full: AtomicU64::new(0),
            account: StdMutex::new(None),
            cause: StdMutex::new(Cause::Unknown),
        }
    }

    /// Accepts one block, if there is something to build.
    async fn step(&self) {
        let mut driven = self.driven.lock().await;
        let Some(chain) = driven.as_mut().filter(|_| !self.held.load(Ordering::SeqCst)) else {
            return;
        };
        chain.advance(now().since(chain.now()));
        let Some(block) = chain.build().await.unwrap() else { return };
        chain.verify(&block).await.unwrap();
        chain.prefer(block.id()).unwrap();
        chain.accept(&block).await.unwrap();
        let transactions = chain.vm().transactions().unwrap().in_block(&block).unwrap();
        let mut blocks = self.blocks.lock().unwrap();
        let parent = blocks.last().unwrap().id;
        let block = info(&block, parent, transactions.len());
        blocks.push(block.clone());
        let finality = Some(Duration::from_millis(1));
        let accepted = AcceptedBlock { block, transactions: transactions.into(), finality };
        let _ = self.events.send(ChainEvent::Accepted(Arc::new(accepted)));
    }

    /// Kills the VM and starts it again: what waited in its mempool is gone.
    pub(crate) async fn lose_mempool(&self) {
        let mut driven = self.driven.lock().await;
        let chain = driven.take().unwrap();
        *driven = Some(chain.restart(Stop::Kill).await.unwrap());
    }

    /// How many payments are final.
    pub(crate) fn accepted(&self) -> u64 {
        let blocks = self.blocks.lock().unwrap();
        blocks.iter().map(|block| u64::from(block.transactions.unwrap())).sum()
    }
}

#[async_trait]
impl ChainReader for FakeChain {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        "payments"
    }

    fn vm(&self) -> &str {
        "payments"
    }

    async fn status(&self) -> ChainStatus {
        let last = self.blocks.lock().unwrap().last().unwrap().clone();
        let pending = self.pending(0).await.unwrap().1;
        ChainStatus {
            phase: Some(Phase::NormalOperation),
            stopped: None,
            parameters: Parameters::default(),
            preference: last.id,
            last_accepted: Tip { id: last.id, height: last.height },
            processing: 0,
            polls: 0,
            connected: 0.8,
            pending,
            finality: Finality { transactions: self.accepted(), ..Finality::default() },
            stats: Stats::default(),
        }
    }

    async fn explain(&self, block: Id) -> Result<Explanation, Error> {
        let blocks = self.blocks.lock().unwrap();
        let found = blocks.iter().find(|info| info.id == block);
        let cause = match found {
            Some(_) => Cause::Accepted,
            None => self.cause.lock().unwrap().clone(),
        };
        let height = found.map(|info| info.height);
        Ok(Explanation { id: block, height, cause, polls: Vec::new() })
    }

    async fn block(&self, at: BlockAt) -> Result<Option<BlockInfo>, Error> {
        let blocks = self.blocks.lock().unwrap();
        Ok(match at {
            BlockAt::Height(height) => blocks.iter().find(|info| info.height == height),
            BlockAt::Id(id) => blocks.iter().find(|info| info.id == id),
            BlockAt::Last => blocks.last(),
        }
        .cloned())
    }

    async fn blocks(&self, from: Height, limit: usize) -> Result<Vec<BlockInfo>, Error> {
        let blocks = self.blocks.lock().unwrap();
        let from = usize::try_from(from.get()).unwrap();
        Ok(blocks.iter().skip(from).take(limit).cloned().collect())
    }

    async fn block_transactions(&self, block: Height) -> Result<Vec<Id>, Error> {
        let blocks = self.blocks.lock().unwrap();
        let missing = || Error::Request { reason: format!("there is no block {block}") };
        let found = blocks.iter().find(|info| info.height == block).ok_or_else(missing)?;
        let decoded = BlockRef::decode(&found.payload).unwrap();
        Ok(decoded.transfers.iter().map(|transfer| transfer.id()).collect())
    }

    async fn transaction(&self, id: Id) -> Result<TransactionInfo, Error> {
        let mut driven = self.driven.lock().await;
        let status = driven.as_mut().unwrap().vm().transactions().unwrap().status(&id);
        drop(driven);
        let mut receipt = None;
        if matches!(status, TransactionStatus::Accepted { .. }) {
            let path = format!("/receipts/{id}");
            let request = HttpRequest { method: "GET".into(), path, ..HttpRequest::default() };
            receipt = Some(String::from_utf8(self.vm_request(request).await.body).unwrap());
        }
        Ok(TransactionInfo { id, status, receipt })
    }

    async fn address(
        &self,
        _address: [u8; 32],
        _before: Option<Cursor>,
        _limit: usize,
    ) -> Result<AddressPage, Error> {
        Ok(AddressPage::default())
    }

    async fn vm_request(&self, mut request: HttpRequest) -> HttpResponse {
        let forged = self.account.lock().unwrap().clone();
        if let Some(answer) = forged.filter(|_| request.path.starts_with("/accounts")) {
            let body = answer.to_string().into_bytes();
            return HttpResponse { status: 200, content_type: "application/json", body };
        }
        let handlers = self.driven.lock().await.as_mut().unwrap().vm().handlers();
        for (name, handler) in handlers {
            if let Some(rest) = request.path.strip_prefix(&name) {
                request.path = rest.to_owned();
                return handler.handle(request).await;
            }
        }
        HttpResponse { status: 404, content_type: "application/json", body: b"{}".to_vec() }
    }

    fn events(&self) -> Events {
        Events::of(&self.events)
    }

    async fn validators(&self) -> Vec<ValidatorView> {
        let validator = |number: u8, connected| ValidatorView {
            node_id: NodeId::new([number; 20]),
            weight: 4,
            connected,
            benched: !connected,
            uptime: connected.then_some(0.999),
        };
        vec![validator(1, true), validator(2, false)]
    }
}

#[async_trait]
impl Submit for FakeChain {
    async fn submit(
        &self,
        transactions: Vec<Vec<u8>>,
    ) -> Result<Vec<Result<Id, avalanche_vm::Error>>, Error> {
        let full = self.full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if full.is_ok() {
            return Err(Error::not_ready("it has too much to do"));
        }
        let slices: Vec<&[u8]> = transactions.iter().map(Vec::as_slice).collect();
        let mut driven = self.driven.lock().await;
        let chain = driven.as_mut().unwrap();
        chain.advance(now().since(chain.now()));
        let time = chain.now();
        Ok(chain.vm().transactions().unwrap().submit(&slices, time).await)
    }

    async fn wait(&self, transaction: Id, patience: Duration) -> Result<Outcome, Error> {
        let mut events = self.events();
        let end = tokio::time::Instant::now() + patience;
        loop {
            let info = self.transaction(transaction).await?;
            match info.status.clone() {
                TransactionStatus::Accepted { .. } => return Ok(Outcome::Accepted(info)),
                TransactionStatus::Dropped { code, reason } => {
                    return Ok(Outcome::Dropped { code: code.to_owned(), reason });
                }
                status => {
                    if tokio::time::timeout_at(end, events.recv()).await.is_err() {
                        return Ok(Outcome::Waiting(status));
                    }
                }
            }
        }
    }

    async fn submit_block(&self, _block: Bytes) -> Result<Id, Error> {
        Err(Error::not_ready("nobody else decides here"))
    }

    async fn pending(&self, _limit: usize) -> Result<(Vec<Id>, usize), Error> {
        let mut driven = self.driven.lock().await;
        Ok((Vec::new(), driven.as_mut().unwrap().vm().transactions().unwrap().pending()))
    }
}

#[async_trait]
impl NodeReader for FakeNode {
    fn node_id(&self) -> NodeId {
        NodeId::new([1; 20])
    }

    fn network_id(&self) -> u32 {
        7
    }

    fn chains(&self) -> Vec<Arc<dyn Chain>> {
        vec![Arc::clone(&self.0) as _]
    }

    async fn peers(&self) -> Vec<PeerView> {
        Vec::new()
    }

    async fn best_peers(&self, _limit: usize) -> Vec<PeerView> {
        Vec::new()
    }

    async fn health(&self) -> HealthReport {
        HealthReport::default()
    }
}

/// A server of a chain on a thread of its own. It ends when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves a chain at an address; port 0 takes a free one.
    pub(crate) fn start(chain: &Arc<FakeChain>, address: SocketAddr) -> Self {
        let (chain, (end, ended), (told, tell)) =
            (Arc::clone(chain), oneshot::channel(), mpsc::channel());
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = TcpListener::bind(address).await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let config = GatewayConfig { drain: Duration::ZERO, ..GatewayConfig::default() };
                let node = Arc::new(FakeNode(Arc::clone(&chain)));
                let deciding = async {
                    loop {
                        chain.step().await;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                let ended = async { drop(ended.await) };
                tokio::select! {
                    () = serve(listener, node, config, ended) => {}
                    () = deciding => {}
                }
            });
        });
        Self { address: tell.recv().unwrap(), end: Some(end), thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A runtime of one thread.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A chain with so many demo accounts, each with `balance`.
pub(crate) fn chain(accounts: u32, balance: u64) -> Arc<FakeChain> {
    Arc::new(runtime().block_on(FakeChain::new(accounts, balance)))
}

/// A chain and its server.
pub(crate) fn node(accounts: u32, balance: u64) -> (Arc<FakeChain>, Server) {
    let chain = chain(accounts, balance);
    let server = Server::start(&chain, SocketAddr::from(([127, 0, 0, 1], 0)));
    (chain, server)
}
