//! The VM around a machine: blocks executed over each other, stored when they are accepted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id, Timestamp};

use super::format::{self, Body, HEADER_BYTES, LENGTH_BYTES};
use super::queue::Queue;
use super::record::Record;
use super::serve::{Published, StateHandler};
use super::{
    BLOCK_BYTES_MAX, BlockFacts, FLUSH_BLOCKS, SMALL_STATE_BYTES, STATE_BYTES_MAX, StateMachine,
    TOO_NEW, TRANSACTIONS_MAX,
};
use crate::{
    Block, BuildRequest, Error, HttpHandler, Invalid, InvalidKind, Place, StateSummary, StateSync,
    Transactions, Vm, VmContext,
};

/// Runs a [`StateMachine`] as a [`Vm`].
///
/// Codes of broken rules, beside the machine's own: `malformed`, `block_length`, `parent`,
/// `height`, `timestamp`, `too_new`, `state` (a block names another state than its parent's),
/// `state_length` of blocks; `transaction_length`, `waits`, `queue_full`, `state_length` of
/// transactions; `summary_length`, `malformed` of summaries.
pub struct MachineVm<M: StateMachine> {
    pub(super) machine: Arc<M>,
    pub(super) context: VmContext,
    genesis: Id,
    pub(super) tip: Stand<M::State>,
    pub(super) processing: BTreeMap<Id, (Block, Stand<M::State>)>,
    pub(super) preference: Id,
    pub(super) queue: Queue,
    /// The accepted state after all that wait, if nothing was accepted since it was made.
    pub(super) after_waiting: Option<M::State>,
    /// The latest time that a call named.
    pub(super) clock: Timestamp,
    /// The height and the number of pieces of what is stored.
    stored: Option<(Height, u32)>,
    pub(super) summaries: VecDeque<StateSummary>,
    published: Arc<Published<M>>,
}

/// A block's state.
#[derive(Clone)]
pub(super) struct Stand<S> {
    pub(super) tip: Tip,
    pub(super) timestamp: Timestamp,
    pub(super) state: Arc<S>,
    /// The SHA-256 of the encoded state.
    pub(super) hash: Id,
    /// The bytes of the encoded state.
    pub(super) len: usize,
}

/// The most that a block takes of what waits.
struct Filled {
    taken: Vec<(Id, Vec<u8>)>,
    refused: Vec<(Id, Invalid)>,
    state_len: usize,
}

impl<S> Stand<S> {
    pub(super) fn new<M: StateMachine<State = S>>(
        machine: &M,
        tip: Tip,
        timestamp: Timestamp,
        state: S,
    ) -> Result<Self, Error> {
        let encoded = machine.encode(&state);
        let (hash, len) = (Id::hash(&encoded), encoded.len());
        if len > STATE_BYTES_MAX {
            return Err(too_long(len).into());
        }
        Ok(Self { tip, timestamp, state: Arc::new(state), hash, len })
    }
}

/// Applies a transaction to a copy, which takes the state's place if it was not refused.
pub(super) fn attempt<M: StateMachine>(
    machine: &M,
    state: &mut M::State,
    transaction: &[u8],
    facts: BlockFacts,
) -> Result<(), Invalid> {
    let mut copy = state.clone();
    machine.apply(&mut copy, transaction, facts)?;
    *state = copy;
    Ok(())
}

impl<M: StateMachine> MachineVm<M> {
    pub(super) fn new(
        machine: Arc<M>,
        context: VmContext,
        genesis: Id,
        tip: Stand<M::State>,
        stored: Option<(Height, u32)>,
    ) -> Self {
        let published = Published::new(Arc::clone(&machine), Arc::clone(&tip.state));
        let preference = tip.tip.id;
        Self {
            machine,
            context,
            genesis,
            tip,
            processing: BTreeMap::new(),
            preference,
            queue: Queue::default(),
            after_waiting: None,
            clock: Timestamp::ZERO,
            stored,
            summaries: VecDeque::new(),
            published,
        }
    }

    /// The accepted state.
    #[must_use]
    pub fn state(&self) -> &M::State {
        &self.tip.state
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &M {
        &self.machine
    }

    fn stand(&self, id: &Id) -> Option<&Stand<M::State>> {
        if *id == self.tip.tip.id {
            return Some(&self.tip);
        }
        self.processing.get(id).map(|(_, stand)| stand)
    }

    /// What the next block on the accepted one would tell its transactions.
    pub(super) fn next_facts(&self) -> BlockFacts {
        let height = self.tip.tip.height;
        BlockFacts {
            height: height.next().unwrap_or(height),
            timestamp: format::whole(self.clock).max(self.tip.timestamp),
        }
    }

    /// All rules but the one about the present.
    fn execute(&self, block: &Block) -> Result<Stand<M::State>, Error> {
        let body: &Body = block.content()?;
        let parent = self.stand(&block.parent());
        let parent = parent.ok_or_else(|| broken("parent", "its parent is not there"))?;
        if Some(block.height()) != parent.tip.height.next() {
            let reason = format!("{} does not follow {}", block.height(), parent.tip.height);
            return Err(broken("height", reason));
        }
        if block.timestamp() < parent.timestamp {
            let reason = format!("{} is before {}", block.timestamp(), parent.timestamp);
            return Err(broken("timestamp", reason));
        }
        if body.parent_state != parent.hash {
            let (named, own) = (body.parent_state, parent.hash);
            let reason = format!("it is built on the state {named}; that of its parent is {own}");
            return Err(broken("state", reason));
        }
        let facts = BlockFacts { height: block.height(), timestamp: block.timestamp() };
        let mut state = (*parent.state).clone();
        for (_, transaction) in &body.transactions {
            self.machine.apply(&mut state, transaction, facts)?;
        }
        let tip = Tip { id: block.id(), height: block.height() };
        Stand::new(&*self.machine, tip, block.timestamp(), state)
    }

    /// The waiting transactions that are in undecided blocks, from one down.
    fn above(&self, mut id: Id) -> Result<BTreeSet<Id>, Error> {
        let mut names = BTreeSet::new();
        while let Some((block, _)) = self.processing.get(&id) {
            names.extend(block.content::<Body>()?.transactions.iter().map(|(name, _)| *name));
            id = block.parent();
        }
        Ok(names)
    }

    /// Takes what applies, in its order, up to the first that does not fit. `measure` looks at the
    /// state's length after each.
    fn fill(
        &self,
        parent: &Stand<M::State>,
        facts: BlockFacts,
        room: usize,
        measure: bool,
    ) -> Result<Filled, Error> {
        let above = self.above(parent.tip.id)?;
        let (mut state, mut left) = ((*parent.state).clone(), room);
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for (id, bytes) in self.queue.iter().filter(|(id, _)| !above.contains(id)) {
            let rest = left.checked_sub(LENGTH_BYTES + bytes.len());
            let Some(rest) = rest.filter(|_| taken.len() < TRANSACTIONS_MAX) else { break };
            let before = measure.then(|| state.clone());
            let mut tried = attempt(&*self.machine, &mut state, bytes, facts);
            if let Some(before) = before {
                let len = self.machine.encode(&state).len();
                if len > STATE_BYTES_MAX {
                    (tried, state) = (Err(too_long(len)), before);
                }
            }
            match tried {
                Ok(()) => {
                    taken.push((*id, bytes.clone()));
                    left = rest;
                }
                Err(invalid) => refused.push((*id, invalid)),
            }
        }
        let state_len = self.machine.encode(&state).len();
        Ok(Filled { taken, refused, state_len })
    }

    /// Moves the accepted state.
    pub(super) fn stand_at(&mut self, stand: Stand<M::State>) {
        self.published.set(&stand.state);
        self.after_waiting = None;
        self.tip = stand;
    }

    /// Stores the accepted state.
    pub(super) fn save(&mut self) -> Result<(), Error> {
        let Stand { tip, timestamp, .. } = self.tip;
        let state = self.machine.encode(&self.tip.state);
        let record = Record { genesis: self.genesis, tip, timestamp, state };
        let old = self.stored.map_or(0, |(_, pieces)| pieces);
        self.stored = Some((tip.height, record.save(&*self.context.store, old)?));
        Ok(())
    }
}

#[async_trait]
impl<M: StateMachine> Vm for MachineVm<M> {
    fn parse(&self, bytes: &[u8]) -> Result<Block, Error> {
        format::parse(bytes)
    }

    async fn build(&mut self, request: BuildRequest) -> Result<Option<Block>, Error> {
        self.clock = self.clock.max(request.now);
        let parent = self.stand(&self.preference).cloned();
        let parent = parent.ok_or_else(|| Error::not_ready("its preference is not there"))?;
        let room = request.bytes_max.min(BLOCK_BYTES_MAX).checked_sub(HEADER_BYTES);
        let (Some(room), Some(height)) = (room, parent.tip.height.next()) else { return Ok(None) };
        let timestamp = format::whole(request.now).max(parent.timestamp);
        let facts = BlockFacts { height, timestamp };
        let mut filled = self.fill(&parent, facts, room, false)?;
        if filled.state_len > STATE_BYTES_MAX {
            filled = self.fill(&parent, facts, room, true)?;
        }
        if parent.tip == self.tip.tip && !filled.refused.is_empty() {
            // On an undecided block it says nothing: another one may win.
            self.after_waiting = None;
            for (id, invalid) in filled.refused {
                self.queue.dropped(id, &invalid);
            }
        }
        if filled.taken.is_empty() && !request.allow_empty {
            return Ok(None);
        }
        let place = Place { parent: parent.tip.id, height, timestamp };
        Ok(Some(format::block(place, parent.hash, filled.taken)))
    }

    async fn verify(&mut self, block: &Block, now: Timestamp) -> Result<(), Error> {
        self.clock = self.clock.max(now);
        if self.processing.contains_key(&block.id()) {
            return Ok(());
        }
        let stand = self.execute(block)?;
        if block.timestamp() > now.after(TOO_NEW) {
            let reason = format!("{} is more than {TOO_NEW:?} after {now}", block.timestamp());
            return Err(broken("too_new", reason));
        }
        self.processing.insert(block.id(), (block.clone(), stand));
        Ok(())
    }

    async fn accept(&mut self, block: &Block) -> Result<(), Error> {
        if block.height() <= self.tip.tip.height {
            return Ok(());
        }
        let (parent, tip) = (block.parent(), self.tip.tip);
        if parent != tip.id {
            let id = block.id();
            return Err(Error::fatal(format!(
                "block {id} on {parent} is accepted, and the last accepted is {} {}",
                tip.height, tip.id
            )));
        }
        let stand = match self.processing.remove(&block.id()) {
            Some((_, stand)) => stand,
            None => self.execute(block)?,
        };
        self.stand_at(stand);
        let height = block.height();
        for (index, (id, _)) in (0..).zip(&block.content::<Body>()?.transactions) {
            self.queue.accepted(*id, height, index);
        }
        let is_due = height.get().is_multiple_of(FLUSH_BLOCKS);
        if is_due || self.tip.len <= SMALL_STATE_BYTES {
            self.save()?;
        }
        if is_due {
            self.context.store.flush()?;
        }
        self.summarize();
        if self.queue.len() > 0 {
            self.context.to_engine.pending_transactions();
        }
        Ok(())
    }

    async fn reject(&mut self, block: &Block) -> Result<(), Error> {
        self.processing.remove(&block.id());
        Ok(())
    }

    fn set_preference(&mut self, block: Id) {
        self.preference = block;
    }

    fn last_accepted(&self) -> Tip {
        self.tip.tip
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        Some(self)
    }

    fn state_sync(&mut self) -> Option<&mut dyn StateSync> {
        Some(self)
    }

    fn handlers(&self) -> Vec<(String, Arc<dyn HttpHandler>)> {
        let handler = StateHandler(Arc::downgrade(&self.published));
        vec![("/state".to_owned(), Arc::new(handler))]
    }

    async fn shutdown(&mut self) -> Result<(), Error> {
        if self.stored.map(|(height, _)| height) != Some(self.tip.tip.height) {
            self.save()?;
        }
        Ok(self.context.store.flush()?)
    }
}

impl<M: StateMachine> fmt::Debug for MachineVm<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineVm")
            .field("tip", &self.tip.tip)
            .field("state_len", &self.tip.len)
            .field("processing", &self.processing.len())
            .field("waiting", &self.queue.len())
            .finish_non_exhaustive()
    }
}

fn too_long(len: usize) -> Invalid {
    let reason = format!("it leads to a state of {len} bytes; up to {STATE_BYTES_MAX} are allowed");
    Invalid::new(InvalidKind::TooLarge, "state_length", reason)
}

fn broken(code: &'static str, reason: impl Into<String>) -> Error {
    Error::invalid(InvalidKind::State, code, reason)
}
