//! What users hold of a running chain.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::engine::{Cause, Explanation};
use avalanche_consensus::{Height, Id, NodeId};
use avalanche_net::network::Network;
use avalanche_vm::{HttpRequest, HttpResponse, InstanceState, TransactionStatus};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use crate::driver::Command;
use crate::executor::blocking;
use crate::shared::Shared;
use crate::start::Tasks;
use crate::view::block_info;
use crate::{
    AddressPage, BLOCKS_BYTES_MAX, BlockAt, BlockInfo, BlockStatus, ChainBlock, ChainReader,
    ChainStatus, Check, Cursor, Error, Events, Outcome, Submit, TransactionInfo, Tx, ValidatorView,
};

/// How often a client that waits asks whether its transaction was dropped.
const DROPPED_EVERY: Duration = Duration::from_millis(500);
/// How long a block that was handed in may take to be issued.
const ISSUE_PATIENCE: Duration = Duration::from_secs(5);

/// A running chain. A clone is the same chain; [`stop`](Self::stop) ends it.
#[derive(Clone)]
pub struct ChainHandle {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    network: Network,
    stop: Arc<watch::Sender<bool>>,
    tasks: Arc<std::sync::Mutex<Option<Tasks>>>,
}

impl fmt::Debug for ChainHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainHandle")
            .field("id", &self.shared.id)
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}

impl ChainHandle {
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Sender<Command>,
        network: Network,
        stop: watch::Sender<bool>,
        tasks: Tasks,
    ) -> Self {
        let tasks = Arc::new(std::sync::Mutex::new(Some(tasks)));
        Self { shared, commands, network, stop: Arc::new(stop), tasks }
    }

    /// Ends the engine, then the VM, then the index, each after what it is at; `false` if that
    /// takes longer than `patience`. Further calls do nothing.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.stop.send_replace(true);
        let tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(Tasks { running, teller, apps, instance }) = tasks else { return true };
        apps.abort();
        let ended = tokio::time::timeout(patience, async {
            let _ = running.await;
            let _ = teller.await;
            instance.stop(patience).await.is_ok()
        });
        ended.await.unwrap_or(false)
    }

    /// How the chain is doing, and its VM by name.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let name = &self.shared.name;
        let stopped = self.shared.stopped();
        let snapshot = self.shared.snapshot();
        let detail = match (&stopped, snapshot.phase) {
            (Some(reason), _) => reason.clone(),
            (None, Some(phase)) => {
                format!("{phase:?}, last accepted {}", snapshot.last_accepted.height)
            }
            (None, None) => "starting".to_owned(),
        };
        let chain = Check {
            name: format!("chain {name}"),
            healthy: stopped.is_none() && snapshot.phase.is_some(),
            detail,
        };
        let status = self.shared.instance.status();
        let vm = Check {
            name: format!("vm {} of {name}", status.name),
            healthy: !matches!(status.state, InstanceState::Failed { .. } | InstanceState::Stopped),
            detail: status.state.to_string(),
        };
        vec![chain, vm]
    }

    /// Whom the chain asks nothing for a while.
    pub(crate) async fn benched(&self) -> BTreeSet<NodeId> {
        self.ask(Command::Benched).await.unwrap_or_default()
    }

    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let gone = || Error::not_ready(self.why());
        // While the engine does not run, nobody reads commands.
        if self.shared.snapshot().phase.is_none() {
            return Err(gone());
        }
        self.commands.send(make(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    fn why(&self) -> String {
        self.shared.stopped().unwrap_or_else(|| "its engine is starting".to_owned())
    }

    async fn logged(&self, at: Height) -> Result<Option<ChainBlock>, Error> {
        if let Some(block) = self.shared.recent.block(at) {
            return Ok(Some(block));
        }
        let log = self.shared.log.clone();
        let block = blocking(move || log.get(at)).await??;
        Ok(block.and_then(|block| ChainBlock::decode(Bytes::from(block.bytes)).ok()))
    }

    async fn final_at(&self, id: Id, at: Cursor) -> Result<TransactionInfo, Error> {
        let status = TransactionStatus::Accepted { height: at.height, index: at.index };
        Ok(TransactionInfo { id, status, receipt: self.receipt(at).await? })
    }

    async fn receipt(&self, at: Cursor) -> Result<Option<String>, Error> {
        let Some(contents) = self.shared.contents.clone() else { return Ok(None) };
        let Some(block) = self.logged(at.height).await? else { return Ok(None) };
        let (id, payload) = (block.id(), block.payload());
        Ok(contents.receipt(&payload, id, at.height, at.index)?)
    }
}

#[async_trait]
impl ChainReader for ChainHandle {
    fn id(&self) -> Id {
        self.shared.id
    }

    fn name(&self) -> &str {
        &self.shared.name
    }

    fn vm(&self) -> &str {
        &self.shared.vm
    }

    async fn status(&self) -> ChainStatus {
        let snapshot = self.shared.snapshot();
        // A VM that is busy for long has its number shown as 0 rather than hold this up.
        let pending = tokio::time::timeout(DROPPED_EVERY, self.shared.instance.waiting(0)).await;
        let pending = pending.ok().and_then(Result::ok).map_or(0, |(_, count)| count);
        let validators = &self.shared.validators;
        let connected = validators.iter().filter(|one| self.connected(&one.node_id));
        let (mut weight, mut total) = (0_f64, 0_f64);
        for one in connected {
            weight += as_f64(one.weight);
        }
        for one in validators.iter() {
            total += as_f64(one.weight);
        }
        ChainStatus {
            phase: snapshot.phase,
            stopped: self.shared.stopped(),
            parameters: self.shared.parameters,
            preference: snapshot.preference,
            last_accepted: snapshot.last_accepted,
            processing: snapshot.processing,
            polls: snapshot.polls,
            connected: if total > 0.0 { weight / total } else { 0.0 },
            pending,
            finality: self.shared.finality(),
            stats: snapshot.stats,
        }
    }

    async fn explain(&self, block: Id) -> Result<Explanation, Error> {
        let explained = self.ask(|answer| Command::Explain(block, answer)).await;
        let unknown = |one: &Explanation| one.cause == Cause::Unknown;
        if explained.as_ref().is_ok_and(|one| !unknown(one)) {
            return explained;
        }
        // The engine forgets old decisions, the log does not.
        let log = self.shared.log.clone();
        match blocking(move || log.height_of(&block)).await?? {
            Some(height) => Ok(Explanation {
                id: block,
                height: Some(height),
                cause: Cause::Accepted,
                polls: Vec::new(),
            }),
            None => explained,
        }
    }

    async fn block(&self, at: BlockAt) -> Result<Option<BlockInfo>, Error> {
        let log = self.shared.log.clone();
        let height = match at {
            BlockAt::Height(height) => Some(height),
            BlockAt::Last => Some(self.shared.snapshot().last_accepted.height),
            BlockAt::Id(id) => blocking(move || log.height_of(&id)).await??,
        };
        if let Some(height) = height {
            let block = self.logged(height).await?;
            return Ok(block.map(|block| block_info(&self.shared, &block, BlockStatus::Accepted)));
        }
        let BlockAt::Id(id) = at else { return Ok(None) };
        let block = self.ask(|answer| Command::Block(id, answer)).await.ok().flatten();
        Ok(block.map(|block| block_info(&self.shared, &block, BlockStatus::Processing)))
    }

    async fn blocks(&self, from: Height, limit: usize) -> Result<Vec<BlockInfo>, Error> {
        let shared = Arc::clone(&self.shared);
        let read = move || {
            let (mut blocks, mut bytes) = (Vec::new(), 0_usize);
            for block in shared.log.range(from..).take(limit) {
                let block = block?;
                bytes = bytes.saturating_add(block.bytes.len());
                if !blocks.is_empty() && bytes > BLOCKS_BYTES_MAX {
                    break;
                }
                let Ok(block) = ChainBlock::decode(Bytes::from(block.bytes)) else { break };
                blocks.push(block_info(&shared, &block, BlockStatus::Accepted));
            }
            Ok::<_, avalanche_store::Error>(blocks)
        };
        Ok(blocking(read).await??)
    }

    async fn block_transactions(&self, block: Height) -> Result<Vec<Id>, Error> {
        let missing = || Error::Request { reason: format!("no block {block} is accepted here") };
        let logged = self.logged(block).await?.ok_or_else(missing)?;
        let Some(contents) = self.shared.contents.clone() else { return Ok(Vec::new()) };
        let read = move || {
            let mut names = Vec::new();
            contents.transactions(&logged.payload(), &mut |name, _| names.push(name))?;
            Ok::<_, avalanche_vm::Error>(names)
        };
        Ok(blocking(read).await??)
    }

    async fn transaction(&self, id: Id) -> Result<TransactionInfo, Error> {
        if let Some(at) = self.shared.recent.transaction(&id) {
            return self.final_at(id, at).await;
        }
        // Most of those that are asked for wait: the VM says so without a look at the disk.
        let known = self.shared.instance.transaction_status(id).await;
        if let Ok(status @ (TransactionStatus::Pending | TransactionStatus::Processing { .. })) =
            known
        {
            return Ok(TransactionInfo { id, status, receipt: None });
        }
        let index = self.shared.index.clone();
        if let Some(at) = blocking(move || index.transaction(&id)).await?? {
            return self.final_at(id, at).await;
        }
        let status = match known {
            // The VM accepts before the index does, and it is told only after both.
            Ok(TransactionStatus::Accepted { .. }) => TransactionStatus::Pending,
            Ok(status) => status,
            // What is durable can be told without a VM; the rest cannot.
            Err(avalanche_vm::Error::NotReady { .. }) => TransactionStatus::Unknown,
            Err(error) => return Err(error.into()),
        };
        Ok(TransactionInfo { id, status, receipt: None })
    }

    async fn address(
        &self,
        address: [u8; 32],
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<AddressPage, Error> {
        let index = self.shared.index.clone();
        Ok(blocking(move || index.address(&address, before, limit)).await??)
    }

    async fn vm_request(&self, request: HttpRequest) -> HttpResponse {
        let answer = |status: u16, message: String| HttpResponse {
            status,
            content_type: "text/plain",
            body: message.into_bytes(),
        };
        let handlers = match self.shared.instance.handlers().await {
            Ok(handlers) => handlers,
            Err(error) => return answer(error.status(), error.to_string()),
        };
        for (path, handler) in handlers {
            if let Some(rest) = request.path.strip_prefix(path.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return handler.handle(HttpRequest { path: rest.to_owned(), ..request }).await;
            }
        }
        answer(404, format!("the VM serves nothing at {}", request.path))
    }

    fn events(&self) -> Events {
        self.shared.events()
    }

    async fn validators(&self) -> Vec<ValidatorView> {
        let benched = self.benched().await;
        let view = |one: avalanche_consensus::validators::Validator| ValidatorView {
            node_id: one.node_id,
            weight: one.weight,
            connected: self.connected(&one.node_id),
            benched: benched.contains(&one.node_id),
            uptime: None,
        };
        self.shared.validators.iter().map(view).collect()
    }
}

impl ChainHandle {
    fn connected(&self, node: &NodeId) -> bool {
        *node == self.shared.own || self.network.is_connected(node)
    }
}

#[async_trait]
impl Submit for ChainHandle {
    async fn submit(
        &self,
        transactions: Vec<Vec<u8>>,
    ) -> Result<Vec<Result<Id, avalanche_vm::Error>>, Error> {
        let now = self.shared.clock.now();
        let transactions = Arc::new(transactions);
        let results = self.shared.instance.submit_shared(Arc::clone(&transactions), now).await?;
        if results.iter().any(Result::is_ok) {
            // Nobody else could propose them.
            let to_send =
                if self.shared.is_alone() { Vec::new() } else { named(transactions, &results) };
            // The VM has them. While the engine does not run they wait there.
            let _ = self.commands.send(Command::Admitted(to_send)).await;
        }
        Ok(results)
    }

    async fn wait(&self, transaction: Id, patience: Duration) -> Result<Outcome, Error> {
        let until = tokio::time::Instant::now() + patience;
        // Registered before the first look, so that what happens in between is seen.
        let full = || Error::not_ready("too many clients wait for transactions");
        let mut final_now = self.shared.waiters.wait(transaction).ok_or_else(full)?;
        loop {
            let info = self.transaction(transaction).await?;
            match info.status {
                TransactionStatus::Accepted { .. } => return Ok(Outcome::Accepted(info)),
                TransactionStatus::Dropped { code, reason } => {
                    return Ok(Outcome::Dropped { code: code.to_owned(), reason });
                }
                status if tokio::time::Instant::now() >= until => {
                    return Ok(Outcome::Waiting(status));
                }
                _ => {}
            }
            let look = until.min(tokio::time::Instant::now() + DROPPED_EVERY);
            // Either way the next look says what it is.
            let _ = tokio::time::timeout_at(look, final_now.wait_for(|done| *done)).await;
        }
    }

    async fn submit_block(&self, block: Bytes) -> Result<Id, Error> {
        let decoded = ChainBlock::decode(block.clone())
            .map_err(|error| Error::Request { reason: error.to_string() })?;
        let id = decoded.id();
        if self.shared.snapshot().phase.is_none() {
            return Err(Error::not_ready(self.why()));
        }
        let gone = |_| Error::not_ready(self.why());
        self.commands.send(Command::Submit(block)).await.map_err(gone)?;
        let until = tokio::time::Instant::now() + ISSUE_PATIENCE;
        loop {
            let explained = self.explain(id).await?;
            let late = tokio::time::Instant::now() >= until;
            let reason = match explained.cause {
                Cause::VerificationFailed => "it is not valid".to_owned(),
                Cause::Rejected => "a rival is final".to_owned(),
                Cause::Unknown
                | Cause::MissingAncestor { .. }
                | Cause::VerificationPending { .. }
                    if late =>
                {
                    format!("it was not issued: {}", explained.cause)
                }
                Cause::Unknown
                | Cause::MissingAncestor { .. }
                | Cause::VerificationPending { .. } => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                _ => return Ok(id),
            };
            return Err(Error::Request { reason: format!("block {id}: {reason}") });
        }
    }

    async fn pending(&self, limit: usize) -> Result<(Vec<Id>, usize), Error> {
        Ok(self.shared.instance.waiting(limit).await?)
    }
}

/// Weights as a fraction: what is lost does not show.
#[expect(clippy::cast_precision_loss, reason = "a fraction for people")]
const fn as_f64(weight: u64) -> f64 {
    weight as f64
}

/// Those that the VM admitted, by the names that it gave them.
fn named(transactions: Arc<Vec<Vec<u8>>>, results: &[Result<Id, avalanche_vm::Error>]) -> Vec<Tx> {
    let transactions = Arc::unwrap_or_clone(transactions);
    let admitted = transactions.into_iter().zip(results);
    let admitted = admitted.filter_map(|(bytes, id)| Some((bytes, *id.as_ref().ok()?)));
    admitted.map(|(bytes, id)| Tx::named(id, bytes.into())).collect()
}
