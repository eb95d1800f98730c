//! The parts of a chain in memory that a VM is given: accepted blocks, and who hears of its calls.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avalanche_consensus::{Height, Id, NodeId};

use crate::{AppSender, Block, BlockReader, Error, ToEngine};

/// Accepted blocks in memory, from genesis on.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<Vec<(Id, Vec<u8>)>>);

/// What a VM sent to other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A request.
    Request {
        /// The peer.
        to: NodeId,
        /// The VM's number of it.
        request: u64,
        /// How long it waits.
        deadline: Duration,
        /// What it asks.
        bytes: Vec<u8>,
    },
    /// A message to some.
    Gossip(Vec<u8>),
}

/// What a VM said without being asked.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    pending: u64,
    synced: u64,
    sent: Vec<Sent>,
}

/// A panic elsewhere leaves these lists whole.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryLog {
    /// Adds the next accepted block: genesis, then each before it is accepted by the VM.
    pub fn push(&self, block: &Block) {
        lock(&self.0).push((block.id(), block.bytes().to_vec()));
    }

    /// The name at a height.
    pub(super) fn id_at(&self, height: Height) -> Option<Id> {
        let at = usize::try_from(height.get()).ok()?;
        lock(&self.0).get(at).map(|(id, _)| *id)
    }

    fn find(&self, wanted: impl Fn(usize, &Id) -> bool) -> Option<Vec<u8>> {
        let blocks = lock(&self.0);
        let mut found = blocks.iter().enumerate().filter(|(at, (id, _))| wanted(*at, id));
        found.next().map(|(_, (_, bytes))| bytes.clone())
    }
}

impl BlockReader for MemoryLog {
    fn last_height(&self) -> Option<Height> {
        let last = lock(&self.0).len().checked_sub(1)?;
        u64::try_from(last).ok().map(Height::new)
    }

    fn at(&self, height: Height) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.find(|at, _| u64::try_from(at) == Ok(height.get())))
    }

    fn by_id(&self, id: &Id) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.find(|_, other| other == id))
    }
}

impl Heard {
    pub(super) fn pending(&self) -> u64 {
        lock(&self.0).pending
    }

    pub(super) fn synced(&self) -> u64 {
        lock(&self.0).synced
    }

    pub(super) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut lock(&self.0).sent)
    }
}

impl ToEngine for Heard {
    fn pending_transactions(&self) {
        lock(&self.0).pending += 1;
    }

    fn state_sync_done(&self) {
        lock(&self.0).synced += 1;
    }
}

impl AppSender for Heard {
    fn request(&self, to: NodeId, request: u64, deadline: Duration, bytes: Vec<u8>) {
        lock(&self.0).sent.push(Sent::Request { to, request, deadline, bytes });
    }

    fn gossip(&self, bytes: Vec<u8>) {
        lock(&self.0).sent.push(Sent::Gossip(bytes));
    }
}
