//! What keys held at every height that was not pruned.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use bincode::{Decode, Encode};

use super::layout::{Layout, VALUE_BYTES_MORE, malformed, seal, unseal};
use super::scan::Scan;
use crate::codec::{self, Malformed};
use crate::{Batch, Error, KeyRange, KeyValue, Limits, Order, Pairs};

/// How many rows a roll-back removes in one batch.
const ROLL_BACK_ROWS: usize = 1_000;

/// A part of a store that remembers what every key held at every height.
///
/// A read at a height is consistent whatever is committed above it meanwhile. Heights are
/// committed once, ascending; gaps are allowed, and a height inside one reads as the one below.
/// A change costs a row; a deletion too. [`prune_below`](Self::prune_below) gives the space back.
///
/// As a [`KeyValue`] it reads the last height and commits at the next.
///
/// One value owns the rows below its prefix: nothing else may write there.
#[derive(Debug)]
pub struct Versioned<K> {
    store: K,
    layout: Layout,
    heights: RwLock<Heights>,
    /// Held by who writes; how far pruning is.
    writing: Mutex<Sweep>,
}

/// The heights that can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Heights {
    first: u64,
    last: Option<u64>,
    /// Rows above `last` are still to be removed.
    rolling_back: bool,
}

/// How far pruning is: it goes through all rows from the last to the first.
#[derive(Debug, Default)]
struct Sweep {
    horizon: u64,
    /// The last row that was not settled; `None` before the first.
    at: Option<Vec<u8>>,
    done: bool,
}

/// What a call of [`Versioned::prune_below`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// Rows removed.
    pub rows: usize,
    /// Whether nothing is left to remove at this height.
    pub done: bool,
}

impl<K: KeyValue> Versioned<K> {
    /// The versioned rows of `store` below `prefix`. Finishes a roll-back that was interrupted.
    ///
    /// # Errors
    ///
    /// Those of the store; [`Error::Version`] and [`Error::Corrupt`] if what is there was written
    /// by a later release, or not by this crate.
    pub fn open(store: K, prefix: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let layout = Layout::new(prefix.into());
        let heights = match store.get(&layout.heights())? {
            None => Heights::default(),
            Some(record) => codec::decode(&record).map_err(|malformation| match malformation {
                Malformed::Version(found) => Error::Version {
                    path: "a versioned store".into(),
                    found: found.into(),
                    supported: 1,
                },
                Malformed::Bytes => malformed(),
            })?,
        };
        let versioned = Self {
            store,
            layout,
            heights: RwLock::new(heights),
            writing: Mutex::new(Sweep::default()),
        };
        if heights.rolling_back {
            versioned.remove_above_last(heights)?;
        }
        Ok(versioned)
    }

    /// The last height committed.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.heights().last
    }

    /// The lowest height that can be read.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.heights().first
    }

    /// The value of `key` at a height.
    ///
    /// # Errors
    ///
    /// [`Error::HeightUnknown`], [`Error::Pruned`]; those of the store.
    pub fn get_at(&self, key: &[u8], height: u64) -> Result<Option<Vec<u8>>, Error> {
        self.readable(height)?;
        let value = self.read(key, height)?;
        // Pruning and rolling back say so before they remove the first row.
        self.readable(height)?;
        Ok(value)
    }

    /// The pairs of a range at a height.
    pub fn range_at(&self, range: &KeyRange, order: Order, height: u64) -> Pairs<'_> {
        match self.readable(height) {
            Ok(()) => Box::new(Scan::new(self, range, order, height)),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    /// Commits the changes of a height, in one batch of the store.
    ///
    /// # Errors
    ///
    /// [`Error::HeightTaken`]; [`Error::KeyTooLarge`], [`Error::ValueTooLarge`]; the store's own.
    pub fn commit_at(&self, height: u64, changes: Batch) -> Result<(), Error> {
        self.commit_with(height, changes, Batch::new())
    }

    /// As [`commit_at`](Self::commit_at), together with rows of the store that are not below this
    /// prefix.
    ///
    /// # Errors
    ///
    /// Those of [`commit_at`](Self::commit_at).
    pub fn commit_with(&self, height: u64, changes: Batch, others: Batch) -> Result<(), Error> {
        let _one_at_a_time = self.writing();
        self.commit_locked(height, changes, others)
    }

    /// Gives up what was there below `height`, and removes rows that only such heights need: of
    /// every key all but the newest version at or below it, and that too if it is a deletion.
    ///
    /// Looks at about `rows_max` rows, at least 1, and removes at most as many, in one batch: call
    /// it again until [`Pruning::done`]. Where it was is forgotten when the store is closed.
    ///
    /// # Errors
    ///
    /// [`Error::HeightUnknown`] above the last height; those of the store.
    pub fn prune_below(&self, height: u64, rows_max: usize) -> Result<Pruning, Error> {
        let mut sweep = self.writing();
        let heights = self.heights();
        let Some(last) = heights.last.filter(|last| *last >= height) else {
            return Err(Error::HeightUnknown { height, last: heights.last });
        };
        let horizon = height.max(heights.first);
        if horizon > heights.first {
            self.record(Heights { first: horizon, last: Some(last), ..heights })?;
        }
        if sweep.horizon != horizon {
            *sweep = Sweep { horizon, ..Sweep::default() };
        }
        if sweep.done {
            return Ok(Pruning { rows: 0, done: true });
        }
        self.sweep(&mut sweep, rows_max)
    }

    /// Removes everything above a height, for recovery: later heights may then be committed anew.
    /// Reads all keys. Interrupted, it goes on when the store is opened. A scan of a removed height
    /// that goes on while that height is committed anew may see both.
    ///
    /// # Errors
    ///
    /// [`Error::Pruned`] below the first height; those of the store.
    pub fn roll_back_to(&self, height: u64) -> Result<(), Error> {
        let _one_at_a_time = self.writing();
        let heights = self.heights();
        if height < heights.first {
            return Err(Error::Pruned { height, first: heights.first });
        }
        if heights.last.is_none_or(|last| last <= height) {
            return Ok(());
        }
        let heights = Heights { last: Some(height), rolling_back: true, ..heights };
        self.record(heights)?;
        self.remove_above_last(heights)
    }

    /// The store below.
    #[must_use]
    pub const fn store(&self) -> &K {
        &self.store
    }

    pub(super) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The value of `key` at a height, which is not checked.
    pub(super) fn read(&self, key: &[u8], height: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.store.range(self.layout.up_to(key, height), Order::Ascending).next() {
            Some(row) => unseal(row?.1),
            None => Ok(None),
        }
    }

    /// Refuses a height that cannot be read.
    pub(super) fn readable(&self, height: u64) -> Result<(), Error> {
        let Heights { first, last, .. } = self.heights();
        if height < first {
            return Err(Error::Pruned { height, first });
        }
        if last.is_none_or(|last| height > last) {
            return Err(Error::HeightUnknown { height, last });
        }
        Ok(())
    }

    fn heights(&self) -> Heights {
        *self.heights.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, Sweep> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, heights: Heights) {
        *self.heights.write().unwrap_or_else(PoisonError::into_inner) = heights;
    }

    /// Lets nobody read more than `heights`, then writes them down.
    fn record(&self, heights: Heights) -> Result<(), Error> {
        self.show(heights);
        let mut batch = Batch::new();
        batch.put(self.layout.heights(), codec::encode(&heights));
        self.store.commit(batch)
    }

    fn commit_locked(&self, height: u64, changes: Batch, others: Batch) -> Result<(), Error> {
        self.limits().check(&changes)?;
        let heights = self.heights();
        if let Some(last) = heights.last.filter(|last| height <= *last) {
            return Err(Error::HeightTaken { height, last });
        }
        let mut batch = others;
        for change in changes.into_changes() {
            batch.put(self.layout.row(&change.key, height), seal(change.value));
        }
        let heights = Heights { last: Some(height), ..heights };
        batch.put(self.layout.heights(), codec::encode(&heights));
        self.store.commit(batch)?;
        self.show(heights);
        Ok(())
    }

    /// Goes down from where the sweep is. Within a key the oldest version comes first, so that no
    /// deletion goes before what it hides.
    fn sweep(&self, sweep: &mut Sweep, rows_max: usize) -> Result<Pruning, Error> {
        let mut rest = self.layout.range(&KeyRange::all());
        if let Some(at) = &sweep.at {
            rest.end = std::ops::Bound::Included(at.clone());
        }
        let mut gone = Batch::new();
        // The row before, if its height is not above the horizon: its row, key and value.
        let mut candidate: Option<(Vec<u8>, Vec<u8>, Vec<u8>)> = None;
        let mut rows = self.store.range(rest, Order::Descending);
        for _ in 0..=rows_max.max(1) {
            let Some(row) = rows.next() else {
                sweep.done = true;
                break;
            };
            let (row, value) = row?;
            let (key, height) = self.layout.parse(&row)?;
            let below = height <= sweep.horizon;
            if let Some((old, its_key, its_value)) = candidate.take() {
                let newer_counts = below && its_key == key;
                if newer_counts || unseal(its_value)?.is_none() {
                    gone.delete(old);
                }
            }
            sweep.at = Some(row.clone());
            candidate = below.then_some((row, key, value));
        }
        drop(rows);
        if let Some((old, _, value)) = candidate.filter(|_last| sweep.done)
            && unseal(value)?.is_none()
        {
            gone.delete(old);
        }
        let pruning = Pruning { rows: gone.len(), done: sweep.done };
        self.store.commit(gone)?;
        Ok(pruning)
    }

    fn remove_above_last(&self, heights: Heights) -> Result<(), Error> {
        let mut gone = Batch::new();
        for row in self.store.range(self.layout.range(&KeyRange::all()), Order::Ascending) {
            let (row, _) = row?;
            let (_, height) = self.layout.parse(&row)?;
            if heights.last.is_none_or(|last| height > last) {
                gone.delete(row);
            }
            if gone.len() == ROLL_BACK_ROWS {
                self.store.commit(std::mem::take(&mut gone))?;
            }
        }
        let heights = Heights { rolling_back: false, ..heights };
        gone.put(self.layout.heights(), codec::encode(&heights));
        self.store.commit(gone)?;
        self.show(heights);
        Ok(())
    }
}

impl<K: KeyValue> KeyValue for Versioned<K> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.last() {
            Some(last) => self.get_at(key, last),
            None => Ok(None),
        }
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        match self.last() {
            Some(last) => self.range_at(&range, order, last),
            None => Box::new(std::iter::empty()),
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        let _one_at_a_time = self.writing();
        let next = self.last().map_or(0, |last| last.saturating_add(1));
        self.commit_locked(next, batch, Batch::new())
    }

    fn flush(&self) -> Result<(), Error> {
        self.store.flush()
    }

    fn limits(&self) -> Limits {
        let Limits { key_bytes_max, value_bytes_max } = self.store.limits();
        Limits {
            key_bytes_max: self.layout.key_bytes_max(key_bytes_max),
            value_bytes_max: value_bytes_max.saturating_sub(VALUE_BYTES_MORE),
        }
    }
}
