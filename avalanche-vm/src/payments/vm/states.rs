//! Authenticated states of blocks: roots are computed on threads of their own, while the VM goes
//! on.
//!
//! A block carries the root of its parent's state. So a root is needed only when a child comes, and
//! until then another core can compute it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use avalanche_consensus::Id;
use avalanche_store::{Draft, Hash, KeyValue, State, View};

use super::head::{HEAD_KEY, Head};
use crate::Error;
use crate::payments::{BURNED_KEY, Burned, Layer};

/// The store of an instance.
pub(super) type Store = Arc<dyn KeyValue>;

/// The accepted state, and those of processing blocks.
#[derive(Debug)]
pub(super) struct States {
    state: State<Store>,
    /// The last accepted block, whose view is among the others.
    tip: Id,
    views: BTreeMap<Id, Root>,
}

/// The state of a block, or who computes it.
#[derive(Debug)]
enum Root {
    Known(View<Store>),
    Computing(JoinHandle<Result<View<Store>, Error>>),
}

impl States {
    /// Over a state that was committed at least once; `tip` is its block.
    pub(super) fn new(state: State<Store>, tip: Id) -> Result<Self, Error> {
        let view = state.view().ok_or_else(|| Error::fatal("the state has no height"))?;
        Ok(Self { state, tip, views: BTreeMap::from([(tip, Root::Known(view))]) })
    }

    /// The state of the last accepted block, or of a processing one; waits until it is known.
    pub(super) fn view(&mut self, block: &Id) -> Result<&View<Store>, Error> {
        let unknown = || Error::fatal(format!("the state of block {block} is not kept"));
        if let Some(Root::Computing(_)) = self.views.get(block)
            && let Some(Root::Computing(thread)) = self.views.remove(block)
        {
            let view = thread.join().map_err(|_panic| {
                Error::fatal(format!("the root of block {block} could not be computed: a panic"))
            })??;
            self.views.insert(*block, Root::Known(view));
        }
        match self.views.get(block) {
            Some(Root::Known(view)) => Ok(view),
            Some(Root::Computing(_)) | None => Err(unknown()),
        }
    }

    /// The root that the state of a block has.
    pub(super) fn root(&mut self, block: &Id) -> Result<Hash, Error> {
        self.view(block).map(View::root)
    }

    /// Begins to compute the state of a block, which is the child of one that is kept.
    pub(super) fn execute(&mut self, layer: &Arc<Layer>, head: Head) -> Result<(), Error> {
        let id = layer.id();
        let draft = self.view(&layer.parent())?.begin();
        let spawned = thread::Builder::new().name("state-root".to_owned()).spawn({
            let layer = Arc::clone(layer);
            move || seal(draft, &layer, head)
        });
        let root = match spawned {
            Ok(thread) => Root::Computing(thread),
            // Without a thread to spare it is computed here.
            Err(_refused) => {
                let draft = self.view(&layer.parent())?.begin();
                Root::Known(seal(draft, layer, head)?)
            }
        };
        self.views.insert(id, root);
        Ok(())
    }

    /// Writes the state of a processing block, the child of the last accepted one. Returns it.
    pub(super) fn accept(&mut self, block: &Id) -> Result<View<Store>, Error> {
        let view = self.view(block)?.clone();
        self.state.commit(&view, view.height())?;
        self.views.remove(&self.tip);
        self.tip = *block;
        Ok(view)
    }

    /// Forgets the state of a processing block. Who computes it ends by itself.
    pub(super) fn reject(&mut self, block: &Id) {
        self.views.remove(block);
    }

    /// Removes up to so many rows of heights that are no longer kept.
    pub(super) fn prune(&mut self, rows_max: usize) -> Result<(), Error> {
        self.state.prune(rows_max)?;
        Ok(())
    }

    /// Makes all that was accepted durable.
    pub(super) fn flush(&self) -> Result<(), Error> {
        Ok(self.state.flush()?)
    }
}

/// Whoever opens the store next should not find a thread that still reads it.
impl Drop for States {
    fn drop(&mut self) {
        for root in std::mem::take(&mut self.views).into_values() {
            if let Root::Computing(thread) = root {
                let _ = thread.join();
            }
        }
    }
}

/// Writes what a block changes into a draft, and computes the root.
fn seal(mut draft: Draft<Store>, layer: &Layer, head: Head) -> Result<View<Store>, Error> {
    for (address, account) in layer.accounts() {
        draft.put(*address.as_bytes(), account.encode())?;
    }
    if layer.burned_here() > 0 {
        draft.put(BURNED_KEY, Burned(layer.burned()).encode())?;
    }
    draft.put(HEAD_KEY, head.encode())?;
    Ok(draft.seal()?)
}
