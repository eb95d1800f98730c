//! The last step of an accept: into the index, and then told.

use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{Height, Id};
use avalanche_vm::Block;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::driver::Command;
use crate::executor::blocking;
use crate::shared::Shared;
use crate::view::block_info_named;
use crate::{AcceptedBlock, BlockStatus, ChainBlock, ChainEvent, Indexer};

/// What to tell.
#[derive(Debug)]
pub(crate) enum Tell {
    /// A block that the VM accepted, and what the VM has of it.
    Accepted { block: ChainBlock, inner: Block, finality: Option<Duration> },
    /// All that the log has and the index has not: after a VM failed between the two.
    CatchUp,
}

/// Indexes accepted blocks in the order of heights, and tells those who listen or wait.
pub(crate) struct Teller {
    shared: Arc<Shared>,
    /// `None` only while it works on another thread.
    indexer: Option<Indexer>,
    driver: mpsc::WeakSender<Command>,
}

impl Teller {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        indexer: Indexer,
        driver: mpsc::WeakSender<Command>,
    ) -> Self {
        Self { shared, indexer: Some(indexer), driver }
    }

    /// Works until nobody has more to tell, or the index fails: then the chain stops.
    pub(crate) async fn run(mut self, mut told: mpsc::Receiver<Tell>) {
        while let Some(tell) = told.recv().await {
            let done = match tell {
                Tell::Accepted { block, inner, finality } => {
                    self.accepted(block, inner, finality).await
                }
                Tell::CatchUp => self.catch_up(self.shared.log.last()).await,
            };
            if let Err(reason) = done {
                if let Some(driver) = self.driver.upgrade() {
                    let _ = driver.send(Command::Fail(reason)).await;
                }
                break;
            }
        }
        if let Some(mut indexer) = self.indexer.take() {
            let flushed = blocking(move || indexer.flush()).await;
            if let Ok(Err(error)) = flushed {
                tracing::warn!(%error, "the index is not flushed; the next start builds its end anew");
            }
        }
    }

    async fn accepted(
        &mut self,
        block: ChainBlock,
        inner: Block,
        finality: Option<Duration>,
    ) -> Result<(), String> {
        let next = self.shared.indexed.get().and_then(Height::next);
        if next.is_some_and(|next| next < block.height()) {
            self.catch_up(block.height().previous()).await?;
        }
        if next.is_some_and(|next| next > block.height()) {
            return Ok(());
        }
        self.index_and_tell(block, Some(inner), finality).await
    }

    /// Blocks of the log above the index, up to a height.
    async fn catch_up(&mut self, last: Option<Height>) -> Result<(), String> {
        loop {
            let next = self.shared.indexed.get().map_or(Some(Height::GENESIS), Height::next);
            let Some(height) = next.filter(|next| Some(*next) <= last) else { return Ok(()) };
            let log = self.shared.log.clone();
            let read =
                blocking(move || log.get(height)).await.map_err(|error| error.to_string())?;
            let logged = read.map_err(|error| error.to_string())?;
            let block = logged.and_then(|block| ChainBlock::decode(Bytes::from(block.bytes)).ok());
            let block =
                block.ok_or_else(|| format!("block {height} cannot be read to index it"))?;
            self.index_and_tell(block, None, None).await?;
        }
    }

    async fn index_and_tell(
        &mut self,
        block: ChainBlock,
        inner: Option<Block>,
        finality: Option<Duration>,
    ) -> Result<(), String> {
        let Some(mut indexer) = self.indexer.take() else {
            return Err("the index is gone".to_owned());
        };
        let (contents, is_quick) = (self.shared.contents.clone(), indexer.is_quick(&block));
        let (indexed, vm_block) = (block.clone(), inner.as_ref().map(Block::id));
        let work = move || {
            let contents = contents.as_deref();
            let applied: Result<Vec<Id>, crate::Error> = match inner {
                Some(inner) => indexer.apply_parsed(&indexed, &inner, contents),
                None => indexer.apply(&indexed, contents),
            };
            (indexer, applied)
        };
        let (indexer, applied) = match is_quick {
            true => work(),
            false => blocking(work).await.map_err(|error| error.to_string())?,
        };
        self.indexer = Some(indexer);
        let applied = applied.map_err(|error| format!("the index cannot be written: {error}"))?;
        let transactions: Arc<[Id]> = applied.into();
        self.shared.indexed.set(block.height());
        self.shared.count(transactions.len(), finality);
        self.shared.recent.add(block.clone(), Arc::clone(&transactions));
        self.shared.waiters.wake(&transactions);
        let vm_block = vm_block.unwrap_or_else(|| Id::hash(&block.payload()));
        let block = block_info_named(&self.shared, &block, vm_block, BlockStatus::Accepted);
        let accepted = Arc::new(AcceptedBlock { block, transactions, finality });
        if let Some(driver) = self.driver.upgrade() {
            // Gossip may miss one: such transactions leave it when there is no room.
            let _ = driver.try_send(Command::Final(Arc::clone(&accepted)));
        }
        self.shared.tell(ChainEvent::Accepted(accepted));
        Ok(())
    }
}
