//! The index of a chain: where a transaction is, what touched an address.
//!
//! Everything here follows from the accepted blocks in the log: an index that is lost, damaged, or
//! of another version is built again. So the newest entries are in memory only, and a crash costs
//! no more than to read the blocks that they came from again ([`Indexer::catch_up`]).
//!
//! A row of a store for each entry would cost tens of microseconds of a core for each transaction,
//! more than all else that a node does with it. So entries are written in sorted chunks of some
//! hundreds, and runs of such chunks are merged, each entry a few times in its life.
//!
//! ```text
//!   block --> entries, sorted --> recent (memory) --64 k--> run --8 runs--> run --8 runs--> run
//!                                       \___________________/___________________/____________/
//!                                                 readers look into all of them
//! ```
//!
//! # Rows
//!
//! | Key | Value |
//! |---|---|
//! | `m` | version (1), height (8), name (32) of the last block, number of transactions so far (8), then of each run its number (8) and level (1) |
//! | `r`, number of a run (8), first entry (29) | up to 512 entries of 29 bytes, rising |
//!
//! Numbers are big-endian. An entry is `a`, `t` or `v` for an address, a transaction or a VM's
//! block, the first 16 bytes of its name, the complement of the height (8) and of the place in the
//! block (4). A reader compares the whole name of a transaction or VM's block with the log's.
//! Addresses are told apart by their first 16 bytes: two that share them take 2^64 hashes to make,
//! and are shown together.
//!
//! A chunk of a run that `m` does not name was left by a crash, and is removed.

mod entry;
mod mark;
mod merge;
mod reader;
mod run;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;

pub use reader::{IndexReader, IndexedBlocks};
pub use writer::{CaughtUp, Indexer};

use crate::Error;

fn damaged(what: &'static str) -> Error {
    Error::Store(avalanche_store::Error::Corrupt { path: PathBuf::from("index"), offset: 0, what })
}
