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

mod backends;
mod batch;
mod codec;
mod disk;
mod error;
mod key_value;
mod log;
mod merkle;
pub mod recovery;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod views;

pub use backends::MemoryStore;
#[cfg(any(feature = "sled", feature = "redb"))]
pub use backends::Usage;
#[cfg(feature = "redb")]
pub use backends::{RedbConfig, RedbStore};
#[cfg(feature = "sled")]
pub use backends::{SledConfig, SledStore};
pub use batch::{Batch, Change};
pub use disk::{Disk, DiskFile, OpenMode, OsDisk, OsFile, OsLock};
pub use error::Error;
pub use key_value::{KeyRange, KeyValue, Limits, Order, Pair, Pairs};
pub use log::{
    Block, BlockLog, Blocks, CutTail, ImportReport, LogConfig, LogDamage, LogReader, OpenReport,
    PruneBelow, Retention, StreamFault, VerifyReport,
};
pub use merkle::{
    EMPTY, Hash, Proof, ProofFault, RangeLimits, RangeProof, VerifiedRange, key_hash, value_hash,
};
pub use state::{
    Checkpoints, Draft, Import, Keep, Pruned, State, StateOptions, VerifiedCheckpoint, View,
};
pub use views::{Overlay, Prefixed, Pruning, Versioned};
