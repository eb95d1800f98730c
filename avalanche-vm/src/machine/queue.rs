//! Transactions that wait, the oldest first, and what became of those that do not any more.

use std::collections::{BTreeMap, VecDeque};

use avalanche_consensus::{Height, Id};

use super::{FATES_MAX, WAITING_BYTES_MAX, WAITING_MAX};
use crate::{Error, Invalid, InvalidKind, TransactionStatus};

/// Characters of a reason that are remembered.
const REASON_CHARS_MAX: usize = 200;

/// Waiting transactions. Those in undecided blocks wait, too.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: u64,
    bytes: usize,
    order: BTreeMap<u64, (Id, Vec<u8>)>,
    names: BTreeMap<Id, u64>,
    fates: BTreeMap<Id, TransactionStatus>,
    /// The names of `fates`, the oldest first.
    ended: VecDeque<Id>,
}

impl Queue {
    /// Whether there is room for it.
    pub(super) fn check(&self, id: &Id, len: usize) -> Result<(), Error> {
        if self.names.contains_key(id) {
            return Err(Error::invalid(InvalidKind::Duplicate, "waits", format!("{id} waits")));
        }
        let (count, bytes) = (self.order.len(), self.bytes.saturating_add(len));
        if count >= WAITING_MAX || bytes > WAITING_BYTES_MAX {
            let reason = format!(
                "{count} transactions of {} bytes wait; {WAITING_MAX} of {WAITING_BYTES_MAX} may",
                self.bytes
            );
            return Err(Error::invalid(InvalidKind::Full, "queue_full", reason));
        }
        Ok(())
    }

    /// Puts what was [checked](Self::check) at the end.
    pub(super) fn push(&mut self, id: Id, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.names.insert(id, self.next);
        self.order.insert(self.next, (id, bytes.to_vec()));
        self.next += 1;
    }

    pub(super) fn accepted(&mut self, id: Id, height: Height, index: u32) {
        self.end(id, TransactionStatus::Accepted { height, index });
    }

    pub(super) fn dropped(&mut self, id: Id, why: &Invalid) {
        let reason = why.reason.chars().take(REASON_CHARS_MAX).collect();
        self.end(id, TransactionStatus::Dropped { code: why.code, reason });
    }

    fn end(&mut self, id: Id, fate: TransactionStatus) {
        let place = self.names.remove(&id);
        if let Some((_, bytes)) = place.and_then(|place| self.order.remove(&place)) {
            self.bytes -= bytes.len();
        }
        if self.fates.insert(id, fate).is_none() {
            self.ended.push_back(id);
        }
        if self.ended.len() > FATES_MAX {
            self.ended.pop_front().and_then(|oldest| self.fates.remove(&oldest));
        }
    }

    /// Pending, or what became of it.
    pub(super) fn status(&self, id: &Id) -> TransactionStatus {
        if self.names.contains_key(id) {
            return TransactionStatus::Pending;
        }
        self.fates.get(id).cloned().unwrap_or(TransactionStatus::Unknown)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Id, Vec<u8>)> {
        self.order.values()
    }
}
