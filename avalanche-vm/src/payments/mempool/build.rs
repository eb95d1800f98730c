//! Choosing what goes into a block.

use std::collections::BTreeMap;

use super::Mempool;
use super::queue::{HeadKey, Queue, cost};
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

impl Cursor<'_> {
    fn key(&self) -> Option<HeadKey> {
        self.queue.items().get(self.at).map(|item| item.key(false))
    }

    /// Takes the transfer, if the sender can pay it and it is not over.
    fn take(&mut self, second: u64) -> Option<SignedTransfer> {
        let item = self.queue.items().get(self.at)?;
        let transfer = item.view();
        self.balance = self.balance.checked_sub(cost(transfer))?;
        self.at += 1;
        (transfer.expiry() >= second).then_some(item.transfer)
    }

    /// Whether the next item has the next nonce.
    fn goes_on(&self) -> bool {
        let nonce = |at: usize| self.queue.items().get(at).map(|item| item.view().nonce());
        let last = self.at.checked_sub(1).and_then(nonce);
        last.is_some() && last.and_then(|last| last.checked_add(1)) == nonce(self.at)
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
        mut account: impl FnMut(&Address) -> Account,
    ) -> Vec<SignedTransfer> {
        let room = transfers_in(bytes_max);
        let mut chosen = Vec::with_capacity(room.min(self.len()));
        let mut heads = self.heads.iter().peekable();
        let mut next: BTreeMap<HeadKey, Cursor<'_>> = BTreeMap::new();
        let mut looks = PARKED_LOOKS_MAX;
        while chosen.len() < room {
            let best = next.first_key_value().map(|(key, _)| *key);
            if let Some((key, sender)) = heads.next_if(|(key, _)| best.is_none_or(|b| **key < b)) {
                if key.0 {
                    let Some(left) = looks.checked_sub(1) else { break };
                    looks = left;
                }
                let cursor = self.cursor(sender, account(sender));
                if let Some((cursor, key)) = cursor.and_then(|c| c.key().map(|key| (c, key))) {
                    next.insert(key, cursor);
                }
                continue;
            }
            let Some((_, mut cursor)) = next.pop_first() else { break };
            let Some(transfer) = cursor.take(second) else { continue };
            chosen.push(transfer);
            if let (true, Some(key)) = (cursor.goes_on(), cursor.key()) {
                next.insert(key, cursor);
            }
        }
        chosen
    }

    /// A sender at its next nonce, if that waits.
    fn cursor(&self, sender: &Address, account: Account) -> Option<Cursor<'_>> {
        let queue = self.queues.get(sender)?;
        let at = queue.position(account.nonce).ok()?;
        Some(Cursor { queue, at, balance: account.balance.into() })
    }
}
