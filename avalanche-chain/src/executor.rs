//! Carries out what the engine wants of the VM, one thing after another in the engine's order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::engine::{Answer, CallId, Phase, Tip, Verdict};
use avalanche_consensus::{Height, Id, NodeId, Timestamp};
use avalanche_net::identity::Identity;
use avalanche_vm::{Block, BuildRequest, Error, Instance};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::fetched::Fetched;
use crate::log::LogWriter;
use crate::node::BuildConfig;
use crate::teller::Tell;
use crate::{ChainBlock, Proposers, verify_header};

/// Work that waits, at most; the driver waits for room.
pub(crate) const WORK_MAX: usize = 256;
/// Accepted blocks that wait to be indexed and told, at most; the executor waits for room.
pub(crate) const TELL_MAX: usize = 16;

/// Something for the VM.
#[derive(Debug)]
pub(crate) enum Work {
    EnterPhase {
        call: CallId,
        phase: Phase,
    },
    Verify {
        call: CallId,
        block: ChainBlock,
        parent: ChainBlock,
    },
    Build {
        call: CallId,
        parent: ChainBlock,
    },
    /// The block is in the log, durably.
    Accept {
        block: ChainBlock,
        finality: Option<Duration>,
    },
    Reject(ChainBlock),
    SetPreference(Id),
    /// Stored blocks to verify, log and accept; and what is last accepted before.
    Execute {
        call: CallId,
        low: Height,
        high: Height,
    },
}

/// What came of it. There is at most one for each call that the engine has open.
#[derive(Debug)]
pub(crate) enum Done {
    Answer {
        call: CallId,
        answer: Answer<ChainBlock>,
    },
    Verdict {
        call: CallId,
        block: Id,
        verdict: Verdict<ChainBlock>,
    },
    /// A block was to be built: whether there was something to, `None` if it was not our turn.
    Built {
        call: CallId,
        block: Option<ChainBlock>,
        turn: bool,
    },
    /// Blocks were executed while catching up; the last is here.
    Executed {
        call: CallId,
        last: ChainBlock,
    },
    /// What a peer gave that was asked for transactions; `None` if it did not answer.
    Pulled {
        from: NodeId,
        bytes: Option<Bytes>,
    },
    /// The chain cannot go on.
    Failed(String),
}

/// The parts that the executor has.
pub(crate) struct Executor {
    pub(crate) instance: Instance,
    pub(crate) log: Arc<LogWriter>,
    pub(crate) fetched: Fetched,
    pub(crate) proposers: Proposers,
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) build: BuildConfig,
    /// The last accepted block.
    pub(crate) last: ChainBlock,
    /// Its name within the VM.
    pub(crate) last_vm: Id,
    pub(crate) tell: mpsc::Sender<Tell>,
    pub(crate) done: mpsc::UnboundedSender<Done>,
    /// The last block that was built here.
    pub(crate) built: Option<Built>,
}

/// A block that was built here, until it is decided or another is built.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    id: Id,
    parent: Id,
    /// The VM's block, which need not be read again.
    inner: Block,
}

/// Verified blocks that are not decided.
type Processing = BTreeMap<Id, Block>;

impl Executor {
    /// Works until nobody gives it more, or the VM fails.
    pub(crate) async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        let mut processing = Processing::new();
        while let Some(one) = work.recv().await {
            if let Err(error) = self.carry_out(one, &mut processing).await {
                let _ = self.done.send(Done::Failed(error.to_string()));
                return;
            }
        }
    }

    async fn carry_out(&mut self, work: Work, processing: &mut Processing) -> Result<(), Error> {
        match work {
            Work::EnterPhase { call, phase } => {
                self.instance.enter_phase(phase).await?;
                let tip = tip_of(&self.last);
                self.answer(call, Answer::LastAccepted { tip, options: None });
            }
            Work::Verify { call, block, parent } => {
                let verdict = self.verify(&block, &parent, processing).await?;
                let _ = self.done.send(Done::Verdict { call, block: block.id(), verdict });
            }
            Work::Build { call, parent } => {
                let (turn, block) = self.build(&parent, processing).await?;
                let _ = self.done.send(Done::Built { call, block, turn });
            }
            Work::Accept { block, finality } => self.accept(block, finality, processing).await?,
            Work::Reject(block) => {
                if let Some(inner) = processing.remove(&block.id()) {
                    self.instance.reject(inner).await?;
                }
            }
            Work::SetPreference(id) => {
                let inner = match processing.get(&id) {
                    Some(block) => block.id(),
                    None if id == self.last.id() => self.last_vm,
                    None => return Ok(()),
                };
                self.instance.set_preference(inner).await?;
            }
            Work::Execute { call, low, high } => self.execute(call, low, high).await?,
        }
        Ok(())
    }

    fn answer(&self, call: CallId, answer: Answer<ChainBlock>) {
        // Nobody listens only when the chain is stopping.
        let _ = self.done.send(Done::Answer { call, answer });
    }

    /// The VM's name of a block that another may stand on.
    fn vm_name(&self, id: &Id, processing: &Processing) -> Option<Id> {
        if *id == self.last.id() {
            return Some(self.last_vm);
        }
        processing.get(id).map(Block::id)
    }

    async fn verify(
        &self,
        block: &ChainBlock,
        parent: &ChainBlock,
        processing: &mut Processing,
    ) -> Result<Verdict<ChainBlock>, Error> {
        let now = self.clock.now();
        // The header of one's own block was made a moment ago, for this parent.
        let own = self.built.as_ref();
        let own = own.filter(|own| own.id == block.id() && own.parent == parent.id());
        if own.is_none()
            && let Err(fault) = verify_header(block, parent, now, &self.proposers)
        {
            tracing::warn!(block = %block.id(), %fault, "a block's header is refused");
            return Ok(Verdict::Invalid);
        }
        let verified = match own {
            // It was built on what the VM calls the parent, at its height.
            Some(Built { inner, .. }) => {
                self.instance.verify(inner.clone(), now).await.map(|()| inner.clone())
            }
            None => self.verify_inner(block, parent, now, processing).await,
        };
        match verified {
            Ok(inner) => {
                processing.insert(block.id(), inner);
                Ok(Verdict::Valid)
            }
            Err(error @ Error::Fatal { .. }) => Err(error),
            Err(error) => {
                tracing::warn!(block = %block.id(), %error, "a block is refused by the VM");
                Ok(Verdict::Invalid)
            }
        }
    }

    async fn verify_inner(
        &self,
        block: &ChainBlock,
        parent: &ChainBlock,
        now: Timestamp,
        processing: &Processing,
    ) -> Result<Block, Error> {
        let (below, height) = (self.vm_name(&parent.id(), processing), block.height());
        let check = move |inner: &Block| {
            if Some(inner.parent()) != below || inner.height() != height {
                return Err(misplaced(inner, height, below));
            }
            Ok(())
        };
        self.instance.parse_and_verify(block.payload(), check, now).await
    }

    /// Whether it was this node's turn, and the block if there was something to build.
    async fn build(
        &mut self,
        parent: &ChainBlock,
        processing: &Processing,
    ) -> Result<(bool, Option<ChainBlock>), Error> {
        let own = self.identity.node_id();
        let Some(height) = parent.height().next() else { return Ok((true, None)) };
        let now = self.clock.now();
        let timestamp = whole_millis(now).max(parent.timestamp());
        if self.proposers.may_propose(own, height, parent.timestamp(), timestamp).is_err() {
            return Ok((false, None));
        }
        let request =
            BuildRequest { now, bytes_max: self.build.bytes_max, allow_empty: self.build.empty };
        let inner = match self.instance.build(request).await {
            Ok(Some(inner)) => inner,
            Ok(None) => return Ok((true, None)),
            Err(error @ Error::Fatal { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "no block was built");
                return Ok((true, None));
            }
        };
        // The VM builds on what it was last told is preferred, which is this parent.
        if Some(inner.parent()) != self.vm_name(&parent.id(), processing) {
            return Ok((false, None));
        }
        let payload = inner.bytes();
        let block = ChainBlock::build(parent.id(), height, timestamp, payload, &self.identity)
            .map_err(|error| Error::fatal(format!("a block cannot be signed: {error}")))?;
        self.built = Some(Built { id: block.id(), parent: parent.id(), inner });
        Ok((true, Some(block)))
    }

    async fn accept(
        &mut self,
        block: ChainBlock,
        finality: Option<Duration>,
        processing: &mut Processing,
    ) -> Result<(), Error> {
        let inner = match processing.remove(&block.id()) {
            Some(inner) => inner,
            None => self.instance.parse(block.payload().to_vec()).await?,
        };
        self.instance.accept(inner.clone()).await?;
        self.last = block.clone();
        self.last_vm = inner.id();
        // Nobody listens only when the chain is stopping: then the next start indexes it.
        let _ = self.tell.send(Tell::Accepted { block, inner, finality }).await;
        Ok(())
    }

    /// Verifies stored blocks, logs them with one sync, and accepts them.
    async fn execute(&mut self, call: CallId, low: Height, high: Height) -> Result<(), Error> {
        let from = low.max(self.last.height().next().unwrap_or(Height::MAX));
        let fetched = self.fetched.clone();
        let read = move || {
            let heights = (from.get()..=high.get()).map(Height::new);
            let read = heights.map(|height| Ok((height, fetched.get(height)?)));
            read.collect::<Result<Vec<_>, avalanche_store::Error>>()
        };
        let found: Vec<(Height, Option<ChainBlock>)> = blocking(read).await??;
        let mut processing = Processing::new();
        let mut parent = self.last.clone();
        let mut blocks = Vec::with_capacity(found.len());
        for (height, block) in found {
            let block = block.filter(|block| block.parent() == parent.id());
            let block = block.ok_or_else(|| {
                Error::fatal(format!(
                    "the downloaded block {height} is missing or does not follow on {}; it is \
                     downloaded again after a restart",
                    parent.id()
                ))
            })?;
            let now = self.clock.now();
            let inner = self.verify_inner(&block, &parent, now, &processing).await?;
            processing.insert(block.id(), inner);
            blocks.push(block.clone());
            parent = block;
        }
        let entry = |block: &ChainBlock| (block.height(), block.id(), block.bytes().clone());
        self.log.append(blocks.iter().map(entry).collect()).await?;
        for block in blocks {
            self.accept(block, None, &mut processing).await?;
        }
        let fetched = self.fetched.clone();
        blocking(move || fetched.remove(low, high)).await??;
        let _ = self.done.send(Done::Executed { call, last: self.last.clone() });
        Ok(())
    }
}

/// The tip that a block is.
pub(crate) fn tip_of(block: &ChainBlock) -> Tip {
    Tip { id: block.id(), height: block.height() }
}

/// Headers have whole milliseconds.
fn whole_millis(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_nanos() / 1_000_000)
}

fn misplaced(inner: &Block, height: Height, parent: Option<Id>) -> Error {
    let parent = parent.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    Error::invalid(
        avalanche_vm::InvalidKind::State,
        "misplaced",
        format!(
            "the VM's block is of height {} on {}, and its header says height {height} on {parent}",
            inner.height(),
            inner.parent()
        ),
    )
}

/// Runs what may wait for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::fatal(format!("a task of the store ended early: {error}")))
}

/// How many threads a VM's call may keep busy: as many as the runtime has, which is told its share
/// where several nodes are on one machine.
pub(crate) fn threads() -> NonZeroUsize {
    let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let workers =
        tokio::runtime::Handle::try_current().map(|handle| handle.metrics().num_workers());
    workers.ok().and_then(NonZeroUsize::new).map_or(all, |workers| workers.min(all))
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
