//! Stores behind [`KeyValue`](crate::KeyValue): in memory, and in files of sled and redb.

#[cfg(any(feature = "sled", feature = "redb"))]
mod folder;
pub(crate) mod memory;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "sled")]
mod sled;

pub use memory::MemoryStore;
#[cfg(feature = "redb")]
pub use redb::{RedbConfig, RedbStore};
#[cfg(feature = "sled")]
pub use sled::{SledConfig, SledStore};

/// What a store holds, as far as its engine tells.
#[cfg(any(feature = "sled", feature = "redb"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of its files.
    pub disk_bytes: u64,
    /// What its cache may grow to, in bytes. Neither engine says how much of it is filled.
    pub cache_bytes_max: u64,
}
