//! Instances of a machine's VM, from what the store has or from genesis.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id, Timestamp};

use avalanche_store::KeyValue;

use super::record::{Record, damaged};
use super::vm::Stand;
use super::{MachineVm, StateMachine, format};
use crate::contents::Named;
use crate::{Block, BlockContents, Error, Place, Vm, VmContext, VmFactory, VmId, VmVersion};

/// Makes instances of a machine's [`MachineVm`]. There is no config.
pub struct MachineFactory<M>(Arc<M>);

impl<M: StateMachine> MachineFactory<M> {
    /// A factory for chains of this machine.
    #[must_use]
    pub fn new(machine: M) -> Self {
        Self(Arc::new(machine))
    }

    fn begin(&self, genesis: &[u8]) -> Result<(Block, Stand<M::State>), Error> {
        let state = self.0.genesis(genesis)?;
        let tip = Tip { id: Id::EMPTY, height: Height::GENESIS };
        let mut stand = Stand::new(&*self.0, tip, Timestamp::ZERO, state)?;
        let (parent, height, timestamp) = (Id::EMPTY, Height::GENESIS, Timestamp::ZERO);
        let block = format::block(Place { parent, height, timestamp }, stand.hash, Vec::new());
        stand.tip.id = block.id();
        Ok((block, stand))
    }

    /// What the store has stands at.
    fn restore(&self, record: &Record) -> Result<Stand<M::State>, Error> {
        let state = self.0.decode(&record.state).map_err(|invalid| damaged(&invalid))?;
        if self.0.encode(&state) != record.state {
            return Err(Error::fatal(
                "the machine breaks its contract: it encodes the stored state in another way",
            ));
        }
        Stand::new(&*self.0, record.tip, record.timestamp, state)
    }
}

impl<M> fmt::Debug for MachineFactory<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineFactory").finish_non_exhaustive()
    }
}

#[async_trait]
impl<M: StateMachine> VmFactory for MachineFactory<M> {
    fn id(&self) -> VmId {
        self.0.id()
    }

    fn version(&self) -> VmVersion {
        self.0.version()
    }

    fn genesis(&self, genesis: &[u8]) -> Result<Block, Error> {
        Ok(self.begin(genesis)?.0)
    }

    fn stands_at(&self, store: &Arc<dyn KeyValue>) -> Result<Option<Tip>, Error> {
        Ok(Record::load(&**store)?.map(|(record, _)| record.tip))
    }

    async fn create(&self, context: VmContext) -> Result<Box<dyn Vm>, Error> {
        let (genesis, mut stand) = self.begin(&context.genesis)?;
        let logged = context.blocks.at(Height::GENESIS)?;
        if logged.is_some_and(|bytes| bytes != genesis.bytes()) {
            return Err(Error::fatal("the chain began with another genesis"));
        }
        let mut stored = None;
        if let Some((record, pieces)) = Record::load(&*context.store)? {
            if record.genesis != genesis.id() {
                return Err(Error::fatal(format!(
                    "the store is of a chain that began with {}, and this one began with {}",
                    record.genesis,
                    genesis.id()
                )));
            }
            let Tip { id, height } = record.tip;
            let logged = context.blocks.at(height)?;
            if let Some(other) = logged.map(|bytes| Id::hash(&bytes)).filter(|it| *it != id) {
                return Err(Error::fatal(format!(
                    "the stored state is of block {id}, and the chain has {other} at height {height}"
                )));
            }
            stored = Some((height, pieces));
            stand = self.restore(&record)?;
        }
        let machine = Arc::clone(&self.0);
        Ok(Box::new(MachineVm::new(machine, context, genesis.id(), stand, stored)))
    }

    fn contents(&self) -> Option<Arc<dyn BlockContents>> {
        Some(Arc::new(Named(names)))
    }
}

/// The names of a block's transactions.
fn names(block: &[u8]) -> Result<Vec<Id>, Error> {
    let block = format::parse(block)?;
    Ok(block.content::<format::Body>()?.transactions.iter().map(|(id, _)| *id).collect())
}
