//! A VM that adds numbers up, and can be told to break one promise.

mod summary;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_store::{Batch, KeyValue};
use avalanche_vm::testing::Fixture;
use avalanche_vm::{
    AppMessage, Block, BuildRequest, Error, InvalidKind, Place, StateSync, TransactionStatus,
    Transactions, Vm, VmContext, VmFactory, VmId, VmVersion,
};

/// A promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    RefusalLeavesTrace,
    ParentUnchecked,
    HeightUnchecked,
    NodeInState,
    NowInState,
    ForgetsAtRestart,
    PanicsOnShortBytes,
    AcceptCountsTwice,
    RejectLosesParent,
    RejectCounts,
    VerifyCounts,
    VerifyTwiceFails,
    BuildConsumes,
    BuildsOfNothing,
    BuildsTooLong,
    IgnoresPreference,
    ReadsMoreThanABlock,
    ParseNeedsState,
    SilentOnWork,
    SilentOnRest,
    RefusesTheFutureForEver,
    NeverMindsTheFuture,
    LosesRejectedWork,
    FatalOnGarbage,
    TornState,
    ReplayNeedsVerify,
    StartsAhead,
    NeverBuildsTheLast,
    IgnoresGenesis,
    ZeroIsValid,
    LaterThanAsked,
    ForgetsSiblings,
    SummaryNamesNode,
    ReadsAnySummary,
}

const HEADER: usize = 48;
const TOO_NEW: Duration = Duration::from_secs(10);

/// What a block leads to: the sum, and how many blocks made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum(u64, u64);

pub(crate) struct Counter {
    bug: Bug,
    context: VmContext,
    tip: Tip,
    sum: Sum,
    processing: BTreeMap<Id, (Block, Sum)>,
    preference: Id,
    waiting: BTreeSet<u64>,
    accepted: BTreeMap<Id, Height>,
    too_new: BTreeSet<Id>,
}

fn invalid(code: &'static str) -> Error {
    Error::invalid(InvalidKind::State, code, "a rule of the counter")
}

fn encode(place: Place, amount: u64) -> Block {
    let mut bytes = place.parent.as_bytes().to_vec();
    bytes.extend(place.height.get().to_be_bytes());
    bytes.extend(place.timestamp.as_nanos().to_be_bytes());
    bytes.extend(amount.to_be_bytes());
    Block::new(place, bytes, amount)
}

fn name(amount: u64) -> Id {
    Id::hash(&amount.to_be_bytes())
}

impl Counter {
    fn parent_sum(&self, id: &Id) -> Option<(Height, Timestamp, Sum)> {
        if *id == self.tip.id {
            return Some((self.tip.height, Timestamp::ZERO, self.sum));
        }
        let (block, sum) = self.processing.get(id)?;
        Some((block.height(), block.timestamp(), *sum))
    }

    /// What is in the undecided blocks from one down.
    fn above(&self, mut id: Id) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        while let Some((block, _)) = self.processing.get(&id) {
            found.extend(block.content::<u64>());
            id = block.parent();
        }
        found
    }

    fn check(&mut self, block: &Block, now: Timestamp) -> Result<Sum, Error> {
        let amount = *block.content::<u64>()?;
        let parent = self.parent_sum(&block.parent());
        let (height, time, Sum(sum, count)) = match parent {
            Some(parent) => parent,
            None if self.bug == Bug::ParentUnchecked => {
                (self.tip.height, Timestamp::ZERO, self.sum)
            }
            None => return Err(invalid("parent")),
        };
        if height.next() != Some(block.height()) && self.bug != Bug::HeightUnchecked {
            return Err(invalid("height"));
        }
        if block.timestamp() < time || (amount == 0 && self.bug != Bug::ZeroIsValid) {
            return Err(invalid("amount"));
        }
        if block.timestamp() > now.after(TOO_NEW) && self.bug != Bug::NeverMindsTheFuture {
            self.too_new.insert(block.id());
            return Err(invalid("too_new"));
        }
        if self.bug == Bug::RefusesTheFutureForEver && self.too_new.contains(&block.id()) {
            return Err(invalid("too_new"));
        }
        Ok(Sum(sum.wrapping_add(amount), count + 1))
    }

    fn save(&self) -> Result<(), Error> {
        let Sum(sum, count) = self.sum;
        let mut batch = Batch::new();
        batch.put(
            *b"tip",
            [self.tip.id.as_bytes(), &self.tip.height.get().to_be_bytes()[..]].concat(),
        );
        if self.bug == Bug::TornState {
            self.context.store.commit(std::mem::take(&mut batch))?;
        }
        batch.put(*b"sum", [sum.to_be_bytes(), count.to_be_bytes()].concat());
        self.context.store.commit(batch)?;
        if self.tip.height.get().is_multiple_of(3) {
            self.context.store.flush()?;
        }
        Ok(())
    }
}

#[async_trait]
impl Vm for Counter {
    fn parse(&self, bytes: &[u8]) -> Result<Block, Error> {
        let malformed = || Error::invalid(InvalidKind::Malformed, "length", "not 56 bytes");
        let whole = match self.bug {
            Bug::PanicsOnShortBytes => bytes[..HEADER + 8].len() == bytes.len(),
            Bug::ReadsMoreThanABlock => bytes.len() >= HEADER + 8,
            _ => bytes.len() == HEADER + 8,
        };
        if !whole {
            return Err(malformed());
        }
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        let place = Place {
            parent: Id::new(bytes[..32].try_into().unwrap()),
            height: Height::new(number(32)),
            timestamp: Timestamp::from_nanos(number(40)),
        };
        if self.bug == Bug::ParseNeedsState && place.height.get() > self.tip.height.get() + 3 {
            return Err(malformed());
        }
        Ok(Block::new(place, bytes.to_vec(), number(HEADER)))
    }

    async fn build(&mut self, request: BuildRequest) -> Result<Option<Block>, Error> {
        let parent = if self.bug == Bug::IgnoresPreference { self.tip.id } else { self.preference };
        let Some((height, time, _)) = self.parent_sum(&parent) else { return Ok(None) };
        let used = self.above(parent);
        // The newest first, so that siblings differ.
        let amount = self.waiting.iter().rev().copied().find(|amount| !used.contains(amount));
        let amount = match amount {
            Some(7) if self.bug == Bug::NeverBuildsTheLast => return Ok(None),
            None if self.bug == Bug::BuildsOfNothing => 1,
            None => return Ok(None),
            Some(amount) => amount,
        };
        if request.bytes_max < HEADER + 8 && self.bug != Bug::BuildsTooLong {
            return Ok(None);
        }
        if self.bug == Bug::BuildConsumes {
            self.waiting.remove(&amount);
        }
        let late = Duration::from_secs(u64::from(self.bug == Bug::LaterThanAsked));
        let timestamp = request.now.after(late).max(time);
        let height = height.next().unwrap();
        Ok(Some(encode(Place { parent, height, timestamp }, amount)))
    }

    async fn verify(&mut self, block: &Block, now: Timestamp) -> Result<(), Error> {
        if self.processing.contains_key(&block.id()) && self.bug != Bug::VerifyTwiceFails {
            return Ok(());
        }
        if self.processing.contains_key(&block.id()) {
            return Err(invalid("twice"));
        }
        let checked = self.check(block, now);
        if self.bug == Bug::RefusalLeavesTrace && checked.is_err() {
            self.sum.1 += 1;
        }
        let mut sum = checked?;
        if self.bug == Bug::NodeInState {
            sum.1 += u64::from(self.context.node_id.as_bytes()[0]);
        }
        if self.bug == Bug::NowInState {
            sum.1 += now.as_nanos() / 1_000_000_000;
        }
        if self.bug == Bug::VerifyCounts {
            self.sum.1 += 1;
        }
        if self.bug == Bug::ForgetsSiblings {
            self.processing.retain(|_, (it, _)| it.parent() != block.parent());
        }
        self.processing.insert(block.id(), (block.clone(), sum));
        Ok(())
    }

    async fn accept(&mut self, block: &Block) -> Result<(), Error> {
        if block.height() <= self.tip.height {
            if self.bug == Bug::AcceptCountsTwice {
                self.sum.0 += block.content::<u64>()?;
            }
            return Ok(());
        }
        let amount = *block.content::<u64>()?;
        self.sum = match self.processing.remove(&block.id()) {
            Some((_, sum)) => sum,
            None if self.bug == Bug::ReplayNeedsVerify => return Err(Error::fatal("unknown")),
            None => Sum(self.sum.0.wrapping_add(amount), self.sum.1 + 1),
        };
        self.tip = Tip { id: block.id(), height: block.height() };
        self.waiting.remove(&amount);
        self.accepted.insert(name(amount), block.height());
        self.save()?;
        if !self.waiting.is_empty() && self.bug != Bug::SilentOnRest {
            self.context.to_engine.pending_transactions();
        }
        Ok(())
    }

    async fn reject(&mut self, block: &Block) -> Result<(), Error> {
        self.processing.remove(&block.id());
        match self.bug {
            Bug::RejectCounts => self.sum.1 += 1,
            Bug::RejectLosesParent => {
                let first = self.processing.keys().next().copied();
                first.and_then(|first| self.processing.remove(&first));
            }
            Bug::LosesRejectedWork => _ = self.waiting.remove(block.content::<u64>()?),
            _ => {}
        }
        Ok(())
    }

    fn set_preference(&mut self, block: Id) {
        self.preference = block;
    }

    fn last_accepted(&self) -> Tip {
        self.tip
    }

    async fn app_message(&mut self, message: AppMessage) -> Result<Option<Vec<u8>>, Error> {
        match message {
            AppMessage::Gossip { .. } if self.bug == Bug::FatalOnGarbage => {
                Err(Error::fatal("garbage"))
            }
            _ => Err(invalid("message")),
        }
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        Some(self)
    }

    fn state_sync(&mut self) -> Option<&mut dyn StateSync> {
        Some(self)
    }
}

#[async_trait]
impl Transactions for Counter {
    async fn submit(&mut self, all: &[&[u8]], _now: Timestamp) -> Vec<Result<Id, Error>> {
        let mut answers = Vec::new();
        for bytes in all {
            let amount = <[u8; 8]>::try_from(*bytes).map(u64::from_be_bytes);
            answers.push(match amount {
                Ok(amount) if (1..1000).contains(&amount) => {
                    self.waiting.insert(amount);
                    if self.bug != Bug::SilentOnWork {
                        self.context.to_engine.pending_transactions();
                    }
                    Ok(name(amount))
                }
                _ => Err(invalid("transaction")),
            });
        }
        answers
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }

    fn status(&self, id: &Id) -> TransactionStatus {
        if self.waiting.iter().any(|amount| name(*amount) == *id) {
            return TransactionStatus::Pending;
        }
        match self.accepted.get(id) {
            Some(height) => TransactionStatus::Accepted { height: *height, index: 0 },
            None => TransactionStatus::Unknown,
        }
    }

    fn in_block(&self, block: &Block) -> Result<Vec<Id>, Error> {
        Ok(vec![name(*block.content::<u64>()?)])
    }
}

/// Makes counters with a bug.
pub(crate) struct Broken(pub(crate) Bug);

#[async_trait]
impl VmFactory for Broken {
    fn id(&self) -> VmId {
        VmId::named("counter")
    }

    fn version(&self) -> VmVersion {
        VmVersion { major: 1, minor: 0, patch: 0 }
    }

    fn genesis(&self, genesis: &[u8]) -> Result<Block, Error> {
        let named = if self.0 == Bug::IgnoresGenesis { &[] } else { genesis };
        let place =
            Place { parent: Id::EMPTY, height: Height::GENESIS, timestamp: Timestamp::ZERO };
        Ok(Block::new(place, named.to_vec(), 0_u64))
    }

    async fn create(&self, context: VmContext) -> Result<Box<dyn Vm>, Error> {
        let genesis = VmFactory::genesis(self, &context.genesis)?;
        let read = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        let mut tip = Tip { id: genesis.id(), height: Height::GENESIS };
        if let Some(record) = context.store.get(b"tip")? {
            let id = Id::new(record[..32].try_into().unwrap());
            tip = Tip { id, height: Height::new(read(&record[32..])) };
        }
        let mut sum = Sum(0, 0);
        if let Some(record) = context.store.get(b"sum")? {
            sum = Sum(read(&record[..8]), read(&record[8..]));
        }
        if self.0 == Bug::ForgetsAtRestart {
            sum = Sum(0, 0);
        }
        if self.0 == Bug::StartsAhead {
            // It believes the log instead of its own state.
            let last = context.blocks.last_height().unwrap();
            let id = Id::hash(&context.blocks.at(last)?.unwrap());
            tip = Tip { id, height: last };
        }
        Ok(Box::new(Counter {
            bug: self.0,
            context,
            tip,
            sum,
            processing: BTreeMap::new(),
            preference: tip.id,
            waiting: BTreeSet::new(),
            accepted: BTreeMap::new(),
            too_new: BTreeSet::new(),
        }))
    }
}

#[async_trait]
impl Fixture for Broken {
    fn factory(&self) -> Arc<dyn VmFactory> {
        Arc::new(Self(self.0))
    }

    fn genesis(&self) -> Vec<u8> {
        b"genesis".to_vec()
    }

    fn other_genesis(&self) -> Option<Vec<u8>> {
        Some(b"another".to_vec())
    }

    fn transactions(&self, number: u64) -> Vec<Vec<u8>> {
        vec![(number + 1).to_be_bytes().to_vec()]
    }

    async fn digest(&self, vm: &mut dyn Vm) -> Result<Vec<u8>, Error> {
        let vm: &dyn Any = vm;
        let vm: &Counter = vm.downcast_ref().unwrap();
        Ok([vm.sum.0, vm.sum.1].map(u64::to_be_bytes).concat())
    }

    fn too_new(&self) -> Option<Duration> {
        Some(Duration::from_secs(3600))
    }

    fn forged(&self, block: &Block) -> Vec<(&'static str, Vec<u8>)> {
        let mut bytes = block.bytes().to_vec();
        bytes[HEADER..].fill(0);
        vec![("nothing is added", bytes)]
    }
}
