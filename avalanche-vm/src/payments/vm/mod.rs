//! The payments VM: the pure parts put together over a store.
//!
//! ```text
//!   verify   header -- execute on the parent's layer -- signatures -- the parent's root --.
//!                                                                                        |
//!            processing: a layer, and a thread that computes the root of its state  <----'
//!   accept   the state is written, the layer goes into the ledger, the reader moves
//! ```

mod checks;
mod config;
mod contents;
mod factory;
mod handlers;
mod head;
mod pool;
mod reader;
mod receipts;
mod states;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Id, Timestamp};

pub use self::config::PaymentsConfig;
pub use self::factory::{PAYMENTS, PaymentsFactory};
pub use self::head::{HEAD_BYTES, HEAD_KEY, Head};
pub use self::reader::{AccountProof, PaymentsReader, Totals};

use self::checks::Checked;
use self::contents::Names;
use self::states::States;
use super::{BLOCK_BYTES_MAX, BlockRef, Header, Ledger, Mempool, Parent, Refusal, Transfers};
use crate::signature::Verifier;
use crate::{Block, BuildRequest, Error, HttpHandler, Place, Transactions, Vm, VmContext};

/// A virtual machine of payments; see [the rules](super).
#[derive(Debug)]
pub struct PaymentsVm {
    context: VmContext,
    /// The last accepted block, as its state says it.
    head: Head,
    ledger: Ledger,
    states: States,
    mempool: Mempool,
    checked: Checked,
    processing: BTreeMap<Id, Processing>,
    preferred: Id,
    reader: PaymentsReader,
    /// The latest time that a call brought.
    now: Timestamp,
}

/// A verified block that is not decided.
#[derive(Debug)]
struct Processing {
    header: Header,
    /// Names of its transfers.
    names: Arc<[Id]>,
}

impl PaymentsVm {
    #[expect(clippy::too_many_arguments, reason = "the parts that the factory has made")]
    fn new(
        context: VmContext,
        config: PaymentsConfig,
        verifier: &'static dyn Verifier,
        head: Head,
        ledger: Ledger,
        states: States,
        mempool: Mempool,
        reader: PaymentsReader,
    ) -> Self {
        // All that waits and a full block besides.
        let names = config.mempool.count_max.saturating_add(super::TRANSFERS_MAX);
        let checked = Checked::new(verifier, context.threads, context.hash_key, names);
        let (preferred, processing) = (head.block.id, BTreeMap::new());
        let now = Timestamp::from_millis(head.timestamp_ms);
        Self { context, head, ledger, states, mempool, checked, processing, preferred, reader, now }
    }

    /// Reads the accepted state from any thread, while the VM goes on.
    #[must_use]
    pub fn reader(&self) -> PaymentsReader {
        self.reader.clone()
    }

    /// Accounts, rules and supply, and how many blocks are undecided.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The root of the accepted state, or of a processing block's.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] for other blocks, and if the store failed.
    pub fn state_root(&mut self, block: &Id) -> Result<avalanche_store::Hash, Error> {
        self.states.root(block)
    }

    /// The facts of a block that another may be built on, but for its root.
    fn parent(&self, id: &Id) -> Option<(Tip, u64)> {
        if *id == self.head.block.id {
            return Some((self.head.block, self.head.timestamp_ms));
        }
        let header = &self.processing.get(id)?.header;
        Some((Tip { id: *id, height: header.height }, header.timestamp_ms))
    }

    /// Executes a block that is not decided and makes it processing. `now` is `None` for a block of
    /// the log: that one was verified before it came there.
    fn execute(&mut self, block: &Block, now: Option<Timestamp>) -> Result<(), Error> {
        let id = block.id();
        let decoded = BlockRef::decode(block.bytes())?;
        let header = decoded.header;
        let (parent, timestamp_ms) = self.parent(&header.parent).ok_or_else(|| {
            let expected = self.head.block.id;
            Error::from(Refusal::UnknownParent { found: header.parent, expected })
        })?;
        // The root comes last: it is computed meanwhile.
        let state_root = header.parent_state_root;
        let Tip { id: parent, height } = parent;
        header.check(&Parent { id: parent, height, timestamp_ms, state_root }, now)?;
        let layer = self.ledger.execute(id, &decoded)?;
        let names = self.check_signatures(block, decoded.transfers, now.is_some())?;
        header.check_state_root(self.states.root(&parent)?)?;
        let head = Head {
            block: Tip { id, height: header.height },
            timestamp_ms: header.timestamp_ms,
            genesis: self.head.genesis,
        };
        self.states.execute(&layer, head)?;
        self.ledger.hold(layer);
        self.processing.insert(id, Processing { header, names });
        Ok(())
    }

    /// The names of a block's transfers. If `check` is set, refuses the first one with a bad
    /// signature: those that wait in the mempool have good ones, and names.
    fn check_signatures(
        &mut self,
        block: &Block,
        transfers: Transfers<'_>,
        check: bool,
    ) -> Result<Arc<[Id]>, Error> {
        let waiting: Vec<Option<Id>> =
            transfers.iter().map(|transfer| self.mempool.name_of(transfer)).collect();
        let names = block.content::<Names>()?.or(|| {
            let all = waiting.iter().zip(transfers.iter());
            all.map(|(name, transfer)| name.unwrap_or_else(|| transfer.id())).collect()
        });
        if !check {
            return Ok(names);
        }
        let all = waiting.iter().zip(names.iter().copied().zip(transfers.iter()));
        let unknown: Vec<_> = all.filter_map(|(w, named)| w.is_none().then_some(named)).collect();
        let bad = self.checked.check(&unknown, |_| false);
        // The good ones will come again with a sibling, or when this block is verified again.
        for (at, (id, _)) in unknown.iter().enumerate() {
            if bad.binary_search(&at).is_err() {
                self.checked.remember(*id);
            }
        }
        match bad.first().and_then(|at| unknown.get(*at)) {
            Some((_, transfer)) => Err(checks::refusal(*transfer).into()),
            None => Ok(names),
        }
    }

    fn saw(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Tells the engine if there is something to build.
    fn tell(&self) {
        if !self.mempool.is_empty() {
            self.context.to_engine.pending_transactions();
        }
    }
}

#[async_trait]
impl Vm for PaymentsVm {
    fn parse(&self, bytes: &[u8]) -> Result<Block, Error> {
        block_from(bytes.to_vec())
    }

    async fn build(&mut self, request: BuildRequest) -> Result<Option<Block>, Error> {
        self.saw(request.now);
        self.mempool.expire(request.now);
        let parent = self.preferred;
        let Some((Tip { height, .. }, parent_ms)) = self.parent(&parent) else {
            return Err(Error::not_ready(format!("the preferred block {parent} is not verified")));
        };
        let Some(height) = height.next() else {
            return Err(Error::fatal("no block follows the greatest height"));
        };
        let timestamp_ms = parent_ms.max(request.now.as_nanos() / 1_000_000);
        let bytes_max = request.bytes_max.min(BLOCK_BYTES_MAX);
        // The parent is verified, so that there is nothing to refuse.
        let account = self.ledger.accounts_at(&parent)?;
        let chosen = self.mempool.choose(bytes_max, timestamp_ms / 1_000, account);
        if chosen.is_empty() && !request.allow_empty {
            return Ok(None);
        }
        let parent_state_root = self.states.root(&parent)?;
        let header = Header { parent, height, timestamp_ms, parent_state_root };
        let bytes = header.encode_all(chosen.iter().map(|(_, transfer)| *transfer))?;
        let names = Names::known(chosen.iter().map(|(id, _)| *id));
        Ok(Some(block_of(&header, bytes, names)))
    }

    async fn verify(&mut self, block: &Block, now: Timestamp) -> Result<(), Error> {
        self.saw(now);
        if self.processing.contains_key(&block.id()) || block.id() == self.head.block.id {
            return Ok(());
        }
        self.execute(block, Some(now))
    }

    async fn accept(&mut self, block: &Block) -> Result<(), Error> {
        let id = block.id();
        if block.height() <= self.head.block.height {
            return Ok(());
        }
        if !self.processing.contains_key(&id) {
            self.execute(block, None)?;
        }
        let layer = self.ledger.accept(&id)?;
        let view = self.states.accept(&layer)?;
        let Some(Processing { header, names }) = self.processing.remove(&id) else {
            return Err(Error::fatal(format!("block {id} was executed and is not processing")));
        };
        let tip = Tip { id, height: header.height };
        self.head = Head { block: tip, timestamp_ms: header.timestamp_ms, ..self.head };
        if self.preferred == header.parent {
            self.preferred = id;
        }
        let decoded = BlockRef::decode(block.bytes())?;
        let ledger = &self.ledger;
        self.mempool.accept(decoded.transfers, |address| ledger.account(address));
        self.reader.publish(block, layer.burned(), view, names);
        self.tell();
        Ok(())
    }

    async fn reject(&mut self, block: &Block) -> Result<(), Error> {
        let id = block.id();
        let Some(Processing { names, .. }) = self.processing.remove(&id) else { return Ok(()) };
        self.ledger.reject(&id);
        self.states.reject(&id);
        let decoded = BlockRef::decode(block.bytes())?;
        let ledger = &self.ledger;
        let named = names.iter().copied().zip(decoded.transfers.iter());
        self.mempool.reject_named(named, self.now, |address| ledger.account(address));
        self.tell();
        Ok(())
    }

    fn set_preference(&mut self, block: Id) {
        self.preferred = block;
    }

    fn last_accepted(&self) -> Tip {
        self.head.block
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        Some(self)
    }

    fn handlers(&self) -> Vec<(String, Arc<dyn HttpHandler>)> {
        handlers::all(&self.reader)
    }

    async fn shutdown(&mut self) -> Result<(), Error> {
        self.states.flush()
    }
}

/// Reads the bytes of a block.
fn block_from(bytes: Vec<u8>) -> Result<Block, Error> {
    let header = BlockRef::decode(&bytes)?.header;
    Ok(block_of(&header, bytes, Names::default()))
}

/// The block of these bytes, which begin with `header`.
fn block_of(header: &Header, bytes: Vec<u8>, names: Names) -> Block {
    let Header { parent, height, .. } = *header;
    Block::new(Place { parent, height, timestamp: header.timestamp() }, bytes, names)
}
