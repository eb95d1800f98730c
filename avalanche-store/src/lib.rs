//! Keep what a chain has promised: blocks, values and the state that they lead to.
//!
//! ```text
//!   accepted block --> [BlockLog] one append, one sync          the source of truth
//!                          |
//!                          v  replayed after a crash
//!                      [State] values and Merkle nodes by height   derived
//!                          |
//!                          v
//!                      [KeyValue] memory, sled or redb
//! ```
//!
//! Everything here is synchronous: a call returns when the disk has answered. Callers on an async
//! runtime move calls to a thread that may block.

mod batch;
mod codec;
mod disk;
mod error;
mod key_value;
mod merkle;
mod state;

pub use batch::{Batch, Change};
pub use disk::{Disk, DiskFile, OpenMode, OsDisk, OsFile, OsLock};
pub use error::Error;
pub use key_value::{KeyRange, KeyValue, Limits, Order, Pair, Pairs};
pub use state::{
    Checkpoints, Draft, Import, Pruned, Retention, State, StateOptions, VerifiedCheckpoint, View,
};

pub use merkle::{
    EMPTY, Hash, Proof, ProofFault, RangeLimits, RangeProof, VerifiedRange, key_hash, value_hash,
};
#[cfg(feature = "testing")]
pub use merkle::{RawTree, check_proof_bytes};
