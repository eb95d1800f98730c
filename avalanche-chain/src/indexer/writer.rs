//! Writing an index: entries into memory, from there into runs, and runs into longer ones.

mod open;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use avalanche_consensus::{Height, Id};
use avalanche_store::{Batch, KeyValue, Order};
use avalanche_vm::{Block, BlockContents};

pub use self::open::CaughtUp;
use super::entry::{self, Entry};
use super::mark::{MARK, Mark, Saved};
use super::merge::Merge;
use super::reader::{IndexReader, IndexedBlocks, Lists};
use super::run::{self, Run, put_chunk};
use crate::{ChainBlock, Error};

/// Rows that are removed at once.
const CLEAR_ROWS: usize = 256;
/// Blocks of at most so many bytes are indexed in some microseconds if nothing is written.
const QUICK_BYTES: usize = 4 << 10;

/// Hears of each transaction of a block and the addresses that it touches.
type Visit<'a> = dyn FnMut(Id, &[[u8; 32]]) + 'a;

/// Writes the index of one chain. There is one writer. Calls may wait for the disk: give it a
/// thread that may.
///
/// # Cost
///
/// Memory: 65,536 entries of 29 bytes, and a chunk for each run that is being merged; about 150
/// bytes for each transaction of the block that is written. A payment has three entries. Merging is
/// spread over blocks: each pays for about twice as many entries as it has, for each level.
pub struct Indexer {
    store: Arc<dyn KeyValue>,
    bounds: Bounds,
    lists: Arc<Lists>,
    /// The last block that was indexed, and the last one whose entries are in the store.
    mark: Option<Mark>,
    saved: Option<Mark>,
    recent_entries: usize,
    next_run: u64,
    merges: BTreeMap<u8, Merge>,
    /// Runs whose rows are to be removed when no reader holds them.
    garbage: Vec<Arc<Run>>,
    unsynced: u32,
    rebuilt: Option<String>,
    failed: bool,
}

/// Sizes. They change no answer, and may differ from one opening to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Entries, and blocks, that are kept in memory before they become a run.
    pub(super) recent_entries: usize,
    pub(super) recent_blocks: usize,
    /// Entries of a chunk: 14,848 bytes, below what every store takes.
    pub(super) chunk_entries: usize,
    /// Runs of a level that become one of the next.
    pub(super) fan_in: usize,
    /// Entries that a merge gets on with for each block, beside two for each of the block's own.
    pub(super) merge_entries: usize,
    /// Runs that are written between two syncs.
    pub(super) sync_runs: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            recent_entries: 1 << 16,
            recent_blocks: 256,
            chunk_entries: 512,
            fan_in: 8,
            merge_entries: 2_048,
            sync_runs: 8,
        }
    }
}

impl Indexer {
    /// Opens the index in a store, or in a part of one ([`Prefixed`](avalanche_store::Prefixed)),
    /// that holds nothing else. One that cannot be used is emptied: see [`rebuilt`](Self::rebuilt).
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails. If that says that it is damaged, remove its folder and
    /// open it again: the index is built from the log.
    pub fn open(store: Arc<dyn KeyValue>) -> Result<Self, Error> {
        Self::with_bounds(store, Bounds::default())
    }

    pub(super) fn with_bounds(store: Arc<dyn KeyValue>, bounds: Bounds) -> Result<Self, Error> {
        let mut indexer = Self {
            store,
            bounds,
            lists: Arc::default(),
            mark: None,
            saved: None,
            recent_entries: 0,
            next_run: 0,
            merges: BTreeMap::new(),
            garbage: Vec::new(),
            unsynced: 0,
            rebuilt: None,
            failed: false,
        };
        match indexer.store.get(MARK)?.as_deref().map(Saved::decode) {
            Some(Ok(saved)) => {
                (indexer.mark, indexer.saved) = (Some(saved.mark), Some(saved.mark));
                indexer.lists.write().runs = saved.runs.into_iter().map(Arc::new).collect();
            }
            Some(Err(reason)) => indexer.start_anew(reason)?,
            // Rows without a mark are of no run.
            None => {}
        }
        indexer.find_runs()?;
        indexer.begin_merges()?;
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

    /// Reads the index from any thread, while this goes on. `blocks` is a reader of the chain's
    /// log, `contents` as in [`apply`](Self::apply).
    #[must_use]
    pub fn reader(
        &self,
        blocks: Arc<dyn IndexedBlocks>,
        contents: Option<Arc<dyn BlockContents>>,
    ) -> IndexReader {
        let (store, lists) = (Arc::clone(&self.store), Arc::clone(&self.lists));
        IndexReader::new(store, lists, blocks, contents)
    }

    /// Indexes the next accepted block, which readers find from then on, and returns the names of
    /// its transactions, in their order. One of a height that is indexed already changes nothing;
    /// an empty index takes any height. A reader finds its transactions in the log, so that the
    /// block has to be there first.
    ///
    /// `contents` is `None` for a VM without transactions.
    ///
    /// # Errors
    ///
    /// [`Error::Store`], among it [`WrongHeight`](avalanche_store::Error::WrongHeight) for a block
    /// that is not next; [`Error::Vm`] if the block's contents cannot be read: nothing was changed
    /// by these two. After another one the index has to be opened again.
    pub fn apply(
        &mut self,
        block: &ChainBlock,
        contents: Option<&dyn BlockContents>,
    ) -> Result<Vec<Id>, Error> {
        let payload = block.payload();
        self.apply_with(
            block,
            || Id::hash(&payload),
            |visit| match contents {
                Some(contents) => contents.transactions(&payload, visit),
                None => Ok(()),
            },
        )
    }

    /// As [`apply`](Self::apply), for a block that the VM has parsed.
    ///
    /// # Errors
    ///
    /// As those of [`apply`](Self::apply).
    pub fn apply_parsed(
        &mut self,
        block: &ChainBlock,
        inner: &Block,
        contents: Option<&dyn BlockContents>,
    ) -> Result<Vec<Id>, Error> {
        self.apply_with(
            block,
            || inner.id(),
            |visit| match contents {
                Some(contents) => contents.transactions_of(inner, visit),
                None => Ok(()),
            },
        )
    }

    fn apply_with(
        &mut self,
        block: &ChainBlock,
        vm_block: impl FnOnce() -> Id,
        read: impl FnOnce(&mut Visit<'_>) -> Result<(), avalanche_vm::Error>,
    ) -> Result<Vec<Id>, Error> {
        self.check()?;
        let height = block.height();
        let (mut names, mut touched) = (Vec::new(), Vec::new());
        read(&mut |name, addresses| {
            // A block's bytes have no room for more than 32 bits can count.
            let place = u32::try_from(names.len()).unwrap_or(u32::MAX);
            touched.extend(addresses.iter().map(|address| (*address, place)));
            names.push(name);
        })?;
        if let Some(Mark { height: last, .. }) = self.mark {
            if height <= last {
                return Ok(names);
            }
            let expected = last.next().unwrap_or(Height::MAX);
            if height != expected {
                let wrong = avalanche_store::Error::WrongHeight { given: height, expected };
                return Err(Error::Store(wrong));
            }
        }
        let entries = entry::of_block(height, &names, &touched, &vm_block());
        let transactions = u64::try_from(names.len()).unwrap_or(u64::MAX);
        let transactions = self.transactions().saturating_add(transactions);
        self.add(entries, Mark { height, block: block.id(), transactions })
            .inspect_err(|_| self.failed = true)?;
        Ok(names)
    }

    /// Whether [`apply`](Self::apply) of a block only changes memory, and little of it: then it
    /// needs no thread that may wait.
    pub(crate) fn is_quick(&self, block: &ChainBlock) -> bool {
        // No VM has more entries than its blocks have bytes.
        let entries = block.bytes().len();
        entries <= QUICK_BYTES
            && self.merges.is_empty()
            && self.garbage.is_empty()
            && self.recent_entries.saturating_add(entries) < self.bounds.recent_entries
            && self.lists.read().recent.len() + 1 < self.bounds.recent_blocks
    }

    /// Makes all that is indexed durable. Call it before the end, so that the next start has
    /// nothing to do.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: then the index has to be opened again.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.check()?;
        let done = self.spill().and_then(|()| self.sync());
        done.inspect_err(|_| self.failed = true)
    }

    fn check(&self) -> Result<(), Error> {
        match self.failed {
            true => {
                Err(Error::Store(avalanche_store::Error::Poisoned { path: PathBuf::from("index") }))
            }
            false => Ok(()),
        }
    }

    fn add(&mut self, entries: Vec<Entry>, mark: Mark) -> Result<(), Error> {
        let count = entries.len();
        self.recent_entries += count;
        self.mark = Some(mark);
        let blocks = {
            let mut parts = self.lists.write();
            parts.recent.push(entries.into());
            parts.recent.len()
        };
        self.merge(count)?;
        let Bounds { recent_entries, recent_blocks, sync_runs, .. } = self.bounds;
        if self.recent_entries >= recent_entries || blocks >= recent_blocks {
            self.spill()?;
            if self.unsynced >= sync_runs {
                self.sync()?;
            }
        }
        Ok(())
    }

    /// Writes what is in memory as a run.
    fn spill(&mut self) -> Result<(), Error> {
        let (recent, mut runs) = {
            let parts = self.lists.read();
            (parts.recent.clone(), parts.runs.clone())
        };
        let Some(mark) = self.mark.filter(|_| !recent.is_empty()) else { return Ok(()) };
        // It finds the sorted parts.
        let mut entries = recent.concat();
        entries.sort();
        let run = Run { number: self.take_number(), level: 0 };
        runs.push(Arc::new(run));
        let mut batch = Batch::new();
        batch.put(MARK, Saved::encode(&mark, &runs));
        for chunk in entries.chunks(self.bounds.chunk_entries) {
            put_chunk(&mut batch, run.number, chunk);
        }
        self.store.commit(batch)?;
        {
            let mut parts = self.lists.write();
            parts.recent.clear();
            parts.runs = runs;
        }
        (self.saved, self.recent_entries) = (Some(mark), 0);
        self.unsynced += 1;
        self.begin_merges()
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.unsynced = 0;
        Ok(self.store.flush()?)
    }

    /// Gets on with merges and removals, as a block of so many entries has to.
    fn merge(&mut self, entries: usize) -> Result<(), Error> {
        let (mut batch, mut done) = (Batch::new(), Vec::new());
        let Bounds { merge_entries, chunk_entries, .. } = self.bounds;
        let budget = entries.saturating_mul(2).saturating_add(merge_entries);
        for (level, merge) in &mut self.merges {
            if merge.step(&*self.store, &mut batch, budget, chunk_entries)? {
                done.push(*level);
            }
        }
        self.remove_garbage(&mut batch)?;
        let done: Vec<_> = done.iter().filter_map(|level| self.merges.remove(level)).collect();
        let mut runs = self.lists.read().runs.clone();
        for merge in &done {
            let first = runs.iter().position(|run| merge.from.contains(run)).unwrap_or_default();
            runs.insert(first, Arc::new(merge.into));
            runs.retain(|run| !merge.from.contains(run));
        }
        if let Some(saved) = self.saved.filter(|_| !done.is_empty()) {
            batch.put(MARK, Saved::encode(&saved, &runs));
        }
        if !batch.is_empty() {
            self.store.commit(batch)?;
        }
        if done.is_empty() {
            return Ok(());
        }
        self.lists.write().runs = runs;
        self.garbage.extend(done.into_iter().flat_map(|merge| merge.from));
        self.begin_merges()
    }

    /// Begins a merge at each level that has enough runs and none under way.
    fn begin_merges(&mut self) -> Result<(), Error> {
        let runs = self.lists.read().runs.clone();
        let mut levels = BTreeMap::<u8, Vec<Arc<Run>>>::new();
        for run in runs {
            levels.entry(run.level).or_default().push(run);
        }
        for (level, mut runs) in levels {
            if runs.len() >= self.bounds.fan_in && !self.merges.contains_key(&level) {
                runs.truncate(self.bounds.fan_in);
                let number = self.take_number();
                self.merges.insert(level, Merge::new(&*self.store, runs, number)?);
            }
        }
        Ok(())
    }

    /// Removes some rows of runs that nobody holds any more.
    fn remove_garbage(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Some(at) = self.garbage.iter().position(|run| Arc::strong_count(run) == 1) else {
            return Ok(());
        };
        let number = self.garbage.get(at).map(|run| run.number).unwrap_or_default();
        let before = batch.len();
        for row in self.store.range(run::range(number), Order::Ascending).take(CLEAR_ROWS) {
            batch.delete(row?.0);
        }
        if batch.len() < before + CLEAR_ROWS {
            self.garbage.swap_remove(at);
        }
        Ok(())
    }

    /// Does all merges and removals that are to be done.
    #[cfg(test)]
    pub(super) fn settle(&mut self) {
        self.flush().unwrap();
        for _ in 0..100_000 {
            let free = self.garbage.iter().any(|run| Arc::strong_count(run) == 1);
            if self.merges.is_empty() && !free {
                return;
            }
            self.merge(0).unwrap();
        }
        panic!("merges without end");
    }

    /// The runs, as a reader holds them.
    #[cfg(test)]
    pub(super) fn held(&self) -> Vec<Arc<Run>> {
        self.lists.read().runs.clone()
    }

    fn take_number(&mut self) -> u64 {
        let number = self.next_run;
        self.next_run += 1;
        number
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
