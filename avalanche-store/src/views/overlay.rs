//! Changes of blocks that are not decided yet, over the store of those that are.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::backends::memory::{Rows, Scan};
use crate::{Batch, Change, Error, KeyRange, KeyValue, Limits, Order, Pair, Pairs};

/// What the state would be after a block, without changing the store.
///
/// ```text
///   store <- root (last accepted) <- child at +1 <- child at +2
///                                 <- its sibling
/// ```
///
/// [`new`](Self::new) gives the root; verifying a block makes a [`child`](Self::child) of its
/// parent's layer and commits into that; accepting the block [`accept`](Self::accept)s the layer.
/// Handles are cheap to clone and share one layer.
///
/// # Rules
///
/// - A layer is written until it has a child or is accepted; then it is [`Error::Sealed`].
/// - Layers are accepted from the root upwards. When one is, its siblings and all above them are
///   [`Error::Superseded`], and so is the root or layer below it, whose view the store has left.
/// - An accepted layer reads from the store alone, and its children then lie on the store: a chain
///   is never longer than the blocks that are processing. Its changes stay in memory while a
///   handle of it, or of a child that was not read since, is held.
/// - The store must not be written by other ways while layers are read, except keys that no layer
///   reads.
///
/// As a [`KeyValue`] it keeps the contract but for durability: a layer is a proposal, and
/// [`flush`](KeyValue::flush) does nothing. Memory is what its changes take, without bound; a block
/// limits them.
#[derive(Debug)]
pub struct Overlay<K> {
    tree: Arc<Tree<K>>,
    layer: Arc<Layer>,
}

#[derive(Debug)]
struct Tree<K> {
    store: K,
    /// The layer whose view the store has, or is being given.
    tip: AtomicU64,
    next_id: AtomicU64,
    accepting: Mutex<()>,
}

#[derive(Debug)]
struct Layer {
    id: u64,
    height: u64,
    below_id: u64,
    /// `None` once the layer below was seen to be accepted.
    below: RwLock<Option<Arc<Self>>>,
    changes: Arc<Rows<Option<Vec<u8>>>>,
    stage: AtomicU8,
}

/// Stages of a layer, in this order. The first ends under the write lock of its changes.
const OPEN: u8 = 0;
const SEALED: u8 = 1;
const ACCEPTED: u8 = 2;

impl<K: KeyValue> Overlay<K> {
    /// The root: what `store` holds now, as of `height`.
    #[must_use]
    pub fn new(store: K, height: u64) -> Self {
        let tree = Tree {
            store,
            tip: AtomicU64::new(0),
            next_id: AtomicU64::new(1),
            accepting: Mutex::new(()),
        };
        let layer = Layer {
            id: 0,
            height,
            below_id: 0,
            below: RwLock::new(None),
            changes: Arc::default(),
            stage: AtomicU8::new(ACCEPTED),
        };
        Self { tree: Arc::new(tree), layer: Arc::new(layer) }
    }

    /// An empty layer on this one, at the next height. This one is no longer written.
    #[must_use]
    pub fn child(&self) -> Self {
        self.layer.seal();
        let layer = Layer {
            id: self.tree.next_id.fetch_add(1, Ordering::Relaxed),
            height: self.layer.height.saturating_add(1),
            below_id: self.layer.id,
            below: RwLock::new(Some(Arc::clone(&self.layer))),
            changes: Arc::default(),
            stage: AtomicU8::new(OPEN),
        };
        Self { tree: Arc::clone(&self.tree), layer: Arc::new(layer) }
    }

    /// Commits this layer's changes to the store: its view is the store's from here on.
    ///
    /// Nothing is flushed. A second call does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::ParentProcessing`], [`Error::Superseded`]; those of the store's commit, after which
    /// nothing was accepted.
    pub fn accept(&self) -> Result<(), Error> {
        self.accept_with(|store, batch| store.commit(batch))
    }

    /// As [`accept`](Self::accept), but `commit` gives the changes to the store, with more rows, at
    /// a height, or in another form. It must make all of them, and no other key that a layer reads.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Self::accept) and of `commit`.
    pub fn accept_with(
        &self,
        commit: impl FnOnce(&K, Batch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.tree.accepting.lock().unwrap_or_else(PoisonError::into_inner);
        let layer = &self.layer;
        let chain = self.chain()?;
        if chain.is_empty() {
            return Ok(());
        }
        if chain.len() > 1 {
            return Err(Error::ParentProcessing { height: layer.height });
        }
        layer.seal();
        // Before the store changes, so that who reads it beside the chain finds out.
        self.tree.tip.store(layer.id, Ordering::SeqCst);
        let done = commit(&self.tree.store, layer.batch());
        match done {
            Ok(()) => layer.stage.store(ACCEPTED, Ordering::SeqCst),
            Err(_) => self.tree.tip.store(layer.below_id, Ordering::SeqCst),
        }
        done
    }

    /// The height of its block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.layer.height
    }

    /// Whether its changes are the store's.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.layer.is_accepted()
    }

    /// This layer's own changes, of each key the last, in key order.
    #[must_use]
    pub fn changes(&self) -> Batch {
        self.layer.batch()
    }

    /// The store below all layers.
    #[must_use]
    pub fn store(&self) -> &K {
        &self.tree.store
    }

    /// Layers that are processing, from this one down; the store is right below them.
    fn chain(&self) -> Result<Vec<Arc<Layer>>, Error> {
        let tip = self.tree.tip.load(Ordering::SeqCst);
        let mut chain = Vec::new();
        let mut layer = Arc::clone(&self.layer);
        let on_store = loop {
            if layer.is_accepted() {
                break layer.id == tip;
            }
            let below = layer.below();
            // Its own id: while it is being accepted.
            let on_tip = layer.below_id == tip || layer.id == tip;
            chain.push(layer);
            match below {
                Some(below) => layer = below,
                None => break on_tip,
            }
        };
        let superseded = Error::Superseded { height: self.layer.height };
        if on_store { Ok(chain) } else { Err(superseded) }
    }
}

impl<K> Clone for Overlay<K> {
    fn clone(&self) -> Self {
        Self { tree: Arc::clone(&self.tree), layer: Arc::clone(&self.layer) }
    }
}

impl Layer {
    fn is_accepted(&self) -> bool {
        self.stage.load(Ordering::SeqCst) == ACCEPTED
    }

    fn seal(&self) {
        let _no_commit_meanwhile = self.changes.write();
        self.stage.fetch_max(SEALED, Ordering::SeqCst);
    }

    /// The layer below, if it is processing; forgotten once it is not.
    fn below(&self) -> Option<Arc<Self>> {
        let below = self.below.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        if !below.is_accepted() {
            return Some(below);
        }
        *self.below.write().unwrap_or_else(PoisonError::into_inner) = None;
        None
    }

    fn batch(&self) -> Batch {
        let mut batch = Batch::new();
        let changes = self.changes.read();
        batch.extend(
            changes.iter().map(|(key, value)| Change { key: key.clone(), value: value.clone() }),
        );
        batch
    }
}

impl<K: KeyValue> KeyValue for Overlay<K> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        for layer in self.chain()? {
            if let Some(value) = layer.changes.read().get(key) {
                return Ok(value.clone());
            }
        }
        let value = self.tree.store.get(key)?;
        // A sibling may have been accepted in between.
        self.chain()?;
        Ok(value)
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        let chain = match self.chain() {
            Ok(chain) => chain,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let layers = chain
            .into_iter()
            .map(|layer| Head {
                rows: Scan::new(Arc::clone(&layer.changes), range.clone(), order),
                next: None,
            })
            .collect();
        let store = self.tree.store.range(range, order);
        Box::new(Merged { of: self, layers, store: Some(store), stored: None, order })
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.limits().check(&batch)?;
        self.chain()?;
        let mut changes = self.layer.changes.write();
        if self.layer.stage.load(Ordering::SeqCst) != OPEN {
            return Err(Error::Sealed { height: self.layer.height });
        }
        changes.extend(batch.into_changes().into_iter().map(|change| (change.key, change.value)));
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn limits(&self) -> Limits {
        self.tree.store.limits()
    }
}

/// A layer's scan and its next row.
#[derive(Debug)]
struct Head {
    rows: Scan<Option<Vec<u8>>>,
    next: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A scan of layers, newest first, and the store; ends with its first error.
struct Merged<'a, K> {
    of: &'a Overlay<K>,
    layers: Vec<Head>,
    store: Option<Pairs<'a>>,
    stored: Option<Pair>,
    order: Order,
}

impl<K: KeyValue> Merged<'_, K> {
    /// Reads ahead where nothing is waiting.
    fn fill(&mut self) -> Result<(), Error> {
        for head in &mut self.layers {
            if head.next.is_none() {
                head.next = head.rows.next();
            }
        }
        if self.stored.is_none()
            && let Some(store) = &mut self.store
        {
            self.stored = store.next().transpose()?;
            if self.stored.is_none() {
                self.store = None;
            }
        }
        Ok(())
    }

    /// The next key and what the newest layer says about it.
    fn step(&mut self) -> Result<Option<Change>, Error> {
        self.fill()?;
        let waiting = self.layers.iter().filter_map(|head| head.next.as_ref().map(|row| &row.0));
        let waiting = waiting.chain(self.stored.as_ref().map(|row| &row.0));
        let first = match self.order {
            Order::Ascending => waiting.min(),
            Order::Descending => waiting.max(),
        };
        let Some(first) = first.cloned() else { return Ok(None) };
        let mut newest = None;
        for head in &mut self.layers {
            if let Some((_, value)) = head.next.take_if(|row| row.0 == first) {
                newest.get_or_insert(value);
            }
        }
        if let Some((_, value)) = self.stored.take_if(|row| row.0 == first) {
            newest.get_or_insert(Some(value));
        }
        Ok(newest.map(|value| Change { key: first, value }))
    }

    fn end(&mut self) {
        self.layers.clear();
        self.store = None;
        self.stored = None;
    }
}

impl<K: KeyValue> Iterator for Merged<'_, K> {
    type Item = Result<Pair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.step() {
                Ok(Some(Change { value: None, .. })) => {}
                Ok(Some(Change { key, value: Some(value) })) => {
                    let valid = self.of.chain();
                    if valid.is_err() {
                        self.end();
                    }
                    return Some(valid.map(|_chain| (key, value)));
                }
                Ok(None) => return None,
                Err(error) => {
                    self.end();
                    return Some(Err(error));
                }
            }
        }
    }
}
