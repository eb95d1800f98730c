//! Where transfers come in.

use async_trait::async_trait;
use avalanche_consensus::{Id, Timestamp};

use super::contents::Names;
use super::{PaymentsVm, checks};
use crate::payments::{BlockRef, TransferRef};
use crate::{Block, Error, TransactionStatus, Transactions};

#[async_trait]
impl Transactions for PaymentsVm {
    async fn submit(&mut self, transactions: &[&[u8]], now: Timestamp) -> Vec<Result<Id, Error>> {
        let all = transactions.iter().map(|bytes| (None, *bytes));
        self.take_in(all, now)
    }

    async fn submit_named(
        &mut self,
        transactions: &[(Id, &[u8])],
        now: Timestamp,
    ) -> Vec<Result<Id, Error>> {
        let all = transactions.iter().map(|(id, bytes)| (Some(*id), *bytes));
        self.take_in(all, now)
    }

    fn pending(&self) -> usize {
        self.mempool.len()
    }

    fn waiting(&self, limit: usize) -> Vec<Id> {
        self.mempool.iter().take(limit).map(|(id, _)| id).collect()
    }

    fn status(&self, id: &Id) -> TransactionStatus {
        if let Some(receipt) = self.reader.receipt(id) {
            return TransactionStatus::Accepted { height: receipt.height, index: receipt.index };
        }
        let mut blocks = self.processing.iter();
        if let Some((block, _)) = blocks.find(|(_, block)| block.names.contains(id)) {
            return TransactionStatus::Processing { block: *block };
        }
        if self.mempool.get(id).is_some() {
            return TransactionStatus::Pending;
        }
        match self.mempool.dropped(id) {
            Some(refusal) => {
                TransactionStatus::Dropped { code: refusal.code(), reason: refusal.to_string() }
            }
            None => TransactionStatus::Unknown,
        }
    }

    fn in_block(&self, block: &Block) -> Result<Vec<Id>, Error> {
        let decoded = BlockRef::decode(block.bytes())?;
        Ok(block.content::<Names>()?.of(decoded.transfers).to_vec())
    }
}

impl PaymentsVm {
    fn take_in<'a>(
        &mut self,
        transactions: impl Iterator<Item = (Option<Id>, &'a [u8])>,
        now: Timestamp,
    ) -> Vec<Result<Id, Error>> {
        self.saw(now);
        let idle = self.mempool.is_empty();
        let results = self.admit(transactions, now);
        if idle {
            self.tell();
        }
        results
    }

    /// Checks the signatures of all that can be read in one go, then admits one after another. What
    /// the mempool would refuse whatever its signature is not checked, so that it costs little.
    fn admit<'a>(
        &mut self,
        transactions: impl Iterator<Item = (Option<Id>, &'a [u8])>,
        now: Timestamp,
    ) -> Vec<Result<Id, Error>> {
        let second = now.as_nanos() / 1_000_000_000;
        let rules = *self.ledger.rules();
        let read: Vec<Result<(Id, TransferRef<'_>), Error>> = transactions
            .map(|(id, bytes)| {
                let transfer = TransferRef::decode(bytes)?;
                rules.check(transfer, second)?;
                Ok((id.unwrap_or_else(|| transfer.id()), transfer))
            })
            .collect();
        let good: Vec<_> = read.iter().filter_map(|one| one.as_ref().ok()).copied().collect();
        let bad = self.checked.check(&good, |id| self.mempool.contains(id));
        let mut place = 0..;
        let admitted = read.into_iter().map(|one| {
            let (id, transfer) = one?;
            let at = place.next().unwrap_or_default();
            if bad.binary_search(&at).is_ok() {
                return Err(checks::refusal(transfer).into());
            }
            let account = self.ledger.account(&transfer.sender());
            let admitted = self.mempool.insert_named(transfer, id, account, now);
            // It may come again at once, or in a block.
            if admitted.is_err() && !self.mempool.contains(&id) {
                self.checked.remember(id);
            }
            Ok(admitted?)
        });
        admitted.collect()
    }
}
