//! What dependants test with.

mod dice;
mod disk;
mod faulty;
mod platter;
pub mod suite;

pub use crate::merkle::{RawTree, check_proof_bytes, forge_proof};
pub use disk::{Operation, Persist, SimDisk, SimFile, SimLock};
pub use faulty::{Call, Crash, Failure, Faults, FaultyStore};

/// Leave to prune below a height, without a checkpoint.
#[must_use]
pub const fn prune_below(height: avalanche_consensus::Height) -> crate::PruneBelow {
    crate::PruneBelow::checkpoint(height)
}
