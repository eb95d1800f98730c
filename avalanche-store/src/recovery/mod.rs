//! What to do at a start, given what is on disk: the one place that decides it.
//!
//! ```text
//!             first        last
//!   log         |===========|           blocks; the source of truth
//!   state           o- - - >|           derived: stands at a height, is brought to `last`
//!   checkpoints  o      o               whole states, verified, to begin from instead
//! ```
//!
//! Blocks enter the log, durably, before the state takes them. So a crash leaves the state at the
//! log's end or behind it, and replay repairs that. Everything else is damage, and handled in this
//! order:
//!
//! 1. **Replay** what the log has above the state.
//! 2. **Roll back** a state that stands above the log's end: the log lost blocks, and it counts.
//!    The heights are named, so that they are fetched from peers again.
//! 3. **Restore** the newest checkpoint that the log can go on from, if the state is damaged,
//!    absent or cannot roll back, and replay from there.
//! 4. **Rebuild** from nothing, if the log goes back to the first block.
//! 5. **Stop** and say why, if none of these can be: nothing is deleted by a guess.
//!
//! A state sync that was cut off leaves a state without a log. Whoever runs it keeps a mark that it
//! is under way, and goes on with it rather than ask for a plan.

mod run;

use std::ops::RangeInclusive;
use std::{error, fmt};

use avalanche_consensus::Height;

pub use run::{Execute, Halted, Recovered, recover};

/// What is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Heights of the blocks that can be read, without gaps; `None` if there is none.
    pub log: Option<RangeInclusive<Height>>,
    /// The state.
    pub state: StateFound,
    /// Heights of verified checkpoints, in any order.
    pub checkpoints: Vec<Height>,
}

/// The state on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFound {
    /// None, or not one that can be read.
    Unusable,
    /// One that stands at a height.
    At {
        /// The height.
        height: Height,
        /// The lowest height that it can go back to.
        oldest: Height,
    },
}

/// Where the state begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The state as it is.
    State,
    /// The state, taken back to a height.
    RollBack(Height),
    /// The checkpoint of a height, in a fresh state.
    Checkpoint(Height),
    /// A fresh state: genesis.
    Genesis,
}

/// What brings the state to the end of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where it begins.
    pub base: Base,
    /// Blocks of the log to execute from there, in order; `None` if it is at the end.
    pub replay: Option<RangeInclusive<Height>>,
    /// Heights that the state had seen and the log does not have any more. They were accepted:
    /// fetch them from peers, and find out what happened to the disk.
    pub lost: Option<RangeInclusive<Height>>,
}

/// Why nothing on disk leads to the end of the log. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// The log is empty, and the state or a checkpoint shows that it was not. Restore the log from
    /// a copy, or remove state and checkpoints and fetch everything from peers.
    LogLost {
        /// The greatest height that the state or a checkpoint stands at.
        reached: Height,
    },
    /// The log begins too late for the state, for every checkpoint and for genesis. Fetch a state
    /// from peers (state sync), or restore a checkpoint or the older part of the log from a copy.
    Gap {
        /// Where the log begins.
        first: Height,
        /// The best height that there is to begin from; `None` if only genesis is left.
        best: Option<Height>,
    },
}

/// Decides how the state is brought to the end of the log.
///
/// # Errors
///
/// [`Stuck`], with what a person has to do.
pub fn plan(found: &Found) -> Result<Plan, Stuck> {
    let Some(log) = &found.log else {
        let state = match found.state {
            StateFound::At { height, .. } => Some(height),
            StateFound::Unusable => None,
        };
        let reached = found.checkpoints.iter().copied().chain(state).max();
        return match reached {
            Some(reached) if reached > Height::GENESIS => Err(Stuck::LogLost { reached }),
            _ => {
                let base = if state.is_some() { Base::State } else { Base::Genesis };
                Ok(Plan { base, replay: None, lost: None })
            }
        };
    };
    let (first, last) = (*log.start(), *log.end());
    // Blocks from the height after `from` to the end are there.
    let leads = |from: Height| from <= last && from.next().is_none_or(|next| first <= next);
    let lost = match found.state {
        StateFound::At { height, .. } => {
            last.next().filter(|next| *next <= height).map(|next| next..=height)
        }
        StateFound::Unusable => None,
    };
    let kept = match found.state {
        StateFound::At { height, .. } if height <= last => Some((Base::State, height)),
        StateFound::At { oldest, .. } if oldest <= last => Some((Base::RollBack(last), last)),
        StateFound::At { .. } | StateFound::Unusable => None,
    };
    let checkpoint = found.checkpoints.iter().copied().filter(|at| leads(*at)).max();
    let (base, from) = kept
        .filter(|(_, from)| leads(*from))
        .or_else(|| checkpoint.map(|at| (Base::Checkpoint(at), at)))
        .or_else(|| leads(Height::GENESIS).then_some((Base::Genesis, Height::GENESIS)))
        .ok_or_else(|| Stuck::Gap {
            first,
            best: found
                .checkpoints
                .iter()
                .copied()
                .chain(kept.map(|(_, from)| from))
                .filter(|at| *at <= last)
                .max(),
        })?;
    Ok(Plan {
        base,
        replay: from.next().filter(|next| *next <= last).map(|next| next..=last),
        lost,
    })
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogLost { reached } => write!(
                f,
                "the block log is empty, and the state or a checkpoint stands at height {reached}: \
                 restore the log from a copy, or remove state and checkpoints and fetch everything \
                 from peers"
            ),
            Self::Gap { first, best: Some(best) } => write!(
                f,
                "the block log begins at height {first}, and the best state or checkpoint to go on \
                 from is at {best}: fetch a state from peers, or restore the blocks between from a copy"
            ),
            Self::Gap { first, best: None } => write!(
                f,
                "the block log begins at height {first}, and there is no state and no checkpoint \
                 to go on from: fetch a state from peers, or restore one from a copy"
            ),
        }
    }
}

impl error::Error for Stuck {}

#[cfg(test)]
mod tests;
