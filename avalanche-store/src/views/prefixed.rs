//! A part of a store, by the beginning of its keys.

use std::ops::Bound;

use crate::key_value::after_prefix;
use crate::{Batch, Change, Error, KeyRange, KeyValue, Limits, Order, Pairs};

/// The rows of a store whose keys begin with a prefix, without it.
///
/// Several may share a store (hold it by [`Arc`](std::sync::Arc)) if none of their prefixes begins
/// with another. A batch over two of them goes to the store itself: [`Prefixed::key`] tells what a
/// key is called there. A flush makes all of the store durable.
#[derive(Clone, Debug)]
pub struct Prefixed<K> {
    store: K,
    prefix: Vec<u8>,
}

impl<K: KeyValue> Prefixed<K> {
    /// The rows of `store` that begin with `prefix`.
    #[must_use]
    pub fn new(store: K, prefix: impl Into<Vec<u8>>) -> Self {
        Self { store, prefix: prefix.into() }
    }

    /// What a key is called in the store below.
    #[must_use]
    pub fn key(&self, key: &[u8]) -> Vec<u8> {
        let mut long = Vec::with_capacity(self.prefix.len() + key.len());
        long.extend_from_slice(&self.prefix);
        long.extend_from_slice(key);
        long
    }

    /// The store below.
    #[must_use]
    pub const fn store(&self) -> &K {
        &self.store
    }
}

impl<K: KeyValue> KeyValue for Prefixed<K> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.store.get(&self.key(key))
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        let range = if range.is_empty() {
            KeyRange::none()
        } else {
            KeyRange {
                start: match range.start {
                    Bound::Unbounded => Bound::Included(self.prefix.clone()),
                    Bound::Included(start) => Bound::Included(self.key(&start)),
                    Bound::Excluded(start) => Bound::Excluded(self.key(&start)),
                },
                end: match range.end {
                    Bound::Unbounded => {
                        after_prefix(&self.prefix).map_or(Bound::Unbounded, Bound::Excluded)
                    }
                    Bound::Included(end) => Bound::Included(self.key(&end)),
                    Bound::Excluded(end) => Bound::Excluded(self.key(&end)),
                },
            }
        };
        let length = self.prefix.len();
        Box::new(self.store.range(range, order).map(move |row| {
            row.map(|(mut key, value)| {
                key.drain(..length.min(key.len()));
                (key, value)
            })
        }))
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        // Here, for an error that names lengths without the prefix.
        self.limits().check(&batch)?;
        let mut below = Batch::new();
        below.extend(
            batch
                .into_changes()
                .into_iter()
                .map(|change| Change { key: self.key(&change.key), value: change.value }),
        );
        self.store.commit(below)
    }

    fn flush(&self) -> Result<(), Error> {
        self.store.flush()
    }

    fn limits(&self) -> Limits {
        let Limits { key_bytes_max, value_bytes_max } = self.store.limits();
        // A prefix as long as a key leaves the empty key alone.
        Limits { key_bytes_max: key_bytes_max.saturating_sub(self.prefix.len()), value_bytes_max }
    }
}
