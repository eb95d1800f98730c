//! Which blocks are still to be fetched.

use std::collections::{BTreeMap, BTreeSet};

use super::Intervals;
use crate::snowman::Block;
use crate::{Error, Height, Id};

/// What [`add_block`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Nothing: the block was executed or stored before, or another one was at this height.
    No,
    /// Its height was added, so the block is to be stored.
    Yes {
        /// Whether its parent is neither executed nor stored, and so has to be fetched.
        wants_parent: bool,
    },
}

impl Added {
    /// Whether the parent has to be fetched.
    #[must_use]
    pub const fn wants_parent(self) -> bool {
        matches!(self, Self::Yes { wants_parent: true })
    }
}

/// Adds the height of a block that arrived (AvalancheGo's `snow/engine/snowman/bootstrap/interval`,
/// `Add` of `blocks.go`).
///
/// Blocks are known by their height here: below an accepted block the chain is a line, and a block
/// gets here only because the block above names it.
///
/// # Errors
///
/// [`Error::IntervalsFull`], as [`Intervals::add`]. Nothing changes then.
pub fn add_block(
    intervals: &mut Intervals,
    last_accepted: Height,
    height: Height,
) -> Result<Added, Error> {
    if height <= last_accepted || !intervals.add(height)? {
        return Ok(Added::No);
    }
    let wants_parent = height
        .previous()
        .is_some_and(|parent| parent != last_accepted && !intervals.contains(parent));
    Ok(Added::Yes { wants_parent })
}

/// Takes in a block that was asked for with the ancestors that came along, newest first
/// (AvalancheGo's `process` in `snow/engine/snowman/bootstrap/storage.go`).
///
/// Blocks to be stored are pushed to `store`, parent after child. Each block that is looked at is
/// no longer `missing`. If the walk ends at a parent that did not come, that one is now missing and
/// its name is the result: fetch it. So `missing` never grows by more than one a call, and not at
/// all if the block was in it. Every step adds a height, so ancestors that name each other in a
/// circle end the walk.
///
/// # Errors
///
/// [`Error::IntervalsFull`], as [`Intervals::add`]: the blocks in `store` were added, the next was
/// not, and stays missing if it was.
pub fn process(
    intervals: &mut Intervals,
    last_accepted: Height,
    missing: &mut BTreeSet<Id>,
    mut block: Block,
    ancestors: &BTreeMap<Id, Block>,
    store: &mut Vec<Block>,
) -> Result<Option<Id>, Error> {
    loop {
        let added = add_block(intervals, last_accepted, block.height)?;
        missing.remove(&block.id);
        if added != Added::No {
            store.push(block);
        }
        if !added.wants_parent() {
            return Ok(None);
        }
        let Some(parent) = ancestors.get(&block.parent) else {
            missing.insert(block.parent);
            return Ok(Some(block.parent));
        };
        block = *parent;
    }
}

/// The heights whose blocks have a parent that is missing, ascending: after a restart, fetch the
/// parents of the blocks stored there (AvalancheGo's `getMissingBlockIDs` in `storage.go`).
///
/// Those are the lower ends of all intervals that do not reach down to the last accepted block.
#[must_use = "iterators are lazy"]
pub fn missing_parents(
    intervals: &Intervals,
    last_accepted: Height,
) -> impl Iterator<Item = Height> {
    let lows = intervals.iter().map(|interval| interval.low);
    lows.filter(move |low| low.previous().is_some_and(|parent| parent > last_accepted))
}

#[cfg(test)]
mod tests;
