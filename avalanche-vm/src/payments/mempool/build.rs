//! Choosing what goes into a block.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use avalanche_consensus::Id;

use super::Mempool;
use super::queue::{HeadKey, Queue, Waiting, cost};
use super::slots::Slot;
use crate::payments::block::transfers_in;
use crate::payments::{Account, Address, SignedTransfer};

/// How many senders whose next nonce is missing here are looked at, in case a block that is not
/// accepted has used it.
const PARKED_LOOKS_MAX: usize = 1_024;

/// A sender whose next transfer may be taken.
#[derive(Debug)]
struct Cursor<'a> {
    queue: &'a Queue,
    at: usize,
    balance: u128,
}

/// When a cursor is due: the least key is the greatest in a heap.
type Due = (Reverse<HeadKey>, usize);

impl<'a> Cursor<'a> {
    fn key(&self) -> Option<HeadKey> {
        self.queue.item(self.at).map(|item| item.key(false))
    }

    /// Takes the transfer, if the sender can pay it and it is not over.
    fn take(&mut self, second: u64) -> Option<&'a Waiting> {
        let item = self.queue.item(self.at)?;
        let transfer = item.view();
        self.balance = self.balance.checked_sub(cost(transfer))?;
        self.at += 1;
        (transfer.expiry() >= second).then_some(item)
    }

    /// When the next item is due, if it has the next nonce.
    fn next_key(&self) -> Option<HeadKey> {
        let nonce = |at: usize| self.queue.item(at).map(|item| item.view().nonce());
        let last = self.at.checked_sub(1).and_then(nonce)?;
        let next = self.queue.item(self.at)?;
        (last.checked_add(1) == Some(next.view().nonce())).then(|| next.key(false))
    }
}

impl Mempool {
    /// What a block of at most `bytes_max` bytes and a timestamp in that second should hold, on a
    /// state in which `account` tells what an address has: the transfer with the highest fee of all
    /// that can be applied next, again and again; the older of two with the same fee. Each sender
    /// pays with what it has in that state, not with what it gets in the block. Nothing is removed.
    ///
    /// A sender of whom blocks that are not accepted hold transfers is looked at when the fee of
    /// the first of those is due. A transfer whose nonce is above its sender's in the accepted
    /// state, and whose gap only blocks that are not accepted have closed, comes after all others;
    /// 1,024 senders are looked at for that.
    #[must_use]
    pub fn next_block(
        &self,
        bytes_max: usize,
        second: u64,
        account: impl FnMut(&Address) -> Account,
    ) -> Vec<SignedTransfer> {
        let chosen = self.choose(bytes_max, second, account);
        chosen.into_iter().map(|(_, transfer)| *transfer).collect()
    }

    /// As [`next_block`](Self::next_block), with names and without copies.
    pub(in crate::payments) fn choose(
        &self,
        bytes_max: usize,
        second: u64,
        mut account: impl FnMut(&Address) -> Account,
    ) -> Vec<(Id, &SignedTransfer)> {
        let room = transfers_in(bytes_max);
        let mut chosen = Vec::with_capacity(room.min(self.len()));
        let mut heads = self.heads.iter().peekable();
        let mut cursors: Vec<Cursor<'_>> = Vec::new();
        let mut next: BinaryHeap<Due> = BinaryHeap::new();
        let mut looks = PARKED_LOOKS_MAX;
        while chosen.len() < room {
            let best = next.peek().map(|(Reverse(key), _)| *key);
            let at = if let Some((head, slot)) =
                heads.next_if(|(key, _)| best.is_none_or(|best| **key < best))
            {
                if head.0 {
                    let Some(left) = looks.checked_sub(1) else { break };
                    looks = left;
                }
                let Some(cursor) = self.cursor(*slot, &mut account) else { continue };
                let Some(key) = cursor.key() else { continue };
                let at = cursors.len();
                cursors.push(cursor);
                // Its first transfer is due now; a later one when its fee is.
                if key != *head {
                    next.push((Reverse(key), at));
                    continue;
                }
                at
            } else {
                let Some((_, at)) = next.pop() else { break };
                at
            };
            let Some(cursor) = cursors.get_mut(at) else { break };
            let Some(taken) = cursor.take(second) else { continue };
            chosen.push((taken.id, &taken.transfer));
            if let Some(key) = cursor.next_key() {
                next.push((Reverse(key), at));
            }
        }
        chosen
    }

    /// A sender at its next nonce, if that waits.
    fn cursor(&self, slot: Slot, account: impl FnOnce(&Address) -> Account) -> Option<Cursor<'_>> {
        let queue = self.queues.get(slot)?;
        let account = account(&queue.sender());
        let at = queue.position(account.nonce).ok()?;
        Some(Cursor { queue, at, balance: account.balance.into() })
    }
}
