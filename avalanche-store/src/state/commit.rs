//! Accepting views: what comes into the store, and what does not.
//!
//! ```text
//!   accepted 7 <-- view 8 <-- view 9 <-- view 10         commit(view 10)
//!
//!   values   the newest of each key, as of height 10
//!   nodes    those of 8, 9 and 10 that 10 still has, below the height that made them
//!   lists    nodes of 7 and before that 10 no longer has; keys that were written
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::rows::{self, Chunks, Meta, RootRecord};
use super::view::Changed;
use super::{State, View};
use crate::{Batch, Error, KeyValue, codec};

/// A node in memory: its slot, and the version that made it.
type Place = (u32, u32);

impl<K: KeyValue> State<K> {
    /// Accepts a view, and those between the accepted state and it: writes what they have come to
    /// in one batch. It is durable after [`flush`](Self::flush).
    ///
    /// The heights between are not kept: the state at one of them is then that of the last commit
    /// before. Whoever holds a view of such a height can go on reading it.
    ///
    /// # Errors
    ///
    /// [`Error::ViewNotNext`] if the view is not over the accepted state, itself or through others,
    /// or of another height; nothing was changed. If the store refuses the batch, this state stays
    /// as it was; a store that failed has to be opened again.
    pub fn commit(&mut self, view: &View<K>, height: u64) -> Result<(), Error> {
        let accepted = self.height();
        let current = view.height() == height
            && accepted.is_none_or(|accepted| accepted < height)
            && view.epoch() == self.core.rolled_back.load(Ordering::Acquire);
        let chain = if current { view.over(&self.accepted) } else { None };
        let Some(chain) = chain else {
            return Err(Error::ViewNotNext { height, view: view.height(), accepted });
        };
        let oldest = self.oldest_height().unwrap_or(height);
        let meta = Meta { heights: Some((height, oldest)), trimming: false };
        let mut batch = Batch::new();
        values(&mut batch, &chain, height);
        let passing = nodes(&mut batch, &chain, accepted);
        batch.put(rows::root_key(height), codec::encode(&RootRecord::from(view.tree().root())));
        batch.put(rows::META, codec::encode(&meta));
        self.core.store.commit(batch)?;
        self.core.oldest.store(oldest, Ordering::Release);
        let stored = |slot, serial| passing.binary_search(&(slot, serial)).is_err();
        for between in &chain {
            between.tree().settle(stored);
        }
        view.settled();
        self.accepted = view.tree().clone();
        self.meta = meta;
        self.accepted.pool().evict();
        Ok(())
    }
}

/// Puts the newest value of each key that a chain of views changed, oldest view first.
fn values<K: KeyValue>(batch: &mut Batch, chain: &[View<K>], height: u64) {
    let mut written = Chunks::new(b'j', height);
    let put = |(key, change): (&Vec<u8>, &Changed)| {
        let record = rows::value_record(key, change.value.as_deref());
        batch.put(rows::value_key(&change.hash, height), record);
        written.push(batch, &change.hash);
    };
    if let [view] = chain {
        view.changes().iter().for_each(put);
    } else {
        let changes = chain.iter().flat_map(|view| view.changes());
        let newest: BTreeMap<_, _> = changes.collect();
        newest.into_iter().for_each(put);
    }
    written.finish(batch);
}

/// Puts the nodes that the last view of a chain has and the store does not, and a list of those
/// that the store has and the view does not. Gives the nodes that came and went between, sorted.
fn nodes<K: KeyValue>(batch: &mut Batch, chain: &[View<K>], accepted: Option<u64>) -> Vec<Place> {
    let height = chain.last().map_or(0, View::height);
    let mut passing = Vec::new();
    let mut stale = Chunks::new(b's', height);
    let mut part = Vec::new();
    for view in chain {
        view.tree().each_replaced(|at, path| {
            if accepted.is_none_or(|accepted| accepted < at.born) {
                passing.push((at.slot, at.serial));
                return;
            }
            part.clear();
            part.extend(at.born.to_be_bytes());
            path.encode(&mut part);
            stale.push(batch, &part);
        });
    }
    stale.finish(batch);
    passing.sort_unstable();
    for view in chain {
        view.tree().each_made(|place, path, node| {
            if passing.binary_search(&place).is_ok() {
                return;
            }
            batch.put(rows::node_key(view.height(), path), node.record());
        });
    }
    passing
}
