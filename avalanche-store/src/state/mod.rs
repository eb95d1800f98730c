//! Values with a root, by height, in any store.
//!
//! ```text
//!                    begin()           seal()                commit(view, height)
//!   State (accepted) -------> Draft ----------> View (root) ----------------------> State
//!                               ^  put, delete    |
//!                               +---- begin() ----+   the next block, before this one is accepted
//! ```
//!
//! A commit is one atomic batch: values, dirty nodes, lists for pruning, root and height. So after
//! a crash the store holds the state of one height whole, an older one than was accepted at most:
//! the block log says what to replay. It may stand for several blocks: what only the heights
//! between had is never written.

mod checkpoint;
mod commit;
mod core;
mod import;
mod prune;
mod rows;
mod view;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use checkpoint::{Checkpoints, VerifiedCheckpoint};
pub use import::Import;
pub use prune::Pruned;
pub use view::{Draft, View};

use self::core::Core;
use crate::merkle::{Pool, Root, Tree};
use crate::{Error, Hash, KeyValue, Pair, Proof, RangeLimits, RangeProof, key_hash};
use rows::{Meta, RootRecord};
use view::Base;

/// Bytes that a value's row has beside key and value.
const VALUE_ROW_EXTRA: usize = 6;

/// How many heights can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All from the first on.
    All,
    /// The newest ones. Others are removed by [`State::prune`].
    Heights(NonZeroU64),
}

/// How a state is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateOptions {
    /// What errors call the store: its folder.
    pub name: PathBuf,
    /// How many heights are kept.
    pub keep: Keep,
    /// Threads that compute a root. The root is the same for any number; 0 is taken as 1.
    pub threads: usize,
    /// Bytes of Merkle nodes that stay in memory after a commit; about 180 an entry hold them all.
    /// Nodes of views that are not accepted come on top, and those that older views are read
    /// through.
    pub memory_bytes: usize,
}

impl StateOptions {
    /// Keeps all heights, one thread, 256 MiB of nodes.
    #[must_use]
    pub fn new(name: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), keep: Keep::All, threads: 1, memory_bytes: 256 << 20 }
    }
}

/// An authenticated state: values by key, with a Merkle root, by height.
///
/// What is read of an accepted height never changes. Views stay readable while commits go on.
#[derive(Debug)]
pub struct State<K> {
    core: Arc<Core<K>>,
    options: StateOptions,
    accepted: Tree,
    meta: Meta,
}

impl<K: KeyValue> State<K> {
    /// Opens the state in a store, which may be empty, and holds nothing else: give it a part of
    /// one that does.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or what is read is damaged or of a later release.
    /// [`Error::ImportUnfinished`] if an [`Import`] into it has not come to its end.
    pub fn open(store: K, options: StateOptions) -> Result<Self, Error> {
        let core = Core {
            store,
            name: options.name.clone(),
            oldest: AtomicU64::new(0),
            rolled_back: AtomicU64::new(0),
        };
        if core.store.get(&rows::IMPORT)?.is_some() {
            return Err(Error::ImportUnfinished { path: core.name });
        }
        let meta: Meta = match core.store.get(&rows::META)? {
            Some(record) => core.record(&record)?,
            None => Meta::default(),
        };
        if meta.heights.is_some_and(|(height, oldest)| height < oldest) {
            return Err(core.corrupt("the oldest height is above the last"));
        }
        core.oldest.store(meta.heights.map_or(0, |(_, oldest)| oldest), Ordering::Release);
        let accepted = Tree::stored(Arc::new(Pool::new(options.memory_bytes)), Root::Empty);
        let mut state = Self { core: Arc::new(core), options, accepted, meta };
        if meta.trimming {
            state.trim()?;
        }
        if let Some((height, _)) = meta.heights {
            state.accepted = state.tree_at(height)?;
        }
        Ok(state)
    }

    /// The accepted height; `None` before the first commit.
    #[must_use]
    pub fn height(&self) -> Option<u64> {
        self.meta.heights.map(|(height, _)| height)
    }

    /// The oldest height that can be read; `None` before the first commit.
    #[must_use]
    pub fn oldest_height(&self) -> Option<u64> {
        self.meta.heights.map(|(_, oldest)| oldest)
    }

    /// The root at the accepted height.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.accepted.root().hash()
    }

    /// Bytes of Merkle nodes in memory, those of views included. Not counted are lists of what
    /// views changed, room in tables, at most a sixteenth, and memory that roots are computed in:
    /// of up to eight threads it is kept, at most 2 MiB each.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.accepted.pool().bytes() + self.accepted.pool().spare_bytes()
    }

    /// How many Merkle nodes in memory are patches over others, those of views included.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn patches(&self) -> usize {
        self.accepted.pool().patches()
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &K {
        &self.core.store
    }

    /// The value of `key` at the accepted height.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or what is read is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.height() {
            Some(height) => self.core.value_at(key, &key_hash(key), height),
            None => Ok(None),
        }
    }

    /// The value of `key` at a height.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::Pruned`], [`Error::HeightUnknown`].
    pub fn get_at(&self, key: &[u8], height: u64) -> Result<Option<Vec<u8>>, Error> {
        self.check_height(height)?;
        self.core.value_at(key, &key_hash(key), height)
    }

    /// The root at a height.
    ///
    /// # Errors
    ///
    /// As [`get_at`](Self::get_at).
    pub fn root_at(&self, height: u64) -> Result<Hash, Error> {
        Ok(self.tree_at(height)?.root().hash())
    }

    /// The proof of what `key` has at a height.
    ///
    /// # Errors
    ///
    /// As [`get_at`](Self::get_at).
    pub fn prove(&self, key: &[u8], height: u64) -> Result<Proof, Error> {
        self.tree_at(height)?.prove(&key_hash(key), &*self.core)
    }

    /// The entries at a height whose key hashes lie from `from` up to, and without, `end` (or to
    /// the last), as far as `limits` allow, with the proof that they are all. There is at least
    /// one, if one lies there, even if it alone exceeds `limits`.
    ///
    /// # Errors
    ///
    /// As [`get_at`](Self::get_at).
    pub fn prove_range(
        &self,
        from: &Hash,
        end: Option<&Hash>,
        limits: RangeLimits,
        height: u64,
    ) -> Result<RangeProof, Error> {
        let tree = self.tree_at(height)?;
        let (entries, stop) = self.entries(&tree, from, end, limits, height)?;
        tree.prove_range(from, stop.as_ref().or(end), entries, &*self.core)
    }

    /// Entries of a range up to limits, and where it was left if it was.
    fn entries(
        &self,
        tree: &Tree,
        from: &Hash,
        end: Option<&Hash>,
        limits: RangeLimits,
        height: u64,
    ) -> Result<(Vec<Pair>, Option<Hash>), Error> {
        let max = limits.entries.max(1);
        let leaves = tree.entries(from, end, max.saturating_add(1), &*self.core)?;
        let (mut pairs, mut bytes) = (Vec::new(), 0_usize);
        for leaf in &leaves {
            let (key, value) = self.core.pair_at(leaf, height)?;
            bytes = bytes.saturating_add(key.len() + value.len());
            if !pairs.is_empty() && (pairs.len() >= max || bytes > limits.bytes) {
                break;
            }
            pairs.push((key, value));
        }
        let last = leaves.get(..pairs.len()).and_then(<[_]>::last).map(|(key, _)| *key);
        let stop = last.filter(|_| pairs.len() < leaves.len());
        Ok((pairs, stop.and_then(|key| crate::merkle::successor(&key))))
    }

    /// A part of the pairs at a height, in the order of their key hashes: those from `from` on, as
    /// many as `limits` allow and at least one if there is one; and where the next part begins.
    ///
    /// # Errors
    ///
    /// As [`get_at`](Self::get_at).
    pub fn pairs(
        &self,
        from: &Hash,
        limits: RangeLimits,
        height: u64,
    ) -> Result<(Vec<Pair>, Option<Hash>), Error> {
        let tree = self.tree_at(height)?;
        self.entries(&tree, from, None, limits, height)
    }

    /// The accepted state as a view: to read, to prove and to build on while this one goes on.
    /// `None` before the first commit.
    #[must_use]
    pub fn view(&self) -> Option<View<K>> {
        self.height().map(|height| View::of(self.begin_at(height)))
    }

    /// Begins the state of the next height over the accepted one; of height 0 if there is none.
    #[must_use]
    pub fn begin(&self) -> Draft<K> {
        self.begin_at(self.height().map_or(0, |height| height.saturating_add(1)))
    }

    /// Begins the state of a height over the accepted one, for chains that do not begin at 0 or
    /// whose heights have gaps. [`commit`](Self::commit) refuses one that is not above.
    #[must_use]
    pub fn begin_at(&self, height: u64) -> Draft<K> {
        Draft {
            core: Arc::clone(&self.core),
            base: Base::Accepted(self.height()),
            tree: self.accepted.clone(),
            height,
            threads: self.options.threads,
            epoch: self.core.rolled_back.load(Ordering::Acquire),
            changes: std::collections::BTreeMap::new(),
        }
    }

    /// Makes every commit durable.
    ///
    /// # Errors
    ///
    /// If the disk does not confirm.
    pub fn flush(&self) -> Result<(), Error> {
        self.core.store.flush()
    }

    fn check_height(&self, height: u64) -> Result<(), Error> {
        let last = self.height();
        if last.is_none_or(|last| last < height) {
            return Err(Error::HeightUnknown { height, last });
        }
        self.core.check_kept(height)
    }

    /// The tree at a height that is kept. Between the heights of commits it is the one below.
    fn tree_at(&self, height: u64) -> Result<Tree, Error> {
        self.check_height(height)?;
        if self.height() == Some(height) && *self.accepted.root() != Root::Empty {
            return Ok(self.accepted.clone());
        }
        let mut range = rows::heights(b'r', 0, None);
        range.end = std::ops::Bound::Included(rows::root_key(height));
        let row = self.core.store.range(range, crate::Order::Descending).next().transpose()?;
        let (_, record) =
            row.ok_or_else(|| self.core.corrupt("the root of a height is missing"))?;
        let record: RootRecord = self.core.record(&record)?;
        Ok(Tree::stored(Arc::clone(self.accepted.pool()), record.into()))
    }
}

/// Refuses a pair that a store could not take.
fn check_size<K: KeyValue>(store: &K, key: usize, value: usize) -> Result<(), Error> {
    let max = store.limits().value_bytes_max.saturating_sub(VALUE_ROW_EXTRA);
    if key > max {
        return Err(Error::KeyTooLarge { bytes: key, max });
    }
    if value > max - key {
        return Err(Error::ValueTooLarge { bytes: value, max: max - key });
    }
    Ok(())
}
