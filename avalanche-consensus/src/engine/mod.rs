//! Parts of an engine that keep blocks in order while their ancestors, verdicts or bytes are
//! missing.
//!
//! The engine itself is not written yet. These parts stand alone, for it and for engines of your
//! own. They fetch, verify and send nothing.
//!
//! ```text
//!   block whose parent is missing, vote for a block that is missing
//!        |  schedule(job, what it waits for)
//!        v
//!   Scheduler <--- fulfill(id): the block was issued
//!        |    <--- abandon(id): it never will be
//!        v next_ready()
//!   your program runs the job; a block that fails verification goes to
//!        |
//!        +--> AncestorTree       which block with a verdict is it above? its votes count there
//!        +--> UnverifiedCache    the block itself, least recently used out first
//! ```
//!
//! The rules are those of AvalancheGo: `snow/engine/snowman/job`, `snow/engine/snowman/ancestor`
//! and the cache of `snow/engine/snowman/engine.go`.
//!
//! # Limits
//!
//! | What | At most | Beyond it |
//! |---|---|---|
//! | jobs, what they wait for, and calls not yet worked off | [`Scheduler::ITEMS_MAX`] = 1,048,576 together | [`Error::SchedulerFull`](crate::Error::SchedulerFull) |
//! | blocks with a parent in an [`AncestorTree`] | [`AncestorTree::BLOCKS_MAX`] = 65,536 | [`Error::AncestorsFull`](crate::Error::AncestorsFull) |
//! | weight of an [`UnverifiedCache`] | [`UnverifiedCache::BUDGET_BYTES`] = 64 MiB | the least recently used blocks leave |
//!
//! Each bound can be set.

mod ancestor_tree;
mod block;
mod config;
mod context;
#[expect(clippy::module_inception, reason = "the engine is what the folder is named after")]
mod engine;
mod explain;
mod fatal;
mod fault;
mod getter;
mod input;
mod message;
mod normal;
mod output;
mod requests;
mod scheduler;
mod stats;
mod unverified_cache;

pub use ancestor_tree::AncestorTree;
pub use block::{ParsedBlock, Summary, Tip};
pub use config::{EngineConfig, Limits, Setup, StoredRun};
pub use engine::Engine;
use engine::Purpose;
pub use explain::{Cause, Explanation};
pub use fatal::Fatal;
pub use fault::Fault;
pub use input::{Answer, Input, SyncMode, Verdict};
pub use message::{Message, MessageKind};
pub use normal::PollRecord;
pub use output::{Call, CallId, Output, Phase};
pub use scheduler::{Ready, Scheduler, Stack};
pub use stats::{Health, Stats};
pub use unverified_cache::UnverifiedCache;

#[cfg(test)]
mod tests;
