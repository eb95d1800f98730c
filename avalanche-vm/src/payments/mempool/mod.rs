//! Transfers that wait for a block.

mod build;
mod config;
mod drops;
mod expiries;
mod queue;
mod slots;
mod tails;

use std::collections::{BTreeMap, HashMap};

use avalanche_consensus::{HashKey, Id, Timestamp};

pub use self::config::{MempoolConfig, MempoolConfigError};
use self::drops::Drops;
use self::expiries::{Entry, Expiries};
use self::queue::{Gone, HeadKey, Queue, Waiting, Why, cost};
use self::slots::{Slot, Slots};
use self::tails::Tails;
use super::{Account, Address, Refusal, Rules, SignedTransfer, TransferRef, Transfers};

/// Expiries of transfers that have gone, beside as many as wait, before they are removed.
const GONE_MAX: usize = 1_024;

/// Transfers that wait for a block: a queue for each sender, in the order of nonces.
///
/// # Rules
///
/// - Nonces from the account's on may come in any order, as many as
///   [`sender_max`](MempoolConfig::sender_max). One behind a gap waits, and is not built.
/// - The sender has to be able to pay all that waits of it at once.
/// - A transfer of a nonce that waits takes its place for a fee that is higher by
///   [some hundredths](MempoolConfig::replacement_percent), rounded up, and by 1 at least.
/// - When it is full, a newcomer needs more than what goes first: the last transfer of the sender
///   with the least fee, since what is behind a low fee cannot be built before it. A transfer
///   behind a gap counts as one with fee 0. Among equals the youngest goes.
/// - What has gone without being accepted has a [reason](Self::dropped), for a bounded time.
///
/// The same calls in the same order have the same results. Signatures are checked by the caller.
///
/// # Memory
///
/// Measured with 100,000 transfers: 560 bytes a transfer if each has a sender of its own, 395 if
/// a sender has 16; and what is kept of drops.
#[derive(Debug)]
pub struct Mempool {
    config: MempoolConfig,
    rules: Rules,
    queues: Slots,
    by_id: HashMap<Id, (Slot, u64), HashKey>,
    heads: BTreeMap<HeadKey, Slot>,
    tails: Tails,
    expiries: Expiries,
    drops: Drops,
    arrivals: u64,
}

impl Mempool {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// [`MempoolConfigError`].
    pub fn new(
        key: HashKey,
        config: MempoolConfig,
        rules: Rules,
    ) -> Result<Self, MempoolConfigError> {
        config.check()?;
        Ok(Self {
            config,
            rules,
            queues: Slots::new(key),
            by_id: HashMap::with_hasher(key),
            heads: BTreeMap::new(),
            tails: Tails::default(),
            expiries: Expiries::default(),
            drops: Drops::new(key, config.drops_max),
            arrivals: 0,
        })
    }

    /// How many transfers wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The waiting transfer of that name.
    #[must_use]
    pub fn get(&self, id: &Id) -> Option<&SignedTransfer> {
        let (slot, nonce) = self.by_id.get(id)?;
        self.queues.get(*slot)?.at(*nonce).map(|item| &item.transfer)
    }

    /// The name of a transfer, if exactly this one waits: cheaper than working the name out.
    pub(in crate::payments) fn name_of(&self, transfer: TransferRef<'_>) -> Option<Id> {
        let queue = self.queues.get(self.queues.of(&transfer.sender())?)?;
        let item = queue.at(transfer.nonce())?;
        (item.view() == transfer).then_some(item.id)
    }

    /// Whether a transfer of that name waits.
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        self.by_id.contains_key(id)
    }

    /// What waits of a sender, in the order of nonces, with its names.
    pub fn of_sender<'a>(
        &'a self,
        sender: &Address,
    ) -> impl Iterator<Item = (Id, &'a SignedTransfer)> + use<'a> {
        let queue = self.queues.of(sender).and_then(|slot| self.queues.get(slot));
        queue.into_iter().flat_map(Queue::items).map(|item| (item.id, &item.transfer))
    }

    /// All that waits, with its names: what expires first is first.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &SignedTransfer)> {
        let waiting = self.expiries.iter().filter_map(|entry| waiting(&self.queues, entry));
        waiting.map(|item| (item.id, &item.transfer))
    }

    /// Why a transfer no longer waits, if it was dropped not long ago and did not come back.
    #[must_use]
    pub fn dropped(&self, id: &Id) -> Option<&Refusal> {
        self.drops.get(id)
    }

    /// How many were dropped, ever.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.drops.count()
    }

    /// Admits a transfer whose signature was checked. `account` is its sender's in the accepted
    /// state.
    ///
    /// # Errors
    ///
    /// Those of [`Rules::check`]; [`Refusal::AlreadyPending`], [`Refusal::UnknownAccount`],
    /// [`Refusal::NonceTooLow`], [`Refusal::NonceTooHigh`], [`Refusal::ReplacementFeeTooLow`],
    /// [`Refusal::InsufficientFunds`], [`Refusal::MempoolFull`], in this order. Nothing changes.
    pub fn insert(
        &mut self,
        transfer: SignedTransfer,
        account: Account,
        now: Timestamp,
    ) -> Result<Id, Refusal> {
        self.insert_named(transfer.view(), transfer.id(), account, now)
    }

    /// As [`insert`](Self::insert), for those who know its name already.
    pub(in crate::payments) fn insert_named(
        &mut self,
        view: TransferRef<'_>,
        id: Id,
        account: Account,
        now: Timestamp,
    ) -> Result<Id, Refusal> {
        self.rules.check(view, second(now))?;
        if self.contains(&id) {
            return Err(Refusal::AlreadyPending { id });
        }
        let (sender, nonce, fee) = (view.sender(), view.nonce(), view.fee());
        self.check_nonce(sender, nonce, account)?;
        let empty = Queue::default();
        let slot = self.queues.of(&sender);
        let queue = slot.and_then(|slot| self.queues.get(slot)).unwrap_or(&empty);
        let old = queue.at(nonce).map(Waiting::view);
        if let Some(old) = old {
            let min = self.config.replacement_fee(old.fee());
            if min.is_none_or(|min| fee < min) {
                let min = min.unwrap_or(u64::MAX);
                return Err(Refusal::ReplacementFeeTooLow { sender, nonce, fee, min });
            }
        }
        let needed = queue.needed() + cost(view) - old.map_or(0, cost);
        let balance = account.balance;
        if needed > u128::from(balance) {
            return Err(Refusal::InsufficientFunds { sender, nonce, needed, balance });
        }
        if old.is_none() && self.len() >= self.config.room() {
            // An empty queue does not know its account yet.
            let fee = if queue.is_empty() {
                first_fee(account, nonce, fee)
            } else {
                queue.fee_to(nonce, fee)
            };
            self.make_room(fee)?;
        }
        self.admit(view, id, account);
        Ok(id)
    }

    /// Drops what no block can hold any more. Returns how many.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let now = second(now);
        let mut count = 0;
        while let Some((expiry, entries)) = self.expiries.pop_before(now) {
            for entry in entries {
                if waiting(&self.queues, &entry).is_none() {
                    continue;
                }
                let Entry { slot, nonce, .. } = entry;
                if let Some(removed) = self.edit(slot, |queue| queue.remove(nonce)).flatten() {
                    let sender = removed.view().sender();
                    self.forget(&removed.id);
                    self.drops.add(removed.id, Refusal::Expired { sender, nonce, expiry, now });
                    count += 1;
                }
            }
        }
        self.tails.forget_below_half(self.len(), self.config.room());
        count
    }

    /// A block was accepted: its transfers go, and with them what its senders can no longer send.
    /// `account` tells what an address has in the accepted state, with the block.
    pub fn accept(
        &mut self,
        transfers: Transfers<'_>,
        mut account: impl FnMut(&Address) -> Account,
    ) {
        let mut touched = Vec::new();
        for transfer in transfers.iter() {
            if let Some(slot) = self.queues.of(&transfer.sender())
                && self.queues.get_mut(slot).is_some_and(|queue| queue.saw(transfer))
            {
                touched.push(slot);
            }
        }
        let mut gone = Vec::new();
        for slot in touched {
            let Some(sender) = self.queues.get(slot).map(Queue::sender) else { continue };
            let now = account(&sender);
            self.edit(slot, |queue| queue.settle(now, &mut gone));
            for Gone { id, nonce, why } in gone.drain(..) {
                self.forget(&id);
                let reason = match why {
                    Why::Accepted => continue,
                    Why::NonceUsed => Refusal::NonceTooLow { sender, nonce, expected: now.nonce },
                    Why::Unpaid(needed) => {
                        let balance = now.balance;
                        Refusal::InsufficientFunds { sender, nonce, needed, balance }
                    }
                };
                self.drops.add(id, reason);
            }
        }
        self.tails.forget_below_half(self.len(), self.config.room());
    }

    /// A block was rejected: those of its transfers that can be admitted wait again. Returns how
    /// many came back; those that were here all the time do not count. What is refused is dropped
    /// with its reason, but for used nonces: the transfer may be in the block that was accepted.
    pub fn reject(
        &mut self,
        transfers: Transfers<'_>,
        now: Timestamp,
        account: impl FnMut(&Address) -> Account,
    ) -> usize {
        let named = transfers.iter().map(|transfer| (transfer.id(), transfer));
        self.reject_named(named, now, account)
    }

    /// As [`reject`](Self::reject), for those who know the names.
    pub(in crate::payments) fn reject_named<'a>(
        &mut self,
        transfers: impl Iterator<Item = (Id, TransferRef<'a>)>,
        now: Timestamp,
        mut account: impl FnMut(&Address) -> Account,
    ) -> usize {
        let mut count = 0;
        for (id, transfer) in transfers {
            // Most were here all the time.
            if self.contains(&id) {
                continue;
            }
            match self.insert_named(transfer, id, account(&transfer.sender()), now) {
                Ok(_id) => count += 1,
                Err(Refusal::AlreadyPending { .. } | Refusal::NonceTooLow { .. }) => {}
                Err(reason) => self.drops.add(id, reason),
            }
        }
        count
    }

    fn check_nonce(&self, sender: Address, nonce: u64, account: Account) -> Result<(), Refusal> {
        let expected = account.nonce;
        // No account uses the greatest number.
        let max = expected.saturating_add(self.config.sender_max - 1).min(u64::MAX - 1);
        if account.is_absent() {
            Err(Refusal::UnknownAccount { sender, nonce })
        } else if nonce < expected {
            Err(Refusal::NonceTooLow { sender, nonce, expected })
        } else if nonce > max {
            Err(Refusal::NonceTooHigh { sender, nonce, max })
        } else {
            Ok(())
        }
    }

    /// Evicts one transfer for a newcomer of that fee.
    fn make_room(&mut self, fee: u64) -> Result<(), Refusal> {
        let count = self.len();
        let Some(((lowest, _), slot)) = self.tails.first(&self.queues) else { return Ok(()) };
        if fee <= lowest {
            return Err(Refusal::MempoolFull { fee, lowest, count });
        }
        if let Some(evicted) = self.edit(slot, Queue::pop).flatten() {
            self.forget(&evicted.id);
            self.drops.add(evicted.id, Refusal::Evicted { fee: lowest, count });
        }
        Ok(())
    }

    /// Puts a transfer in, and takes out the one of the same nonce.
    fn admit(&mut self, view: TransferRef<'_>, id: Id, account: Account) {
        let (sender, nonce, fee) = (view.sender(), view.nonce(), view.fee());
        let arrival = self.arrivals;
        let item = Waiting::new(view.to_owned(), id, arrival);
        self.arrivals += 1;
        let slot = self.queues.of_or_new(sender);
        let replaced = self.edit(slot, |queue| {
            queue.set_nonce(account.nonce);
            queue.put(item)
        });
        if let Some(old) = replaced.flatten() {
            self.forget(&old.id);
            let reason = Refusal::Replaced { by: id, fee: old.view().fee(), higher: fee };
            self.drops.add(old.id, reason);
        }
        self.by_id.insert(id, (slot, nonce));
        self.expiries.add(view.expiry(), Entry { slot, nonce, arrival });
        if self.expiries.len() > 2 * self.len() + GONE_MAX {
            let queues = &self.queues;
            self.expiries.retain(|entry| waiting(queues, entry).is_some());
        }
        self.drops.forget(&id);
    }

    /// Takes a transfer that left its queue out of what finds it by name.
    fn forget(&mut self, id: &Id) {
        self.by_id.remove(id);
    }

    /// Changes the queue in a slot, and keeps what orders senders as the queue then is.
    fn edit<R>(&mut self, slot: Slot, work: impl FnOnce(&mut Queue) -> R) -> Option<R> {
        let Self { queues, heads, tails, .. } = self;
        let queue = queues.get_mut(slot)?;
        let tail = |queue: &Queue| tails.are_kept().then(|| queue.tail_key()).flatten();
        let (old_head, old_tail) = (queue.head_key(), tail(queue));
        let result = work(queue);
        let (head, tail, is_empty) = (queue.head_key(), tail(queue), queue.is_empty());
        if old_head != head {
            old_head.map(|key| heads.remove(&key));
            head.map(|key| heads.insert(key, slot));
        }
        tails.change(slot, old_tail, tail);
        if is_empty {
            queues.release(slot);
        }
        Some(result)
    }
}

fn first_fee(account: Account, nonce: u64, fee: u64) -> u64 {
    if nonce == account.nonce { fee } else { 0 }
}

/// The transfer of an entry, if it still waits.
fn waiting<'a>(queues: &'a Slots, entry: &Entry) -> Option<&'a Waiting> {
    let item = queues.get(entry.slot)?.at(entry.nonce)?;
    (item.arrival == entry.arrival).then_some(item)
}

/// The second that expiries are compared with.
fn second(now: Timestamp) -> u64 {
    now.as_nanos() / 1_000_000_000
}
