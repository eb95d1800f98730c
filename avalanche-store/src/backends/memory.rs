//! A store in memory, for tests and simulations.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Batch, Error, KeyRange, KeyValue, Limits, Order, Pairs};

/// A store that lives as long as the process.
///
/// It has the limits of the back-ends on disk, so that tests over it find what those would refuse.
/// Memory is what its rows take, without bound. For losses and failures put it under
/// `testing::FaultyStore`.
#[derive(Debug)]
pub struct MemoryStore {
    rows: Arc<Rows<Vec<u8>>>,
    limits: Limits,
}

impl MemoryStore {
    /// An empty store with [`Limits::COMMON`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::COMMON)
    }

    /// An empty store with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self { rows: Arc::default(), limits }
    }

    /// How many rows it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.read().len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyValue for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.rows.read().get(key).cloned())
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        Box::new(Scan::new(Arc::clone(&self.rows), range, order).map(Ok))
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.limits.check(&batch)?;
        let mut rows = self.rows.write();
        for change in batch.into_changes() {
            match change.value {
                Some(value) => _ = rows.insert(change.key, value),
                None => _ = rows.remove(&change.key),
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

/// Ordered rows behind a lock.
#[derive(Debug)]
pub(crate) struct Rows<V>(RwLock<BTreeMap<Vec<u8>, V>>);

impl<V> Default for Rows<V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<V> Rows<V> {
    /// A panic elsewhere leaves the map as it was between two changes: not worth a second one.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Vec<u8>, V>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Vec<u8>, V>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows copied at first under one lock, then more and more, up to [`Self::ROWS_MAX`]: a caller may
/// write between two of them, and a short scan copies little.
#[derive(Debug)]
pub(crate) struct Scan<V> {
    rows: Arc<Rows<V>>,
    rest: KeyRange,
    order: Order,
    ready: VecDeque<(Vec<u8>, V)>,
    ask: usize,
}

impl<V> Scan<V> {
    const ROWS_FIRST: usize = 4;
    /// With common limits, at most 2.3 MB.
    const ROWS_MAX: usize = 128;

    pub(crate) const fn new(rows: Arc<Rows<V>>, range: KeyRange, order: Order) -> Self {
        Self { rows, rest: range, order, ready: VecDeque::new(), ask: Self::ROWS_FIRST }
    }
}

impl<V: Clone> Scan<V> {
    fn fill(&mut self) {
        if self.rest.is_empty() {
            return;
        }
        let rows = self.rows.read();
        let bounds = (
            self.rest.start.as_ref().map(Vec::as_slice),
            self.rest.end.as_ref().map(Vec::as_slice),
        );
        let found = rows.range::<[u8], _>(bounds);
        let copy = |(key, value): (&Vec<u8>, &V)| (key.clone(), value.clone());
        match self.order {
            Order::Ascending => self.ready.extend(found.take(self.ask).map(copy)),
            Order::Descending => self.ready.extend(found.rev().take(self.ask).map(copy)),
        }
        drop(rows);
        match self.ready.back() {
            None => self.rest = KeyRange::none(),
            Some((last, _)) if self.order == Order::Ascending => {
                self.rest.start = Bound::Excluded(last.clone());
            }
            Some((last, _)) => self.rest.end = Bound::Excluded(last.clone()),
        }
        self.ask = (self.ask * 4).min(Self::ROWS_MAX);
    }
}

impl<V: Clone> Iterator for Scan<V> {
    type Item = (Vec<u8>, V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            self.fill();
        }
        self.ready.pop_front()
    }
}
