//! Builds a state from its entries: from a checkpoint, or from range proofs of a peer.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::core::Core;
use super::rows::{self, ImportRecord, Meta, RootRecord};
use super::{State, StateOptions, check_size};
use crate::merkle::{KeyChange, Pool, Tree};
use crate::{
    Batch, Error, Hash, KeyRange, KeyValue, Order, Pair, VerifiedRange, codec, key_hash, value_hash,
};

/// Entries that are written in one batch.
const BATCH_ENTRIES: usize = 4096;
/// Bytes of keys and values after which a batch is written.
const BATCH_BYTES: usize = 4 << 20;

/// A state that is being built, entry by entry in the order of key hashes. What was added stays
/// when the process stops; [`open`](Self::open) goes on there.
///
/// ```text
///   open(store, height, root) --> position() --> ask a peer for a range from there
///             ^                                       |  proof.verify(root, ..)
///             |                                       v
///             +----------- any stop ---------- add(verified range) --> finish() --> State
/// ```
#[derive(Debug)]
pub struct Import<K> {
    core: Arc<Core<K>>,
    options: StateOptions,
    tree: Tree,
    height: u64,
    target: Hash,
    next: Option<Hash>,
}

impl<K: KeyValue> Import<K> {
    /// Begins to build, in an empty store, the state that has `root` at `height`; or goes on, if
    /// the store holds the beginning of that.
    ///
    /// # Errors
    ///
    /// [`Error::StoreNotEmpty`] if the store holds anything else. If it cannot be read or written,
    /// or what is read is damaged.
    pub fn open(store: K, options: StateOptions, height: u64, root: Hash) -> Result<Self, Error> {
        let core = Core {
            store,
            name: options.name.clone(),
            oldest: AtomicU64::new(height),
            rolled_back: AtomicU64::new(0),
        };
        let record = match core.store.get(&rows::IMPORT)? {
            Some(record) => core.record(&record)?,
            None => {
                if let Some(row) = core.store.range(KeyRange::all(), Order::Ascending).next() {
                    row?;
                    return Err(Error::StoreNotEmpty { path: core.name });
                }
                let next = Some([0; 32]);
                ImportRecord { height, target: root, root: RootRecord::Empty, next }
            }
        };
        if record.height != height || record.target != root {
            return Err(Error::StoreNotEmpty { path: core.name });
        }
        let tree = Tree::stored(Arc::new(Pool::new(options.memory_bytes)), record.root.into());
        let core = Arc::new(core);
        Ok(Self { core, options, tree, height, target: root, next: record.next })
    }

    /// The key hash from which entries are missing; `None` if none are.
    #[must_use]
    pub const fn position(&self) -> Option<Hash> {
        self.next
    }

    /// Bytes of Merkle nodes in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.tree.pool().bytes() + self.tree.pool().spare_bytes()
    }

    /// Adds what a proof showed: of this state's root, from [`position`](Self::position) on.
    ///
    /// # Errors
    ///
    /// [`Error::ImportOutOfPlace`] if it is of another root or does not begin at the position;
    /// nothing was changed. [`Error::KeyTooLarge`], [`Error::ValueTooLarge`] for a pair that the
    /// store cannot take. If the store fails.
    pub fn add(&mut self, range: &VerifiedRange) -> Result<(), Error> {
        if *range.root() != self.target || Some(*range.from()) != self.next {
            return Err(Error::ImportOutOfPlace { path: self.core.name.clone() });
        }
        let next = range.next().or(range.end().copied());
        self.add_pairs(range.entries(), next)
    }

    /// Adds entries that follow those before, in one batch or several. `next` is where to go on.
    pub(super) fn add_pairs(&mut self, pairs: &[Pair], next: Option<Hash>) -> Result<(), Error> {
        for (key, value) in pairs {
            check_size(&self.core.store, key.len(), value.len())?;
        }
        let mut rest = pairs;
        loop {
            let mut bytes = 0;
            let full = |(key, value): &Pair| {
                bytes += key.len() + value.len();
                bytes > BATCH_BYTES
            };
            let count = rest.iter().position(full).unwrap_or(rest.len());
            let (part, after) = rest.split_at(count.clamp(1, BATCH_ENTRIES).min(rest.len()));
            rest = after;
            let following = rest.first().map(|(key, _)| key_hash(key));
            self.write(part, following.or(next))?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    fn write(&mut self, pairs: &[Pair], next: Option<Hash>) -> Result<(), Error> {
        let mut batch = Batch::new();
        let mut changes = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let hash = key_hash(key);
            batch.put(rows::value_key(&hash, self.height), rows::value_record(key, Some(value)));
            changes.push(KeyChange { key: hash, value: Some(value_hash(value)) });
        }
        let threads = self.options.threads;
        let tree = self.tree.apply(self.height, &changes, threads, &*self.core)?;
        // One that is written again is written over its own row. Others go where an import that an
        // earlier release began has nodes that are twigs now, or where the root had few entries.
        tree.each_gone(|at, path| batch.delete(rows::node_key(at.born, path)));
        tree.each_made(|_, path, node| {
            batch.put(rows::node_key(self.height, path), node.record());
        });
        let root = RootRecord::from(tree.root());
        let record = ImportRecord { height: self.height, target: self.target, root, next };
        batch.put(rows::IMPORT, codec::encode(&record));
        self.core.store.commit(batch)?;
        tree.settle(|_, _| true);
        self.tree = tree;
        self.next = next;
        self.tree.pool().evict();
        Ok(())
    }

    /// Ends the import: the store is a state from here on, with one height. Flushed.
    ///
    /// # Errors
    ///
    /// [`Error::ImportUnfinished`] if entries are missing, [`Error::RootDiffers`] if those that
    /// were added do not have the root: start again in an empty store. If the store fails.
    pub fn finish(self) -> Result<State<K>, Error> {
        let path = self.core.name.clone();
        if self.next.is_some() {
            return Err(Error::ImportUnfinished { path });
        }
        if self.tree.root().hash() != self.target {
            return Err(Error::RootDiffers { path, height: self.height });
        }
        let heights = Some((self.height, self.height));
        let meta = Meta { heights, trimming: false };
        let mut batch = Batch::new();
        let root = RootRecord::from(self.tree.root());
        batch.put(rows::root_key(self.height), codec::encode(&root));
        batch.put(rows::META, codec::encode(&meta));
        batch.delete(rows::IMPORT);
        self.core.store.commit(batch)?;
        self.core.store.flush()?;
        let Self { core, options, tree, .. } = self;
        Ok(State { core, options, accepted: tree, meta })
    }
}
