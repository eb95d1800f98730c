//! A chain that accepts whatever it is given, at once, unless the first byte says otherwise.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use avalanche_chain::{
    AcceptedBlock, AddressPage, BlockAt, BlockInfo, BlockStatus, ChainEvent, ChainReader,
    ChainStatus, Cursor, Error, Events, Finality, Outcome, Submit, TransactionInfo, ValidatorView,
};
use avalanche_consensus::engine::{Cause, Explanation, Phase, PollRecord, Stats, Tip};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::{Height, Id, NodeId, Timestamp};
use avalanche_vm::{HttpRequest, HttpResponse, InvalidKind, TransactionStatus};
use bytes::Bytes;
use tokio::sync::broadcast;

/// Which first byte of a transaction does what.
pub(crate) mod first {
    /// Is refused: 400.
    pub(crate) const POOR: u8 = b'!';
    /// Is refused: 409.
    pub(crate) const AGAIN: u8 = b'a';
    /// Is refused: 429.
    pub(crate) const FULL: u8 = b'f';
    /// The chain is not ready: 503.
    pub(crate) const NOT_READY: u8 = b'N';
    /// Is admitted, and dropped.
    pub(crate) const DROPPED: u8 = b'D';
    /// Is admitted, and waits for ever.
    pub(crate) const WAITS: u8 = b'w';
}

#[derive(Default)]
struct State {
    blocks: Vec<(BlockInfo, Vec<Id>)>,
    waiting: Vec<Id>,
    transactions: BTreeMap<Id, TransactionInfo>,
}

/// A chain that is none.
pub(crate) struct FakeChain {
    id: Id,
    name: String,
    state: Mutex<State>,
    events: broadcast::Sender<ChainEvent>,
    /// Requests that wait for a transaction.
    pub(crate) waiters: AtomicUsize,
    /// Reads of the log.
    pub(crate) reads: AtomicUsize,
}

impl FakeChain {
    pub(crate) fn new(name: &str, blocks: usize) -> Arc<Self> {
        let chain = Self {
            id: Id::hash(name.as_bytes()),
            name: name.to_owned(),
            state: Mutex::default(),
            events: Events::channel().0,
            waiters: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
        };
        // Genesis has no transactions.
        chain.accept(&[]);
        for height in 0..blocks {
            chain.accept(&[
                format!("{name} {height} a").into(),
                format!("{name} {height} b").into(),
            ]);
        }
        Arc::new(chain)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Accepts a block of these transactions, and tells.
    pub(crate) fn accept(&self, transactions: &[Vec<u8>]) -> BlockInfo {
        let accepted = self.accept_silently(transactions);
        let block = accepted.block.clone();
        self.tell(ChainEvent::Accepted(Arc::new(accepted)));
        block
    }

    /// Accepts a block, which is in the log, and does not tell yet.
    pub(crate) fn accept_silently(&self, transactions: &[Vec<u8>]) -> AcceptedBlock {
        let mut state = self.state();
        let height = Height::new(state.blocks.len() as u64);
        let parent = state.blocks.last().map_or(Id::EMPTY, |(block, _)| block.id);
        let mut bytes = height.get().to_be_bytes().to_vec();
        let header = bytes.len();
        transactions.iter().for_each(|transaction| bytes.extend(transaction));
        let bytes = Bytes::from(bytes);
        let ids: Vec<Id> = transactions.iter().map(|bytes| Id::hash(bytes)).collect();
        let block = BlockInfo {
            id: Id::hash(&bytes),
            parent,
            height,
            timestamp: Timestamp::from_millis(1_700_000_000_000 + height.get()),
            proposer: (height != Height::GENESIS).then(|| NodeId::new([1; 20])),
            status: BlockStatus::Accepted,
            vm_block: Id::hash(&bytes[header..]),
            transactions: Some(u32::try_from(ids.len()).unwrap()),
            payload: bytes.slice(header..),
            bytes,
        };
        for (index, id) in (0..).zip(&ids) {
            let status = TransactionStatus::Accepted { height, index };
            let receipt = Some(format!("{{\"amount\":\"1\",\"index\":{index}}}"));
            state.transactions.insert(*id, TransactionInfo { id: *id, status, receipt });
        }
        state.blocks.push((block.clone(), ids.clone()));
        let finality = Some(Duration::from_millis(7));
        AcceptedBlock { block, transactions: ids.into(), finality }
    }

    pub(crate) fn tell(&self, event: ChainEvent) {
        // Nobody may be listening.
        _ = self.events.send(event);
    }

    pub(crate) fn last(&self) -> BlockInfo {
        self.state().blocks.last().unwrap().0.clone()
    }

    pub(crate) fn at(&self, height: u64) -> BlockInfo {
        self.state().blocks[place(height)].0.clone()
    }

    pub(crate) fn ids(&self, height: u64) -> Vec<Id> {
        self.state().blocks[place(height)].1.clone()
    }

    /// Decides what waits.
    pub(crate) fn decide(&self, transactions: &[Vec<u8>]) {
        let ids: Vec<Id> = transactions.iter().map(|bytes| Id::hash(bytes)).collect();
        self.state().waiting.retain(|id| !ids.contains(id));
        self.accept(transactions);
    }

    fn admit(&self, bytes: &[u8]) -> Result<Id, avalanche_vm::Error> {
        let invalid = avalanche_vm::Error::invalid;
        let id = Id::hash(bytes);
        match bytes.first() {
            Some(&first::POOR) => {
                Err(invalid(InvalidKind::State, "funds", "1 is there, 2 are needed"))
            }
            Some(&first::AGAIN) => Err(invalid(InvalidKind::Duplicate, "known", "it is here")),
            Some(&first::FULL) => Err(invalid(InvalidKind::Full, "full", "the pool is full")),
            Some(&first::WAITS) => {
                let status = TransactionStatus::Pending;
                self.state().waiting.push(id);
                let info = TransactionInfo { id, status, receipt: None };
                self.state().transactions.insert(id, info);
                Ok(id)
            }
            Some(&first::DROPPED) => {
                let reason = "5 was next, 4 came".to_owned();
                let status = TransactionStatus::Dropped { code: "nonce", reason };
                let info = TransactionInfo { id, status, receipt: None };
                self.state().transactions.insert(id, info);
                Ok(id)
            }
            _ => {
                self.accept(&[bytes.to_vec()]);
                Ok(id)
            }
        }
    }

    fn info(&self, id: Id) -> TransactionInfo {
        let status = TransactionStatus::Unknown;
        let unknown = TransactionInfo { id, status, receipt: None };
        self.state().transactions.get(&id).cloned().unwrap_or(unknown)
    }
}

#[async_trait]
impl ChainReader for FakeChain {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn vm(&self) -> &str {
        "fake"
    }

    async fn status(&self) -> ChainStatus {
        let last = self.last();
        ChainStatus {
            phase: Some(Phase::NormalOperation),
            stopped: None,
            parameters: Parameters::default(),
            preference: last.id,
            last_accepted: Tip { id: last.id, height: last.height },
            processing: 0,
            polls: 4,
            connected: 0.75,
            pending: self.state().waiting.len(),
            finality: Finality { transactions: u64::MAX, ..Finality::default() },
            stats: Stats { accepted: last.height.get(), built: 1, ..Stats::default() },
        }
    }

    async fn explain(&self, block: Id) -> Result<Explanation, Error> {
        if self.name == "other" {
            return Err(Error::not_ready("it starts"));
        }
        let mut poll = PollRecord { request_id: 7, about: block, ..PollRecord::default() };
        poll.votes.add_count(block, 3);
        let cause = Cause::PollsTimingOut { failed: 9, of: 10 };
        let height = Some(Height::new(u64::MAX));
        Ok(Explanation { id: block, height, cause, polls: vec![poll] })
    }

    async fn block(&self, at: BlockAt) -> Result<Option<BlockInfo>, Error> {
        let state = self.state();
        let mut blocks = state.blocks.iter().map(|(block, _)| block);
        Ok(match at {
            BlockAt::Height(height) => blocks.find(|block| block.height == height),
            BlockAt::Id(id) => blocks.find(|block| block.id == id),
            BlockAt::Last => blocks.next_back(),
        }
        .cloned())
    }

    async fn blocks(&self, from: Height, limit: usize) -> Result<Vec<BlockInfo>, Error> {
        // Whoever reads a disk waits now and then.
        tokio::task::yield_now().await;
        let state = self.state();
        let blocks = state.blocks.iter().map(|(block, _)| block);
        let found = blocks.filter(|block| block.height >= from).take(limit).cloned().collect();
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(found)
    }

    async fn block_transactions(&self, block: Height) -> Result<Vec<Id>, Error> {
        // Long enough for a clock of the server to interrupt it now and then.
        if self.reads.fetch_add(1, Ordering::Relaxed).is_multiple_of(8) {
            tokio::time::sleep(Duration::from_micros(1_500)).await;
        }
        Ok(self.ids(block.get()))
    }

    async fn transaction(&self, id: Id) -> Result<TransactionInfo, Error> {
        Ok(self.info(id))
    }

    async fn address(
        &self,
        address: [u8; 32],
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<AddressPage, Error> {
        if address == [0; 32] {
            return Err(Error::Request { reason: "this VM has no addresses".to_owned() });
        }
        let cursor = Cursor { height: Height::new(2), index: 1 };
        let next = before.is_none().then_some(cursor);
        Ok(AddressPage { transactions: vec![(cursor, Id::new(address)); limit.min(2)], next })
    }

    async fn vm_request(&self, request: HttpRequest) -> HttpResponse {
        let HttpRequest { method, path, query, body } = request;
        let answer = |status, text: String| HttpResponse {
            status,
            content_type: "application/json",
            body: text.into_bytes(),
        };
        match path.as_str() {
            path if path.starts_with("/accounts/") => answer(
                200,
                format!(
                    "{{\"address\":\"{}\",\"query\":\"{query}\"}}",
                    &path["/accounts/".len()..]
                ),
            ),
            "/echo" => HttpResponse { status: 200, content_type: "text/plain", body },
            "/slow" => std::future::pending().await,
            "/odd" => answer(7, String::new()),
            _ => answer(404, format!("{{\"code\":404,\"message\":\"no {method} {path}\"}}")),
        }
    }

    fn events(&self) -> Events {
        Events::of(&self.events)
    }

    async fn validators(&self) -> Vec<ValidatorView> {
        let view = |number: u8| ValidatorView {
            node_id: NodeId::new([number; 20]),
            weight: u64::MAX / 4,
            connected: number != 3,
            benched: number == 2,
            uptime: (number == 1).then_some(0.5),
        };
        vec![view(1), view(2), view(3)]
    }
}

#[async_trait]
impl Submit for FakeChain {
    async fn submit(
        &self,
        transactions: Vec<Vec<u8>>,
    ) -> Result<Vec<Result<Id, avalanche_vm::Error>>, Error> {
        if transactions.iter().any(|bytes| bytes.first() == Some(&first::NOT_READY)) {
            return Err(Error::not_ready("it catches up"));
        }
        Ok(transactions.iter().map(|bytes| self.admit(bytes)).collect())
    }

    async fn wait(&self, transaction: Id, patience: Duration) -> Result<Outcome, Error> {
        let mut events = Events::of(&self.events);
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let decided = async {
            loop {
                let info = self.info(transaction);
                match info.status {
                    TransactionStatus::Accepted { .. } => return Outcome::Accepted(info),
                    TransactionStatus::Dropped { code, reason } => {
                        return Outcome::Dropped { code: code.to_owned(), reason };
                    }
                    _ => events.recv().await.unwrap(),
                };
            }
        };
        let outcome = tokio::time::timeout(patience, decided).await;
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        Ok(outcome.unwrap_or_else(|_| Outcome::Waiting(self.info(transaction).status)))
    }

    async fn submit_block(&self, block: Bytes) -> Result<Id, Error> {
        match block.first() {
            Some(0) => Err(Error::Request { reason: "its parent is not known".to_owned() }),
            _ => Ok(Id::hash(&block)),
        }
    }

    async fn pending(&self, limit: usize) -> Result<(Vec<Id>, usize), Error> {
        let waiting = self.state().waiting.clone();
        Ok((waiting.iter().copied().take(limit).collect(), waiting.len()))
    }
}

fn place(height: u64) -> usize {
    usize::try_from(height).unwrap()
}
