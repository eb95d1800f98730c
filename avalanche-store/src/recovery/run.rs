//! Carrying a plan out.

use std::{error, fmt};

use avalanche_consensus::Height;

use super::{Base, Found, Plan, StateFound, Stuck, plan};
use crate::{
    Block, Checkpoints, Disk, Draft, Error, KeyValue, LogReader, State, StateOptions, View,
};

/// Blocks between two flushes of a state that is replayed. A crash repeats at most so many.
const FLUSH_EVERY: u64 = 256;

/// What executes blocks: the part of a VM that recovery needs.
pub trait Execute<K> {
    /// Why a block cannot be executed.
    type Error;

    /// Fills the state of genesis.
    ///
    /// # Errors
    ///
    /// The caller's.
    fn genesis(&mut self, draft: Draft<K>) -> Result<View<K>, Self::Error>;

    /// Executes an accepted block on its parent's state.
    ///
    /// # Errors
    ///
    /// The caller's. An accepted block that cannot be executed is fatal for its chain.
    fn block(&mut self, block: &Block, draft: Draft<K>) -> Result<View<K>, Self::Error>;
}

/// A state that stands where the log ends, and what it took.
#[derive(Debug)]
pub struct Recovered<K> {
    /// The state. It has been flushed.
    pub state: State<K>,
    /// What was done.
    pub plan: Plan,
    /// Blocks that were executed.
    pub replayed: u64,
    /// Checkpoints that turned out to be damaged, newest first.
    pub damaged: Vec<Height>,
}

/// Why a state could not be recovered.
#[derive(Debug)]
pub enum Halted<E> {
    /// Nothing on disk leads to the end of the log. Nothing was changed.
    Stuck(Stuck),
    /// The log, the state or a store failed.
    Store(Error),
    /// A block could not be executed.
    Execute {
        /// Its height.
        height: Height,
        /// What the executor said.
        error: E,
    },
}

/// Brings a state to the end of the log, by [`plan`].
///
/// `opened` is what opening the state gave: an error counts as a state that is of no use, unless it
/// says that somebody else has it open or that the system refused. `fresh` gives an empty store,
/// for a state that begins anew; it is called only then, may be called again if a checkpoint is
/// damaged, and moves aside what was there.
///
/// # Errors
///
/// [`Halted`]. Calling again, after what it says has been done, goes on.
pub fn recover<D: Disk, C: Disk, K: KeyValue, X: Execute<K>>(
    log: &LogReader<D>,
    checkpoints: &Checkpoints<C>,
    opened: Result<State<K>, Error>,
    options: &StateOptions,
    mut fresh: impl FnMut() -> Result<K, Error>,
    executor: &mut X,
) -> Result<Recovered<K>, Halted<X::Error>> {
    let mut usable = match opened {
        Ok(state) => Some(state).filter(|state| state.height().is_some()),
        Err(error @ (Error::InUse { .. } | Error::Io { .. } | Error::Version { .. })) => {
            return Err(Halted::Store(error));
        }
        Err(error) => {
            tracing::warn!(%error, "the state cannot be opened, and is built anew");
            None
        }
    };
    let mut found = Found {
        log: log.first().zip(log.last()).map(|(first, last)| first..=last),
        state: usable.as_ref().map_or(StateFound::Unusable, where_it_stands),
        checkpoints: checkpoints.list()?.into_iter().map(Height::new).collect(),
    };
    let mut damaged = Vec::new();
    let (plan, state) = loop {
        let plan = plan(&found).map_err(Halted::Stuck)?;
        let state = match (plan.base, usable.take()) {
            (Base::State, Some(state)) => state,
            (Base::RollBack(height), Some(mut state)) => {
                state.roll_back_to(height.get())?;
                state
            }
            (Base::Checkpoint(height), _) => {
                match checkpoints.restore(height.get(), fresh()?, options.clone()) {
                    Ok(state) => state,
                    Err(error) => {
                        tracing::warn!(%error, %height, "a checkpoint is of no use");
                        let intact = |error: &Error| {
                            !matches!(
                                error,
                                Error::Corrupt { .. }
                                    | Error::RootDiffers { .. }
                                    | Error::Version { .. }
                            )
                        };
                        if intact(&error) {
                            return Err(Halted::Store(error));
                        }
                        damaged.push(height);
                        found.checkpoints.retain(|other| *other != height);
                        found.state = StateFound::Unusable;
                        continue;
                    }
                }
            }
            (Base::Genesis | Base::State | Base::RollBack(_), _) => {
                let mut state = State::open(fresh()?, options.clone())?;
                let view = executor
                    .genesis(state.begin_at(Height::GENESIS.get()))
                    .map_err(|error| Halted::Execute { height: Height::GENESIS, error })?;
                state.commit(&view, Height::GENESIS.get())?;
                state
            }
        };
        break (plan, state);
    };
    tracing::info!(?plan, "recovering the state");
    let (state, replayed) = replay(log, &plan, state, executor)?;
    Ok(Recovered { state, plan, replayed, damaged })
}

fn where_it_stands<K: KeyValue>(state: &State<K>) -> StateFound {
    match state.height().zip(state.oldest_height()) {
        Some((height, oldest)) => {
            StateFound::At { height: Height::new(height), oldest: Height::new(oldest) }
        }
        None => StateFound::Unusable,
    }
}

/// Executes the blocks that a plan names, and flushes.
fn replay<D: Disk, K: KeyValue, X: Execute<K>>(
    log: &LogReader<D>,
    plan: &Plan,
    mut state: State<K>,
    executor: &mut X,
) -> Result<(State<K>, u64), Halted<X::Error>> {
    let mut replayed = 0;
    if let Some(heights) = &plan.replay {
        for block in log.range(heights.clone()) {
            let block = block?;
            let height = block.height;
            let view = executor
                .block(&block, state.begin_at(height.get()))
                .map_err(|error| Halted::Execute { height, error })?;
            state.commit(&view, height.get())?;
            replayed += 1;
            if replayed % FLUSH_EVERY == 0 {
                state.flush()?;
            }
        }
    }
    state.flush()?;
    Ok((state, replayed))
}

impl<E> From<Error> for Halted<E> {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl<E: fmt::Display> fmt::Display for Halted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stuck(stuck) => stuck.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Execute { height, error } => write!(
                f,
                "the accepted block at height {height} cannot be executed again: {error}; run the \
                 release that accepted it, or restore a later checkpoint"
            ),
        }
    }
}

impl<E: error::Error + 'static> error::Error for Halted<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Stuck(stuck) => Some(stuck),
            Self::Store(error) => Some(error),
            Self::Execute { error, .. } => Some(error),
        }
    }
}
