//! The waiting transfers of one sender, by nonce.

use std::cmp::Reverse;
use std::collections::VecDeque;

use avalanche_consensus::Id;

use crate::payments::{Account, Address, SignedTransfer, TransferRef};

/// A transfer that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) transfer: SignedTransfer,
    pub(super) id: Id,
    /// Which of all that were admitted it is.
    pub(super) arrival: u64,
    /// Whether the block that is being accepted has it.
    accepted: bool,
}

/// What left a queue when its sender's account changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    pub(super) id: Id,
    pub(super) nonce: u64,
    pub(super) why: Why,
}

/// Why it left.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// The block has it.
    Accepted,
    /// The block has another one of that nonce.
    NonceUsed,
    /// The balance does not reach for it: all together needed so much.
    Unpaid(u128),
}

impl Waiting {
    pub(super) const fn new(transfer: SignedTransfer, id: Id, arrival: u64) -> Self {
        Self { transfer, id, arrival, accepted: false }
    }

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
    sender: Address,
    /// The nonce of its account.
    nonce: u64,
    /// Amounts and fees of all together.
    needed: u128,
    /// In the order of nonces, each of which is there at most once.
    items: VecDeque<Waiting>,
    /// Whether the block that is being accepted has transfers of this sender.
    touched: bool,
}

/// Places for transfers that an empty queue keeps at most.
const ROOM_KEPT: usize = 4;

/// What a transfer takes from its sender.
pub(super) fn cost(transfer: TransferRef<'_>) -> u128 {
    u128::from(transfer.amount()) + u128::from(transfer.fee())
}

impl Queue {
    /// Nothing of a sender.
    pub(super) fn of(sender: Address) -> Self {
        Self { sender, ..Self::default() }
    }

    /// Takes the place of one that has ended.
    pub(super) fn begin(&mut self, sender: Address) {
        self.sender = sender;
    }

    /// Nobody's, and empty. It keeps a little room: the next sender needs as much.
    pub(super) fn end(&mut self) {
        let mut items = std::mem::take(&mut self.items);
        items.clear();
        let items = if items.capacity() > ROOM_KEPT { VecDeque::new() } else { items };
        *self = Self { items, ..Self::default() };
    }

    pub(super) const fn sender(&self) -> Address {
        self.sender
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Waiting> {
        self.items.iter()
    }

    pub(super) fn item(&self, at: usize) -> Option<&Waiting> {
        self.items.get(at)
    }

    pub(super) const fn needed(&self) -> u128 {
        self.needed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn at(&self, nonce: u64) -> Option<&Waiting> {
        self.position(nonce).ok().and_then(|at| self.items.get(at))
    }

    pub(super) fn position(&self, nonce: u64) -> Result<usize, usize> {
        // Nearly always there is no gap.
        if let Some(first) = self.items.front()
            && let Some(at) = nonce.checked_sub(first.view().nonce())
            && let Ok(at) = usize::try_from(at)
            && self.items.get(at).is_some_and(|item| item.view().nonce() == nonce)
        {
            return Ok(at);
        }
        self.items.binary_search_by_key(&nonce, |item| item.view().nonce())
    }

    pub(super) fn head_key(&self) -> Option<HeadKey> {
        let head = self.items.front()?;
        Some(head.key(head.view().nonce() != self.nonce))
    }

    pub(super) fn tail_key(&self) -> Option<TailKey> {
        let tail = self.items.back()?;
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
                // Most senders have one or two: 1, 2, 4, and by halves from there.
                let count = self.items.len();
                if count == self.items.capacity() {
                    self.items.reserve_exact(if count < 4 { count.max(1) } else { count / 2 });
                }
                self.items.insert(at, waiting);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, nonce: u64) -> Option<Waiting> {
        let at = self.position(nonce).ok()?;
        let removed = self.items.remove(at)?;
        self.needed -= cost(removed.view());
        Some(removed)
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let last = self.items.pop_back()?;
        self.needed -= cost(last.view());
        Some(last)
    }

    /// A block that is being accepted has this transfer of the sender. Returns whether it is the
    /// first one. [`settle`](Self::settle) comes after the last.
    pub(super) fn saw(&mut self, transfer: TransferRef<'_>) -> bool {
        let same = |item: &&mut Waiting| item.view() == transfer;
        if let Ok(at) = self.position(transfer.nonce())
            && let Some(item) = self.items.get_mut(at).filter(same)
        {
            item.accepted = true;
        }
        !std::mem::replace(&mut self.touched, true)
    }

    /// The account has changed: takes out what has a used nonce, and from the end what the balance
    /// does not reach for.
    pub(super) fn settle(&mut self, account: Account, gone: &mut Vec<Gone>) {
        self.touched = false;
        self.nonce = account.nonce;
        while let Some(item) = self.items.front() {
            let view = item.view();
            if view.nonce() >= account.nonce {
                break;
            }
            self.needed -= cost(view);
            let why = if item.accepted { Why::Accepted } else { Why::NonceUsed };
            gone.push(Gone { id: item.id, nonce: view.nonce(), why });
            self.items.pop_front();
        }
        while self.needed > u128::from(account.balance) {
            let needed = self.needed;
            let Some(last) = self.pop() else { break };
            let (id, nonce) = (last.id, last.view().nonce());
            gone.push(Gone { id, nonce, why: Why::Unpaid(needed) });
        }
    }
}
