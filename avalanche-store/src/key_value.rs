//! The seam of embedded stores: ordered keys, atomic batches.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use crate::{Batch, Error};

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Pairs in key order, read as they are asked for.
pub type Pairs<'a> = Box<dyn Iterator<Item = Result<Pair, Error>> + 'a>;

/// An embedded, ordered key-value store.
///
/// # Contract
///
/// - **Atomic.** A batch is visible whole or not at all, to readers and after a crash.
/// - **Ordered.** Batches survive a crash in the order of their commits, without gaps: if one is
///   there, all before it are.
/// - **Durable when flushed.** After [`flush`](Self::flush) has returned, every batch whose
///   [`commit`](Self::commit) returned before `flush` was called survives power loss.
/// - **Poisoned.** After a failed commit or flush every later call fails with
///   [`Error::Poisoned`]: what the disk holds is unknown until the store is opened again. A
///   call refused for its arguments poisons nothing.
/// - **One key order**: bytes, unsigned, shorter first.
/// - Reads during commits of other threads may see some of them; a scan is not a snapshot. Views
///   that need one read through [`Versioned`](crate::Versioned).
///
/// All calls block. The suite in `testing` checks the contract for any implementation.
pub trait KeyValue: Send + Sync + fmt::Debug {
    /// The value of `key`, if there is one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or is poisoned.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// The pairs of a range, in the order asked for.
    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_>;

    /// Makes the changes of a batch, all at once.
    ///
    /// # Errors
    ///
    /// [`Error::KeyTooLarge`] and [`Error::ValueTooLarge`] if a change exceeds
    /// [`limits`](Self::limits): nothing was changed. Otherwise if the store cannot be written, or
    /// is poisoned.
    fn commit(&self, batch: Batch) -> Result<(), Error>;

    /// Makes every committed batch durable.
    ///
    /// # Errors
    ///
    /// If the disk does not confirm, or the store is poisoned.
    fn flush(&self) -> Result<(), Error>;

    /// What a batch may hold.
    fn limits(&self) -> Limits;
}

/// What a store takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest key.
    pub key_bytes_max: usize,
    /// The longest value.
    pub value_bytes_max: usize,
}

impl Limits {
    /// The limits of every back-end here, so that each can take another's place: keys up to 1,024
    /// bytes, values up to 16,384. Beyond them sled writes parts of its tree to files that it
    /// never syncs.
    pub const COMMON: Self = Self { key_bytes_max: 1024, value_bytes_max: 16 * 1024 };

    /// Refuses a batch with a key or a value that is too long.
    ///
    /// # Errors
    ///
    /// [`Error::KeyTooLarge`], [`Error::ValueTooLarge`].
    pub fn check(self, batch: &Batch) -> Result<(), Error> {
        for change in batch.changes() {
            let (key, value) = (change.key.len(), change.value.as_ref().map_or(0, Vec::len));
            if key > self.key_bytes_max {
                return Err(Error::KeyTooLarge { bytes: key, max: self.key_bytes_max });
            }
            if value > self.value_bytes_max {
                return Err(Error::ValueTooLarge { bytes: value, max: self.value_bytes_max });
            }
        }
        Ok(())
    }
}

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// A range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub start: Bound<Vec<u8>>,
    /// Where it ends.
    pub end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// No key.
    #[must_use]
    pub const fn none() -> Self {
        Self { start: Bound::Included(Vec::new()), end: Bound::Excluded(Vec::new()) }
    }

    /// Keys from `start` up to, and without, `end`.
    #[must_use]
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: Bound::Included(start.into()), end: Bound::Excluded(end.into()) }
    }

    /// Keys from `start` on.
    #[must_use]
    pub fn from(start: impl Into<Vec<u8>>) -> Self {
        Self { start: Bound::Included(start.into()), end: Bound::Unbounded }
    }

    /// Keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let end = after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        Self { start: Bound::Included(prefix.to_vec()), end }
    }

    /// Whether `key` lies inside.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let after_start = match &self.start {
            Bound::Included(start) => key >= start.as_slice(),
            Bound::Excluded(start) => key > start.as_slice(),
            Bound::Unbounded => true,
        };
        after_start
            && match &self.end {
                Bound::Included(end) => key <= end.as_slice(),
                Bound::Excluded(end) => key < end.as_slice(),
                Bound::Unbounded => true,
            }
    }

    /// Whether no key can lie inside. Some stores panic on such a range: answer it before asking.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (Bound::Included(start), Bound::Excluded(end))
            | (Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => start >= end,
            (Bound::Unbounded, Bound::Excluded(end)) => end.is_empty(),
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        }
    }
}

/// The least key above every key that begins with `prefix`; `None` if there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=last)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

macro_rules! forward {
    ($($of:ty),*) => {$(
        impl<K: KeyValue + ?Sized> KeyValue for $of {
            fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
                (**self).get(key)
            }
            fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
                (**self).range(range, order)
            }
            fn commit(&self, batch: Batch) -> Result<(), Error> {
                (**self).commit(batch)
            }
            fn flush(&self) -> Result<(), Error> {
                (**self).flush()
            }
            fn limits(&self) -> Limits {
                (**self).limits()
            }
        }
    )*};
}

forward!(&K, Arc<K>, Box<K>);
