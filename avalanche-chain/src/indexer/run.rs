//! Sorted runs of entries in a store, in chunks.

use std::ops::Bound;

use avalanche_store::{Batch, KeyRange, KeyValue, Order};

use super::damaged;
use super::entry::{ENTRY_BYTES, Entry};
use crate::Error;

/// What keys of chunks begin with.
pub(super) const CHUNK: u8 = b'r';

/// A sorted list of entries that does not change. Whoever holds one keeps its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) number: u64,
    /// How often its entries were merged.
    pub(super) level: u8,
}

/// Adds the row of a chunk: its key is `r`, the run (8), its first entry.
pub(super) fn put_chunk(batch: &mut Batch, run: u64, entries: &[Entry]) {
    if let Some(first) = entries.first() {
        batch.put(key(run, first), entries.concat());
    }
}

/// The keys of a run's chunks.
pub(super) fn range(run: u64) -> KeyRange {
    KeyRange::prefix(&prefix(run))
}

/// The run of a chunk's key.
pub(super) fn number(key: &[u8]) -> Option<u64> {
    let (number, _entry) = key.strip_prefix(&[CHUNK])?.split_first_chunk()?;
    Some(u64::from_be_bytes(*number))
}

fn prefix(run: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9 + ENTRY_BYTES);
    key.push(CHUNK);
    key.extend(run.to_be_bytes());
    key
}

fn key(run: u64, first: &Entry) -> Vec<u8> {
    let mut key = prefix(run);
    key.extend(first);
    key
}

/// A place in a run.
#[derive(Debug)]
pub(super) struct RunCursor {
    run: u64,
    chunk: Vec<Entry>,
    at: usize,
    /// The key of the chunk.
    key: Vec<u8>,
}

impl RunCursor {
    /// At the first entry of a run that is not before `start`.
    pub(super) fn seek(store: &dyn KeyValue, run: u64, start: &Entry) -> Result<Self, Error> {
        let own = key(run, start);
        let below =
            KeyRange { start: Bound::Included(prefix(run)), end: Bound::Included(own.clone()) };
        let mut cursor = Self { run, chunk: Vec::new(), at: 0, key: own };
        match store.range(below, Order::Descending).next().transpose()? {
            Some(row) => {
                cursor.enter(row)?;
                cursor.at = cursor.chunk.partition_point(|entry| entry < start);
                cursor.settle(store)?;
            }
            None => cursor.settle(store)?,
        }
        Ok(cursor)
    }

    /// The entry that it is at; `None` after the last one.
    pub(super) fn head(&self) -> Option<&Entry> {
        self.chunk.get(self.at)
    }

    /// Goes to the next entry.
    pub(super) fn advance(&mut self, store: &dyn KeyValue) -> Result<(), Error> {
        self.at += 1;
        self.settle(store)
    }

    /// Goes to the next chunk if this one has no more.
    fn settle(&mut self, store: &dyn KeyValue) -> Result<(), Error> {
        if self.at < self.chunk.len() {
            return Ok(());
        }
        let mut rest = range(self.run);
        rest.start = Bound::Excluded(self.key.clone());
        match store.range(rest, Order::Ascending).next().transpose()? {
            Some(row) => self.enter(row),
            None => {
                self.chunk.clear();
                self.at = 0;
                Ok(())
            }
        }
    }

    fn enter(&mut self, (key, value): (Vec<u8>, Vec<u8>)) -> Result<(), Error> {
        let (entries, rest) = value.as_chunks::<ENTRY_BYTES>();
        if entries.is_empty() || !rest.is_empty() {
            return Err(damaged("a chunk of the index is no list of entries"));
        }
        (self.chunk, self.at, self.key) = (entries.to_vec(), 0, key);
        Ok(())
    }
}
