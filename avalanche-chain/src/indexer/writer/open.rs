//! An index and a log that may not fit: what a start does about it.

use std::sync::Arc;

use avalanche_consensus::Height;
use avalanche_store::{Batch, Disk, KeyRange, LogReader, Order};
use avalanche_vm::BlockContents;

use super::{CLEAR_ROWS, Indexer};
use crate::indexer::mark::Mark;
use crate::indexer::reader::{Parts, not_a_block};
use crate::indexer::run::{self, CHUNK, Run};
use crate::{ChainBlock, Error};

/// What [`Indexer::catch_up`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// Blocks that were indexed.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Why an index that was there was given up since it was opened, if one was.
    pub rebuilt: Option<String>,
}

impl Indexer {
    /// Indexes what the log holds and the index does not, and makes it durable. An index that is
    /// not of this log, because the log lost blocks or is another one, is built again.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if log or store fail, [`Error::Vm`] if a block of the log cannot be read.
    /// What was indexed until then stays.
    pub fn catch_up<D: Disk>(
        &mut self,
        log: &LogReader<D>,
        contents: Option<&dyn BlockContents>,
    ) -> Result<CaughtUp, Error> {
        self.check()?;
        if let Some(reason) = self.differs(log)? {
            self.start_anew(reason).inspect_err(|_| self.failed = true)?;
        }
        let before = self.transactions();
        let from = self.height().map_or(Some(Height::GENESIS), Height::next);
        let mut blocks = 0;
        for logged in from.into_iter().flat_map(|from| log.range(from..)) {
            let block = ChainBlock::decode(logged?.bytes.into()).map_err(|e| not_a_block(&e))?;
            self.apply(&block, contents)?;
            blocks += 1;
        }
        if blocks > 0 {
            self.flush()?;
        }
        let transactions = self.transactions() - before;
        Ok(CaughtUp { blocks, transactions, rebuilt: self.rebuilt.clone() })
    }

    /// Why the index is not one of this log, if it is not.
    fn differs<D: Disk>(&self, log: &LogReader<D>) -> Result<Option<String>, Error> {
        let Some(Mark { height, block, .. }) = self.mark else { return Ok(None) };
        if let Some(first) = log.first()
            && height.next() < Some(first)
        {
            return Ok(Some(format!("it ends at height {height}, and the log begins at {first}")));
        }
        let logged = log.get(height)?.map(|logged| logged.id);
        Ok(match logged {
            Some(logged) if logged == block => None,
            Some(logged) => {
                Some(format!("it has block {block} at height {height}, and the log {logged}"))
            }
            None if log.last() >= Some(height) => None,
            None => Some(format!("it ends at height {height}, which the log does not have")),
        })
    }

    /// Finds which runs have rows: the next one has a number of its own, and those that the mark
    /// does not name are of no use.
    pub(super) fn find_runs(&mut self) -> Result<(), Error> {
        let known = self.lists.read().runs.clone();
        self.next_run = known.iter().map(|run| run.number + 1).max().unwrap_or_default();
        let mut next = Some(KeyRange::prefix(&[CHUNK]));
        while let Some(range) = next.take() {
            let row = self.store.range(range, Order::Ascending).next().transpose()?;
            let Some(number) = row.and_then(|(key, _)| run::number(&key)) else { break };
            self.next_run = self.next_run.max(number.saturating_add(1));
            if !known.iter().any(|run| run.number == number) {
                self.garbage.push(Arc::new(Run { number, level: 0 }));
            }
            let mut rest = KeyRange::prefix(&[CHUNK]);
            rest.start = run::range(number).end;
            if let std::ops::Bound::Excluded(after) = rest.start {
                rest.start = std::ops::Bound::Included(after);
                next = Some(rest);
            }
        }
        Ok(())
    }

    /// Removes every row.
    pub(super) fn start_anew(&mut self, reason: String) -> Result<(), Error> {
        tracing::warn!(reason, "the index cannot be used: it is built again from the block log");
        *self.lists.write() = Parts::default();
        self.merges.clear();
        self.garbage.clear();
        (self.mark, self.saved, self.recent_entries) = (None, None, 0);
        loop {
            let rows = self.store.range(KeyRange::all(), Order::Ascending).take(CLEAR_ROWS);
            let mut batch = Batch::new();
            for row in rows {
                batch.delete(row?.0);
            }
            if batch.is_empty() {
                break;
            }
            self.store.commit(batch)?;
        }
        self.rebuilt = Some(reason);
        self.sync()
    }
}
