//! The waiting transfers of one sender, by nonce.

use std::cmp::Reverse;

use avalanche_consensus::Id;

use crate::payments::{Account, SignedTransfer, TransferRef};

/// A transfer that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) transfer: SignedTransfer,
    pub(super) id: Id,
    /// Which of all that were admitted it is.
    pub(super) arrival: u64,
}

impl Waiting {
    pub(super) fn view(&self) -> TransferRef<'_> {
        self.transfer.view()
    }

    /// Its place among the first of all senders, if it is not parked.
    pub(super) fn key(&self, parked: bool) -> HeadKey {
        (parked, Reverse(self.view().fee()), self.arrival)
    }
}

/// Orders the first transfers of all senders: those that could be built before those behind a gap,
/// then the higher fee, then the older.
pub(super) type HeadKey = (bool, Reverse<u64>, u64);

/// Orders the last transfers of all senders: what is evicted first is first. The least fee on the
/// way to it, or 0 behind a gap; then the younger.
pub(super) type TailKey = (u64, Reverse<u64>);

/// What waits of one sender.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The nonce of its account.
    nonce: u64,
    /// Amounts and fees of all together.
    needed: u128,
    /// In the order of nonces, each of which is there at most once.
    items: Vec<Waiting>,
}

/// What a transfer takes from its sender.
pub(super) fn cost(transfer: TransferRef<'_>) -> u128 {
    u128::from(transfer.amount()) + u128::from(transfer.fee())
}

impl Queue {
    pub(super) fn items(&self) -> &[Waiting] {
        &self.items
    }

    pub(super) fn needed(&self) -> u128 {
        self.needed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn at(&self, nonce: u64) -> Option<&Waiting> {
        self.position(nonce).ok().and_then(|at| self.items.get(at))
    }

    pub(super) fn position(&self, nonce: u64) -> Result<usize, usize> {
        self.items.binary_search_by_key(&nonce, |item| item.view().nonce())
    }

    pub(super) fn head_key(&self) -> Option<HeadKey> {
        let head = self.items.first()?;
        Some(head.key(head.view().nonce() != self.nonce))
    }

    pub(super) fn tail_key(&self) -> Option<TailKey> {
        let tail = self.items.last()?;
        Some((self.fee_to(tail.view().nonce(), u64::MAX), Reverse(tail.arrival)))
    }

    /// The least of `fee` and of the fees up to `nonce`; 0 if a nonce before it is missing.
    pub(super) fn fee_to(&self, nonce: u64, mut fee: u64) -> u64 {
        let mut next = self.nonce;
        for item in self.items.iter().map(Waiting::view) {
            if item.nonce() > nonce || item.nonce() != next {
                break;
            }
            if item.nonce() == nonce {
                return fee.min(item.fee());
            }
            fee = fee.min(item.fee());
            next += 1;
        }
        if next == nonce { fee } else { 0 }
    }

    /// Sets the account's nonce. [`settle`](Self::settle) removes what it has used.
    pub(super) fn set_nonce(&mut self, nonce: u64) {
        self.nonce = nonce;
    }

    /// Adds a transfer, and returns the one of the same nonce that was there.
    pub(super) fn put(&mut self, waiting: Waiting) -> Option<Waiting> {
        self.needed += cost(waiting.view());
        match self.position(waiting.view().nonce()) {
            Ok(at) => {
                let old = self.items.get_mut(at).map(|old| std::mem::replace(old, waiting))?;
                self.needed -= cost(old.view());
                Some(old)
            }
            Err(at) => {
                // Most senders have one or two, so room is made by halves, not by fours.
                if self.items.len() == self.items.capacity() {
                    self.items.reserve_exact((self.items.len() / 2).max(1));
                }
                self.items.insert(at, waiting);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, nonce: u64) -> Option<Waiting> {
        let at = self.position(nonce).ok()?;
        let removed = self.items.remove(at);
        self.needed -= cost(removed.view());
        Some(removed)
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let last = self.items.pop()?;
        self.needed -= cost(last.view());
        Some(last)
    }

    /// The account has changed: takes out what has a used nonce, and from the end what the balance
    /// does not reach for, together with what was needed before each of those went.
    pub(super) fn settle(&mut self, account: Account) -> (Vec<Waiting>, Vec<(Waiting, u128)>) {
        self.nonce = account.nonce;
        let used = self.items.partition_point(|item| item.view().nonce() < account.nonce);
        let used: Vec<_> = self.items.drain(..used).collect();
        self.needed -= used.iter().map(|item| cost(item.view())).sum::<u128>();
        let mut unpaid = Vec::new();
        while self.needed > u128::from(account.balance) {
            let needed = self.needed;
            let Some(last) = self.pop() else { break };
            unpaid.push((last, needed));
        }
        (used, unpaid)
    }
}
