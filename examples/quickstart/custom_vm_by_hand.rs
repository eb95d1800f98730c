//! The counter by hand, over the trait itself: blocks add numbers to a sum, in a chain in memory.
//!
//! Run it with `cargo run --release --example custom_vm_by_hand`; docs/tutorial-vm.md explains each
//! part.
#![cfg_attr(not(test), expect(clippy::print_stdout, reason = "an example talks to its reader"))]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::{Height, Id, Timestamp, engine::Tip};
use avalanche_vm::testing::{Chain, ChainOptions, Stop, run};
use avalanche_vm::{Block, BuildRequest, Error, InvalidKind, Place, ToEngine};
use avalanche_vm::{Vm, VmContext, VmFactory, VmId, VmVersion};

/// What a block leads to.
#[derive(Clone, Default)]
struct State {
    height: Height,
    sum: u64,
    added: BTreeSet<u64>,
}

/// The VM: the states of the last accepted block and of all that are built on it.
pub(crate) struct Counter {
    tip: Tip,
    states: BTreeMap<Id, State>,
    preference: Id,
    waiting: BTreeSet<u64>,
    engine: Arc<dyn ToEngine>,
}

fn block(parent: Id, height: Height, add: u64) -> Block {
    let bytes = [&parent.as_bytes()[..], &height.get().to_be_bytes(), &add.to_be_bytes()].concat();
    Block::new(Place { parent, height, timestamp: Timestamp::ZERO }, bytes, add)
}

fn invalid(code: &'static str) -> Error {
    Error::invalid(InvalidKind::State, code, "it breaks a rule of the counter")
}

impl Counter {
    pub(crate) fn sum(&self) -> u64 {
        self.states.get(&self.tip.id).map_or(0, |state| state.sum)
    }

    pub(crate) fn add(&mut self, number: u64) {
        self.waiting.insert(number);
        self.engine.pending_transactions();
    }

    fn execute(&self, block: &Block) -> Result<State, Error> {
        let mut state = self.states.get(&block.parent()).ok_or(invalid("parent"))?.clone();
        state.height = state.height.next().ok_or(invalid("height"))?;
        state.sum = state.sum.checked_add(*block.content()?).ok_or(invalid("sum"))?;
        state.added.insert(*block.content()?);
        if state.height == block.height() { Ok(state) } else { Err(invalid("height")) }
    }
}

#[async_trait]
impl Vm for Counter {
    fn parse(&self, bytes: &[u8]) -> Result<Block, Error> {
        let (parent, rest) = bytes.split_first_chunk().ok_or(invalid("length"))?;
        let (height, rest) = rest.split_first_chunk().ok_or(invalid("length"))?;
        let add = rest.try_into().map_err(|_| invalid("length"))?;
        let height = Height::new(u64::from_be_bytes(*height));
        Ok(block(Id::new(*parent), height, u64::from_be_bytes(add)))
    }

    async fn build(&mut self, request: BuildRequest) -> Result<Option<Block>, Error> {
        let Some(state) = self.states.get(&self.preference) else { return Ok(None) };
        let add = self.waiting.difference(&state.added).next();
        let block =
            add.zip(state.height.next()).map(|(add, height)| block(self.preference, height, *add));
        Ok(block.filter(|block| block.bytes().len() <= request.bytes_max))
    }

    async fn verify(&mut self, block: &Block, _now: Timestamp) -> Result<(), Error> {
        self.states.insert(block.id(), self.execute(block)?);
        Ok(())
    }

    async fn accept(&mut self, block: &Block) -> Result<(), Error> {
        if block.height() > self.tip.height {
            let state = State { added: BTreeSet::new(), ..self.execute(block)? };
            self.states.remove(&self.tip.id);
            self.states.insert(block.id(), state);
            self.tip = Tip { id: block.id(), height: block.height() };
            self.waiting.remove(block.content()?);
            self.waiting.first().into_iter().for_each(|_| self.engine.pending_transactions());
        }
        Ok(())
    }

    async fn reject(&mut self, block: &Block) -> Result<(), Error> {
        self.states.remove(&block.id());
        Ok(())
    }

    fn set_preference(&mut self, block: Id) {
        self.preference = block;
    }

    fn last_accepted(&self) -> Tip {
        self.tip
    }
}

/// Makes counters. Genesis is the number that a chain begins with.
pub(crate) struct Factory;

#[async_trait]
impl VmFactory for Factory {
    fn id(&self) -> VmId {
        VmId::named("counter")
    }

    fn version(&self) -> VmVersion {
        VmVersion { major: 1, minor: 0, patch: 0 }
    }

    fn genesis(&self, genesis: &[u8]) -> Result<Block, Error> {
        let start = genesis.try_into().map_err(|_| invalid("genesis"))?;
        Ok(block(Id::EMPTY, Height::GENESIS, u64::from_be_bytes(start)))
    }

    async fn create(&self, context: VmContext) -> Result<Box<dyn Vm>, Error> {
        let genesis = self.genesis(&context.genesis)?;
        let state = State { sum: *genesis.content()?, ..State::default() };
        Ok(Box::new(Counter {
            tip: Tip { id: genesis.id(), height: Height::GENESIS },
            states: BTreeMap::from([(genesis.id(), state)]),
            preference: genesis.id(),
            waiting: BTreeSet::new(),
            engine: context.to_engine,
        }))
    }
}

pub(crate) fn counter(vm: &mut dyn Vm) -> Result<&mut Counter, Error> {
    (vm as &mut dyn std::any::Any).downcast_mut().ok_or(Error::fatal("it is not a counter"))
}

fn main() -> Result<(), Error> {
    run(async {
        let genesis = ChainOptions::new(100_u64.to_be_bytes());
        let mut chain = Chain::new(Arc::new(Factory), genesis).await?;
        for number in [7, 20, 3] {
            counter(chain.vm())?.add(number);
            let block = chain.build().await?.ok_or(Error::fatal("nothing to build"))?;
            chain.verify(&block).await?;
            chain.accept(&block).await?;
            println!("block {}: {}", chain.tip().height, counter(chain.vm())?.sum());
        }
        let mut chain = chain.restart(Stop::Kill).await?;
        println!(
            "killed, and back at block {}: {}",
            chain.tip().height,
            counter(chain.vm())?.sum()
        );
        Ok(())
    })
}
