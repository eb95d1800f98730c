//! Authenticated states of blocks: roots are computed on threads of their own, while the VM goes
//! on.
//!
//! A block carries the root of its parent's state. So a root is needed only when a child comes, and
//! until then another core can compute it.
//!
//! Accepted states stay in memory until some blocks or some accounts have gathered, and are written
//! together: the log has the blocks, so nothing is lost, and an account that a thousand transfers
//! changed is written once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use avalanche_consensus::Id;
use avalanche_store::{Draft, Hash, KeyValue, State, View};

use super::head::{HEAD_KEY, Head};
use crate::Error;
use crate::payments::{BURNED_KEY, Burned, Layer, PaymentsConfig};

/// The store of an instance.
pub(super) type Store = Arc<dyn KeyValue>;

/// Rows of old heights that are removed after each commit, at most: about twice what it writes.
const PRUNE_ROWS_MAX: usize = 1 << 18;

/// The root of a block that changes so many accounts at most takes less than beginning a thread.
const INLINE_MAX: usize = 16;

/// The accepted state, and those of processing blocks.
#[derive(Debug)]
pub(super) struct States {
    /// `None` only after its writer failed.
    written: Option<Written>,
    /// Accepted blocks, or accounts that they changed, between two commits.
    bounds: (u64, usize),
    /// The same since the last commit was begun.
    unwritten: (u64, usize),
    /// The last accepted block, whose view is among the others.
    tip: Id,
    views: BTreeMap<Id, Root>,
}

/// What the store has, or who writes it.
#[derive(Debug)]
enum Written {
    State(State<Store>),
    Writing(JoinHandle<Result<State<Store>, Error>>),
}

/// The state of a block, or who computes it.
#[derive(Debug)]
enum Root {
    Known(View<Store>),
    Computing(JoinHandle<Result<View<Store>, Error>>),
}

impl States {
    /// Over a state that was committed at least once; `tip` is its block.
    pub(super) fn new(
        state: State<Store>,
        tip: Id,
        config: &PaymentsConfig,
    ) -> Result<Self, Error> {
        let view = state.view().ok_or_else(|| Error::fatal("the state has no height"))?;
        let views = BTreeMap::from([(tip, Root::Known(view))]);
        let written = Some(Written::State(state));
        let bounds = (config.flush_every.get(), config.flush_accounts.get());
        Ok(Self { written, bounds, unwritten: (0, 0), tip, views })
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
        if layer.accounts().len() <= INLINE_MAX {
            self.views.insert(id, Root::Known(seal(draft, layer, head)?));
            return Ok(());
        }
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

    /// Takes the state of a processing block, the child of the last accepted one, as accepted, and
    /// makes it durable if enough has gathered. Returns it.
    pub(super) fn accept(&mut self, layer: &Layer) -> Result<View<Store>, Error> {
        if matches!(&self.written, Some(Written::Writing(thread)) if thread.is_finished()) {
            // Whether it failed is known now, and not when it is next needed.
            self.written = Some(Written::State(self.state()?));
        }
        let block = layer.id();
        let view = self.view(&block)?.clone();
        self.views.remove(&self.tip);
        self.tip = block;
        self.unwritten.0 += 1;
        self.unwritten.1 = self.unwritten.1.saturating_add(layer.accounts().len());
        let reached = |times| {
            let ((blocks, accounts), (most_blocks, most)) = (self.unwritten, self.bounds);
            blocks >= most_blocks.saturating_mul(times)
                || accounts >= most.saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        };
        let (due, full) = (reached(1), reached(2));
        // A writer that is slower than the chain is waited for, or memory would have no bound.
        if full || (due && matches!(self.written, Some(Written::State(_)))) {
            self.begin_writing()?;
        }
        Ok(view)
    }

    /// Forgets the state of a processing block. Who computes it ends by itself.
    pub(super) fn reject(&mut self, block: &Id) {
        self.views.remove(block);
    }

    /// Makes all that was accepted durable.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.unwritten.0 > 0 {
            self.begin_writing()?;
        }
        let state = self.state()?;
        self.written = Some(Written::State(state));
        Ok(())
    }

    /// Takes the state, and waits for its writer.
    fn state(&mut self) -> Result<State<Store>, Error> {
        match self.written.take() {
            Some(Written::State(state)) => Ok(state),
            Some(Written::Writing(thread)) => thread
                .join()
                .map_err(|_panic| Error::fatal("the state could not be written: a panic"))?,
            None => Err(Error::fatal("the state could not be written before")),
        }
    }

    /// Begins to write all that was accepted, once what was begun before is written.
    fn begin_writing(&mut self) -> Result<(), Error> {
        let tip = self.tip;
        let view = self.view(&tip)?.clone();
        let state = self.state()?;
        let writer = thread::Builder::new().name("state-writer".to_owned());
        let thread = writer.spawn(move || write(state, &view));
        let thread = thread.map_err(|error| {
            Error::fatal(format!("the system has no thread left to write the state: {error}"))
        })?;
        self.written = Some(Written::Writing(thread));
        self.unwritten = (0, 0);
        Ok(())
    }
}

/// Writes an accepted state durably, and removes what is too old.
fn write(mut state: State<Store>, view: &View<Store>) -> Result<State<Store>, Error> {
    state.commit(view, view.height())?;
    state.flush()?;
    state.prune(PRUNE_ROWS_MAX)?;
    Ok(state)
}

/// Whoever opens the store next should not find a thread that still reads it.
impl Drop for States {
    fn drop(&mut self) {
        for root in std::mem::take(&mut self.views).into_values() {
            if let Root::Computing(thread) = root {
                let _ = thread.join();
            }
        }
        if let Some(Written::Writing(thread)) = self.written.take() {
            let _ = thread.join();
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
