//! Reading an index while it is written.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use avalanche_consensus::{Height, Id};
use avalanche_store::{Disk, KeyValue, LogReader};
use avalanche_vm::BlockContents;
use bytes::Bytes;

use super::damaged;
use super::entry::{self, Entry, Kind};
use super::run::{Run, RunCursor};
use crate::{AddressPage, ChainBlock, Cursor, Error};

/// The accepted blocks of a chain: a reader of its log.
pub trait IndexedBlocks: Send + Sync {
    /// The VM's block at a height; `None` if it is not there any more.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] and [`Error::Vm`] if it cannot be read.
    fn payload(&self, height: Height) -> Result<Option<Bytes>, Error>;
}

impl<D: Disk> IndexedBlocks for LogReader<D> {
    fn payload(&self, height: Height) -> Result<Option<Bytes>, Error> {
        let logged = self.get(height)?;
        let decode = |bytes: Vec<u8>| ChainBlock::decode(bytes.into());
        match logged.map(|logged| decode(logged.bytes)).transpose() {
            Ok(block) => Ok(block.map(|block| block.payload())),
            Err(error) => Err(not_a_block(&error)),
        }
    }
}

pub(super) fn not_a_block(error: &crate::BlockError) -> Error {
    Error::Vm(avalanche_vm::Error::fatal(format!("the log holds no block: {error}")))
}

/// Reads the index of one chain. A clone reads the same. Calls may wait for the disk.
///
/// A look-up takes a read of each run, of which there are about 8 for each factor of 8 beyond
/// 64 k entries; each answer takes a read of its block, too.
#[derive(Clone)]
pub struct IndexReader {
    store: Arc<dyn KeyValue>,
    lists: Arc<Lists>,
    blocks: Arc<dyn IndexedBlocks>,
    contents: Option<Arc<dyn BlockContents>>,
}

/// What an index is made of, for writer and readers.
#[derive(Debug, Default)]
pub(super) struct Lists(RwLock<Parts>);

/// All entries: those in memory, and the runs in the store.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// One sorted list for each of the newest blocks.
    pub(super) recent: Vec<Arc<[Entry]>>,
    /// The oldest first. Whoever holds one keeps its rows.
    pub(super) runs: Vec<Arc<Run>>,
}

impl Lists {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Parts> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Parts> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IndexReader {
    /// The most transactions of a page.
    pub const PAGE_MAX: usize = 256;

    pub(super) fn new(
        store: Arc<dyn KeyValue>,
        lists: Arc<Lists>,
        blocks: Arc<dyn IndexedBlocks>,
        contents: Option<Arc<dyn BlockContents>>,
    ) -> Self {
        Self { store, lists, blocks, contents }
    }

    /// Where a transaction was accepted; `None` if it was not, as far as is indexed. One that was
    /// accepted twice, where a VM allows it, is found at its last place.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] and [`Error::Vm`] if index or log cannot be read.
    pub fn transaction(&self, id: &Id) -> Result<Option<Cursor>, Error> {
        let parts = self.parts();
        let mut names = Names::new(self);
        let mut found = self.newest(&parts, Kind::Transaction.first(id.as_bytes()))?;
        while let Some(at) = found.next()? {
            // A block that is gone cannot say it: its first 16 bytes have.
            if names.of(at)?.is_none_or(|name| name == *id) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// The height of the accepted block that has this block of the VM in it.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] and [`Error::Vm`] if index or log cannot be read.
    pub fn vm_block(&self, id: &Id) -> Result<Option<Height>, Error> {
        let parts = self.parts();
        let mut found = self.newest(&parts, Kind::VmBlock.first(id.as_bytes()))?;
        while let Some(Cursor { height, .. }) = found.next()? {
            let payload = self.blocks.payload(height)?;
            if payload.is_none_or(|payload| Id::hash(&payload) == *id) {
                return Ok(Some(height));
            }
        }
        Ok(None)
    }

    /// The accepted transactions that touch an address, newest first: at most `limit`, and
    /// [`PAGE_MAX`](Self::PAGE_MAX). With `before`, those before that place: give
    /// [`AddressPage::next`] back to go on. It ends where the log begins.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] and [`Error::Vm`] if index or log cannot be read.
    pub fn address(
        &self,
        address: &[u8; 32],
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<AddressPage, Error> {
        let limit = limit.min(Self::PAGE_MAX);
        let parts = self.parts();
        let start = match before {
            Some(before) => Kind::Address.entry(address, before),
            None => Kind::Address.first(address),
        };
        let mut names = Names::new(self);
        let mut page = AddressPage::default();
        let mut found = self.newest(&parts, start)?;
        while let Some(at) = found.next()? {
            if Some(at) == before {
                continue;
            }
            if page.transactions.len() >= limit {
                page.next = page.transactions.last().map(|(cursor, _)| *cursor);
                break;
            }
            let Some(name) = names.of(at)? else { break };
            page.transactions.push((at, name));
        }
        Ok(page)
    }

    fn parts(&self) -> Parts {
        self.lists.read().clone()
    }

    /// What is about the name of `start`, from there on.
    fn newest<'a>(&'a self, parts: &'a Parts, start: Entry) -> Result<Newest<'a>, Error> {
        let recent = parts.recent.iter().map(|entries| {
            entries.get(entries.partition_point(|entry| *entry < start)..).unwrap_or_default()
        });
        let runs = parts.runs.iter();
        let runs = runs.map(|run| RunCursor::seek(&*self.store, run.number, &start));
        Ok(Newest {
            store: &*self.store,
            start,
            recent: recent.collect(),
            runs: runs.collect::<Result<_, _>>()?,
        })
    }
}

impl fmt::Debug for IndexReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexReader").field("store", &self.store).finish_non_exhaustive()
    }
}

/// All parts of an index together, in order.
struct Newest<'a> {
    store: &'a dyn KeyValue,
    start: Entry,
    recent: Vec<&'a [Entry]>,
    runs: Vec<RunCursor>,
}

impl Newest<'_> {
    /// The next place of the name.
    fn next(&mut self) -> Result<Option<Cursor>, Error> {
        let recent = self.recent.iter().filter_map(|entries| entries.first());
        let least = recent.chain(self.runs.iter().filter_map(RunCursor::head)).min();
        let Some(least) = least.copied().filter(|one| entry::same_name(one, &self.start)) else {
            return Ok(None);
        };
        for entries in &mut self.recent {
            if let Some((first, rest)) = entries.split_first()
                && *first == least
            {
                *entries = rest;
            }
        }
        for run in &mut self.runs {
            if run.head() == Some(&least) {
                run.advance(self.store)?;
            }
        }
        Ok(Some(entry::place(&least)))
    }
}

/// Names of transactions, from the log. It keeps the last block.
struct Names<'a> {
    reader: &'a IndexReader,
    last: Option<(Height, Option<Bytes>)>,
}

impl<'a> Names<'a> {
    const fn new(reader: &'a IndexReader) -> Self {
        Self { reader, last: None }
    }

    /// The name of the transaction at a place; `None` if its block is gone.
    fn of(&mut self, at: Cursor) -> Result<Option<Id>, Error> {
        let Some(contents) = &self.reader.contents else { return Ok(None) };
        let payload = match self.last.take() {
            Some((height, payload)) if height == at.height => payload,
            _ => self.reader.blocks.payload(at.height)?,
        };
        let name = match &payload {
            Some(payload) => {
                let name = contents.name(payload, at.index)?;
                Some(name.ok_or_else(|| {
                    damaged("the index has a transaction that its block does not have")
                })?)
            }
            None => None,
        };
        self.last = Some((at.height, payload));
        Ok(name)
    }
}
