//! States that are not accepted: changes over the accepted one, or over each other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::core::Core;
use crate::merkle::{KeyChange, Tree};
use crate::{Error, Hash, KeyValue, Proof, key_hash, value_hash};

/// What changed, by key.
type Changes = BTreeMap<Vec<u8>, Changed>;

/// A change of one key.
#[derive(Debug)]
pub(super) struct Changed {
    /// The key's hash: the root and the value's row both need it.
    pub(super) hash: Hash,
    /// The new value; `None` is a deletion.
    pub(super) value: Option<Vec<u8>>,
}

/// What a view or a draft is over.
#[derive(Debug)]
pub(super) enum Base<K> {
    /// The accepted state at a height; `None` before the first.
    Accepted(Option<u64>),
    /// A view.
    View(View<K>),
}

impl<K> Clone for Base<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Accepted(height) => Self::Accepted(*height),
            Self::View(view) => Self::View(view.clone()),
        }
    }
}

/// What a block makes of its parent's state, while it is executed. [`seal`](Self::seal) ends that.
#[derive(Debug)]
pub struct Draft<K> {
    pub(super) core: Arc<Core<K>>,
    pub(super) base: Base<K>,
    pub(super) tree: Tree,
    pub(super) height: u64,
    pub(super) threads: usize,
    pub(super) epoch: u64,
    pub(super) changes: Changes,
}

/// The state of a block that was executed, and may be accepted: fixed, with a known root. A clone
/// is the same view. Drafts and views over it keep it alive.
#[derive(Debug)]
pub struct View<K>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    core: Arc<Core<K>>,
    /// The accepted state at its own height, once the store has it.
    base: Mutex<Base<K>>,
    tree: Tree,
    height: u64,
    threads: usize,
    epoch: u64,
    changes: Changes,
}

impl<K> Clone for View<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: KeyValue> Draft<K> {
    /// The height that this will be the state of.
    #[must_use]
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// The value of `key` after the changes so far.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, what is read is damaged, the height below was pruned, or the
    /// state was rolled back.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes.get(key) {
            Some(change) => Ok(change.value.clone()),
            None => get(&self.core, &self.base, self.epoch, key),
        }
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// [`Error::KeyTooLarge`], [`Error::ValueTooLarge`] if the store could not take the pair, which
    /// lies in one row of it with 6 bytes more. Nothing changes.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Result<(), Error> {
        let (key, value) = (key.into(), value.into());
        self.check(key.len(), value.len())?;
        self.set(key, Some(value));
        Ok(())
    }

    /// Deletes `key`; one that is absent is no error.
    ///
    /// # Errors
    ///
    /// [`Error::KeyTooLarge`]. Nothing changes.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) -> Result<(), Error> {
        let key = key.into();
        self.check(key.len(), 0)?;
        self.set(key, None);
        Ok(())
    }

    /// Hashes a key once, however often it is set.
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match self.changes.entry(key) {
            Entry::Occupied(mut change) => change.get_mut().value = value,
            Entry::Vacant(place) => {
                let hash = key_hash(place.key());
                place.insert(Changed { hash, value });
            }
        }
    }

    fn check(&self, key: usize, value: usize) -> Result<(), Error> {
        super::check_size(&self.core.store, key, value)
    }

    /// Computes the root: hashes what changed, once, by as many threads as the state was opened
    /// with.
    ///
    /// # Errors
    ///
    /// If a node has to be read from the store and cannot be, or is damaged.
    pub fn seal(self) -> Result<View<K>, Error> {
        check_epoch(&self.core, self.epoch)?;
        let changes = self.changes.values().map(|change| KeyChange {
            key: change.hash,
            value: change.value.as_deref().map(value_hash),
        });
        let changes: Vec<_> = changes.collect();
        let tree = self.tree.apply(self.height, &changes, self.threads, &*self.core)?;
        Ok(View::of(Self { tree, ..self }))
    }
}

impl<K> View<K> {
    /// What a draft has come to.
    pub(super) fn of(draft: Draft<K>) -> Self {
        Self(Arc::new(Inner {
            core: draft.core,
            base: Mutex::new(draft.base),
            tree: draft.tree,
            height: draft.height,
            threads: draft.threads,
            epoch: draft.epoch,
            changes: draft.changes,
        }))
    }
}

impl<K: KeyValue> View<K> {
    /// The height that this is the state of.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.0.height
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.0.tree.root().hash()
    }

    /// How many leaf and inner hashes the root took. Where keys come and go, some of them were
    /// there before; those that are made again beside changed leaves, where small subtrees keep
    /// none, are not counted.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.0.tree.hashes()
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// As [`Draft::get`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        get(&self.0.core, &Base::View(self.clone()), self.0.epoch, key)
    }

    /// The proof of what `key` has.
    ///
    /// # Errors
    ///
    /// As [`Draft::get`].
    pub fn prove(&self, key: &[u8]) -> Result<Proof, Error> {
        check_epoch(&self.0.core, self.0.epoch)?;
        self.0.tree.prove(&key_hash(key), &*self.0.core)
    }

    /// Begins the state of a child: of the next height.
    #[must_use]
    pub fn begin(&self) -> Draft<K> {
        Draft {
            core: Arc::clone(&self.0.core),
            base: Base::View(self.clone()),
            tree: self.0.tree.clone(),
            height: self.0.height.saturating_add(1),
            threads: self.0.threads,
            epoch: self.0.epoch,
            changes: Changes::new(),
        }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.0.tree
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.0.changes
    }

    pub(super) fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// This view and those below it that are not accepted, oldest first; `None` if they are not
    /// over `accepted`.
    pub(super) fn over(&self, accepted: &Tree) -> Option<Vec<Self>> {
        let mut chain = vec![self.clone()];
        while let Some(first) = chain.last()
            && !first.tree().is_child_of(accepted)
        {
            let below = first.0.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Base::View(below) = below else { return None };
            chain.push(below);
        }
        chain.reverse();
        Some(chain)
    }

    /// Says that the store has this view, so that it reads there what it did not change itself.
    pub(super) fn settled(&self) {
        let mut base = self.0.base.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *base, Base::Accepted(Some(self.0.height)));
        drop(base);
        drop(old);
    }
}

/// The value of `key` in `base`: the newest change of it, or else what is accepted.
fn get<K: KeyValue>(
    core: &Core<K>,
    base: &Base<K>,
    epoch: u64,
    key: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let mut tried = None;
    let value = loop {
        let height = match changed(base.clone(), key) {
            Ok(value) => break value,
            Err(None) => break None,
            Err(Some(height)) => height,
        };
        match core.value_at(key, &key_hash(key), height) {
            // The views may have been committed, and what was below them pruned, since the height
            // was read: then they stand over another one now.
            Err(Error::Pruned { .. }) if tried != Some(height) => tried = Some(height),
            value => break value?,
        }
    };
    check_epoch(core, epoch)?;
    Ok(value)
}

/// What the views of `base` made of `key`; if they did not change it, the accepted height that they
/// are over.
fn changed<K>(mut base: Base<K>, key: &[u8]) -> Result<Option<Vec<u8>>, Option<u64>> {
    loop {
        match base {
            Base::View(view) => {
                if let Some(change) = view.0.changes.get(key) {
                    return Ok(change.value.clone());
                }
                let next = view.0.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
                base = next;
            }
            Base::Accepted(height) => return Err(height),
        }
    }
}

fn check_epoch<K>(core: &Core<K>, epoch: u64) -> Result<(), Error> {
    if core.rolled_back.load(Ordering::Acquire) == epoch { Ok(()) } else { Err(Error::StaleView) }
}
