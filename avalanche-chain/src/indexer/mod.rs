//! The index of a chain: where a transaction is, what touched an address.
//!
//! Everything here follows from the accepted blocks in the log: an index that is lost, damaged, or
//! of another version is built again. So nothing is synced block by block: a crash costs the rows of
//! the last [`Indexer::FLUSH_BLOCKS`] blocks, which [`Indexer::catch_up`] writes again.
//!
//! ```text
//!   log --> ChainBlock --> BlockContents --> rows, sorted --> one batch, with the new mark
//! ```
//!
//! # Rows
//!
//! | Key | Value |
//! |---|---|
//! | `a`, address (32), complement of the height (8), complement of the first place (4) | for each transaction of that block that touches the address, in order: place (4), name (32) |
//! | `m` | version (1), height (8), name (32) of the last block, number of transactions so far (8) |
//! | `t`, name of a transaction (32) | height (8), place (4) |
//! | `v`, name of a VM's block (32) | height (8) |
//!
//! Numbers are big-endian. Of an address, newer rows come first; one row has at most
//! [`ENTRIES_MAX`](rows::ENTRIES_MAX) transactions. A transaction that was accepted twice, where a
//! VM allows it, is found at its last place.

mod reader;
mod rows;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use avalanche_consensus::{Height, Id};
use avalanche_store::{Batch, Disk, KeyRange, KeyValue, LogReader, Order};
use avalanche_vm::BlockContents;

pub use reader::IndexReader;
use rows::Mark;

use crate::{ChainBlock, Error};

/// Rows of several blocks that are committed at once while catching up.
const BATCH_ROWS: usize = 1 << 15;
/// Rows that are removed at once.
const CLEAR_ROWS: usize = 1 << 13;

/// Writes the index of one chain. There is one writer; it blocks, so give it a thread that may.
///
/// # Memory
///
/// For the block that is written, about 250 bytes a transaction; nothing between blocks but the
/// store's own cache.
pub struct Indexer {
    store: Arc<dyn KeyValue>,
    mark: Option<Mark>,
    unflushed: u64,
    rebuilt: Option<String>,
}

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
    /// Blocks after which rows are synced.
    pub const FLUSH_BLOCKS: u64 = 64;

    /// Opens the index in a store, or in a part of one ([`Prefixed`](avalanche_store::Prefixed)),
    /// that holds nothing else. One that cannot be used is emptied: see [`rebuilt`](Self::rebuilt).
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails. If that says that it is damaged, remove its folder and
    /// open it again: the index is built from the log.
    pub fn open(store: Arc<dyn KeyValue>) -> Result<Self, Error> {
        let mut indexer = Self { store, mark: None, unflushed: 0, rebuilt: None };
        match indexer.store.get(rows::MARK)?.as_deref().map(Mark::decode) {
            Some(Ok(mark)) => indexer.mark = Some(mark),
            Some(Err(reason)) => indexer.start_anew(reason)?,
            None => {
                // Batches are atomic: rows without a mark are not of an indexer.
                let row = indexer.store.range(KeyRange::all(), Order::Ascending).next();
                if row.transpose()?.is_some() {
                    indexer
                        .start_anew("it has rows and does not say of which height".to_owned())?;
                }
            }
        }
        Ok(indexer)
    }

    /// The last height that is indexed; `None` if none is.
    #[must_use]
    pub fn height(&self) -> Option<Height> {
        self.mark.map(|mark| mark.height)
    }

    /// Transactions that are indexed, each as often as it was accepted.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.mark.map_or(0, |mark| mark.transactions)
    }

    /// Why the index was emptied since it was opened, if it was.
    #[must_use]
    pub fn rebuilt(&self) -> Option<&str> {
        self.rebuilt.as_deref()
    }

    /// Reads the index from any thread, while this goes on.
    #[must_use]
    pub fn reader(&self) -> IndexReader {
        IndexReader::new(Arc::clone(&self.store))
    }

    /// Indexes the next accepted block and returns the names of its transactions, in their order.
    /// Rows of a height that is indexed already are not written again; an empty index takes any
    /// height.
    ///
    /// `contents` is `None` for a VM without transactions.
    ///
    /// # Errors
    ///
    /// [`Error::Store`], among it [`WrongHeight`](avalanche_store::Error::WrongHeight) for a block
    /// that is not next; [`Error::Vm`] if the block's contents cannot be read. Nothing is written.
    pub fn apply(
        &mut self,
        block: &ChainBlock,
        contents: Option<&dyn BlockContents>,
    ) -> Result<Vec<Id>, Error> {
        let mut batch = Batch::new();
        let (ids, mark) = self.stage(&mut batch, self.mark, block, contents)?;
        if let Some(mark) = mark {
            self.commit(batch, mark, 1)?;
        }
        Ok(ids)
    }

    /// Indexes what the log holds and the index does not. An index that is not of this log, because
    /// the log lost blocks or is another one, is built again.
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
        if let Some(reason) = self.differs(log)? {
            self.start_anew(reason)?;
        }
        let before = self.transactions();
        let from = self.height().map_or(Some(Height::GENESIS), Height::next);
        let (mut batch, mut mark, mut staged, mut blocks) = (Batch::new(), self.mark, 0, 0);
        for logged in from.into_iter().flat_map(|from| log.range(from..)) {
            let block = ChainBlock::decode(logged?.bytes.into()).map_err(|error| {
                Error::Vm(avalanche_vm::Error::fatal(format!("the log holds no block: {error}")))
            })?;
            let (_, next) = self.stage(&mut batch, mark, &block, contents)?;
            mark = next.or(mark);
            staged += 1;
            blocks += 1;
            if batch.len() >= BATCH_ROWS
                && let Some(mark) = mark
            {
                self.commit(std::mem::take(&mut batch), mark, staged)?;
                staged = 0;
            }
        }
        if let Some(mark) = mark.filter(|_| staged > 0) {
            self.commit(batch, mark, staged)?;
        }
        if blocks > 0 {
            self.flush()?;
        }
        let transactions = self.transactions() - before;
        Ok(CaughtUp { blocks, transactions, rebuilt: self.rebuilt.clone() })
    }

    /// Makes all rows durable. Call it before the end, so that the next start has nothing to do.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.unflushed = 0;
        Ok(self.store.flush()?)
    }

    /// Adds a block's rows to a batch on an index that ends with `mark`. Returns its names, and the
    /// mark that belongs to the batch if the block is a new one.
    fn stage(
        &self,
        batch: &mut Batch,
        mark: Option<Mark>,
        block: &ChainBlock,
        contents: Option<&dyn BlockContents>,
    ) -> Result<(Vec<Id>, Option<Mark>), Error> {
        let (height, payload) = (block.height(), block.payload());
        let (mut names, mut touched) = (Vec::new(), Vec::new());
        if let Some(contents) = contents {
            contents.transactions(&payload, &mut |name, addresses| {
                // A block's bytes have no room for more than 32 bits can count.
                let place = u32::try_from(names.len()).unwrap_or(u32::MAX);
                touched.extend(addresses.iter().map(|address| (*address, place)));
                names.push(name);
            })?;
        }
        if let Some(Mark { height: last, .. }) = mark {
            if height <= last {
                return Ok((names, None));
            }
            let expected = last.next().unwrap_or(Height::MAX);
            if height != expected {
                let wrong = avalanche_store::Error::WrongHeight { given: height, expected };
                return Err(Error::Store(wrong));
            }
        }
        rows::stage(batch, height, &names, touched, Id::hash(&payload));
        let count = u64::try_from(names.len()).unwrap_or(u64::MAX);
        let transactions = mark.map_or(0, |mark| mark.transactions).saturating_add(count);
        Ok((names, Some(Mark { height, block: block.id(), transactions })))
    }

    fn commit(&mut self, mut batch: Batch, mark: Mark, blocks: u64) -> Result<(), Error> {
        batch.put(rows::MARK, mark.encode());
        self.store.commit(batch)?;
        self.mark = Some(mark);
        self.unflushed += blocks;
        if self.unflushed >= Self::FLUSH_BLOCKS {
            self.flush()?;
        }
        Ok(())
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

    /// Removes every row.
    fn start_anew(&mut self, reason: String) -> Result<(), Error> {
        tracing::warn!(reason, "the index cannot be used: it is built again from the block log");
        self.mark = None;
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
        self.flush()
    }
}

impl fmt::Debug for Indexer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexer")
            .field("store", &self.store)
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}
