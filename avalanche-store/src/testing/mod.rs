//! What dependants test with.

mod disk;
mod platter;
pub mod suite;

pub use disk::{Operation, Persist, SimDisk, SimFile, SimLock};

/// Leave to prune below a height, without a checkpoint.
#[must_use]
pub const fn prune_below(height: avalanche_consensus::Height) -> crate::PruneBelow {
    crate::PruneBelow::checkpoint(height)
}
