//! Removes what no kept height needs, and what a rollback leaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::rows::{self, Meta};
use super::{Keep, State};
use crate::merkle::{Pool, Root, Tree};
use crate::{Batch, Error, KeyValue, Order, codec};

/// Rows that a rollback removes in one batch.
const TRIM_ROWS: usize = 4096;

/// What a call of [`State::prune`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that it removed.
    pub rows: usize,
    /// Whether nothing is left to remove.
    pub done: bool,
}

impl<K: KeyValue> State<K> {
    /// Removes rows that no kept height needs: about `max_rows`, and up to 500 more, since lists of
    /// them are removed whole. The time is bounded by that, not by the size of the state.
    ///
    /// # Errors
    ///
    /// If the store fails, or what is read is damaged.
    pub fn prune(&mut self, max_rows: usize) -> Result<Pruned, Error> {
        let Some((height, mut oldest)) = self.meta.heights else {
            return Ok(Pruned { rows: 0, done: true });
        };
        let mut batch = Batch::new();
        if let Keep::Heights(keep) = self.options.keep {
            let target = height.saturating_sub(keep.get() - 1);
            if target > oldest {
                oldest = target;
                let meta = Meta { heights: Some((height, oldest)), ..self.meta };
                batch.put(rows::META, codec::encode(&meta));
                self.core.oldest.store(oldest, Ordering::Release);
                self.meta = meta;
            }
        }
        let before = batch.len();
        let after = oldest.saturating_add(1);
        let mut done = self.prune_nodes(&mut batch, after, max_rows)?;
        done = done && self.prune_values(&mut batch, after, max_rows)?;
        done = done && self.prune_roots(&mut batch, after, max_rows)?;
        let rows = batch.len() - before;
        if !batch.is_empty() {
            self.core.store.commit(batch)?;
        }
        Ok(Pruned { rows, done })
    }

    /// Nodes that are stale since a height before `after`. Gives whether all were removed.
    fn prune_nodes(&self, batch: &mut Batch, after: u64, max: usize) -> Result<bool, Error> {
        for row in self.core.store.range(rows::heights(b's', 0, Some(after)), Order::Ascending) {
            if batch.len() >= max {
                return Ok(false);
            }
            let (key, record) = row?;
            for node in rows::read_stale(&self.core, &record)? {
                batch.delete(node);
            }
            batch.delete(key);
        }
        Ok(true)
    }

    /// Values that a later one, at a height before `after`, took the place of.
    fn prune_values(&self, batch: &mut Batch, after: u64, max: usize) -> Result<bool, Error> {
        for row in self.core.store.range(rows::heights(b'j', 0, Some(after)), Order::Ascending) {
            if batch.len() >= max {
                return Ok(false);
            }
            let (key, record) = row?;
            let height = rows::height_of(&key)
                .ok_or_else(|| self.core.corrupt("a list of written keys has a malformed key"))?;
            for hash in rows::read_written(&self.core, &record)? {
                for older in self.core.store.range(rows::values(hash, height), Order::Ascending) {
                    let (row, record) = older?;
                    let newest = row == rows::value_key(hash, height);
                    if !newest || rows::read_value(&self.core, &record)?.1.is_none() {
                        batch.delete(row);
                    }
                }
            }
            batch.delete(key);
        }
        Ok(true)
    }

    /// Roots of heights that are not kept; the newest before `after` stays.
    fn prune_roots(&self, batch: &mut Batch, after: u64, max: usize) -> Result<bool, Error> {
        let range = || rows::heights(b'r', 0, Some(after));
        let newest = self.core.store.range(range(), Order::Descending).next().transpose()?;
        for row in self.core.store.range(range(), Order::Ascending) {
            let (key, _) = row?;
            if newest.as_ref().is_some_and(|(newest, _)| *newest == key) {
                break;
            }
            if batch.len() >= max {
                return Ok(false);
            }
            batch.delete(key);
        }
        Ok(true)
    }

    /// Goes back to a height that is kept: for recovery, when the state is ahead of the block log.
    /// Drafts and views from before are of no use any more.
    ///
    /// # Errors
    ///
    /// [`Error::Pruned`], [`Error::HeightUnknown`]: nothing was changed. Otherwise if the
    /// store fails; opening it again finishes what was begun.
    pub fn roll_back_to(&mut self, height: u64) -> Result<(), Error> {
        let root = *self.tree_at(height)?.root();
        let Some((last, oldest)) = self.meta.heights else { return Ok(()) };
        if last == height {
            return Ok(());
        }
        let meta = Meta { heights: Some((height, oldest)), trimming: true };
        let mut batch = Batch::new();
        batch.put(rows::META, codec::encode(&meta));
        self.core.store.commit(batch)?;
        self.core.rolled_back.fetch_add(1, Ordering::AcqRel);
        self.meta = meta;
        let root = Root::from(rows::RootRecord::from(&root));
        self.accepted = Tree::stored(Arc::new(Pool::new(self.options.memory_bytes)), root);
        self.trim()
    }

    /// Removes all rows above the accepted height.
    pub(super) fn trim(&mut self) -> Result<(), Error> {
        let above = self.height().and_then(|height| height.checked_add(1));
        let mut batch = Batch::new();
        for kind in [b'j', b'n', b's', b'r'] {
            let Some(from) = above else { break };
            for row in self.core.store.range(rows::heights(kind, from, None), Order::Ascending) {
                let (key, record) = row?;
                if kind == b'j' {
                    let height = rows::height_of(&key).unwrap_or(u64::MAX);
                    for hash in rows::read_written(&self.core, &record)? {
                        batch.delete(rows::value_key(hash, height));
                    }
                }
                batch.delete(key);
                if batch.len() >= TRIM_ROWS {
                    self.core.store.commit(std::mem::take(&mut batch))?;
                }
            }
        }
        let meta = Meta { trimming: false, ..self.meta };
        batch.put(rows::META, codec::encode(&meta));
        self.core.store.commit(batch)?;
        self.meta = meta;
        Ok(())
    }
}
