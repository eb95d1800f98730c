//! Transactions that wait, the oldest first.

use std::collections::BTreeMap;

use avalanche_consensus::Id;

use crate::{Error, InvalidKind};

/// The most transactions that wait. Memory is bounded by that, times the longest transaction.
pub const POOL_MAX: usize = 10_000;

/// Waiting transactions. Those in undecided blocks wait, too.
#[derive(Debug, Default)]
pub(super) struct Pool {
    next: u64,
    order: BTreeMap<u64, (Id, Vec<u8>)>,
    names: BTreeMap<Id, u64>,
}

impl Pool {
    pub(super) fn insert(&mut self, id: Id, bytes: &[u8]) -> Result<(), Error> {
        if self.contains(&id) {
            return Err(Error::invalid(InvalidKind::Duplicate, "waits", format!("{id} waits")));
        }
        if self.len() >= POOL_MAX {
            let reason = format!("{POOL_MAX} transactions wait, which is all that may");
            return Err(Error::invalid(InvalidKind::Full, "pool_full", reason));
        }
        self.names.insert(id, self.next);
        self.order.insert(self.next, (id, bytes.to_vec()));
        self.next += 1;
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &Id) {
        self.names.remove(id).and_then(|place| self.order.remove(&place));
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.names.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Id, Vec<u8>)> {
        self.order.values()
    }
}
