//! Decide a chain of blocks by repeated random sampling.
//!
//! A [`Topological`] holds the blocks that are still undecided. The caller adds blocks, reports
//! what each sampled validator answered, and carries out the [`Decision`]s that come back.
//!
//! ```text
//!                           +-------------------------------------------+
//!  add(block, now) -------> |  last accepted                            |
//!                           |      |   tree over the children a, b      |
//!                           |      +--- a --- c      preferred: a, c    |
//!  record_poll(votes) ----> |      +--- b                               | ----> accept a, reject b
//!                           +-------------------------------------------+
//! ```
//!
//! Every block with children owns a [`snowball::Tree`](crate::snowball::Tree) that decides between
//! them. A vote for a block is a vote for all its undecided ancestors, so one poll moves a whole
//! branch. A tree that is decided leads to an acceptance only when its block is the last accepted
//! one: heights are decided bottom up, several in one poll if they are ready.
//!
//! # Example
//!
//! ```
//! use avalanche_consensus::snowball::Parameters;
//! use avalanche_consensus::snowman::{Block, Decision, Decisions, Topological};
//! use avalanche_consensus::{Bag, HashKey, Height, Id, Timestamp};
//!
//! let genesis = Id::hash(b"genesis");
//! let key = HashKey::from_seed([0; 32]);
//! let mut snowman: Topological =
//!     Topological::new(Parameters::new(5, 4, 4, 2)?, genesis, Height::GENESIS, key);
//!
//! let (id, height) = (Id::hash(b"block"), Height::new(1));
//! snowman.add(Block { id, parent: genesis, height }, Timestamp::ZERO)?;
//!
//! let votes = Bag::from(vec![(id, 5)]);
//! let mut decisions = Decisions::new();
//! let _ = snowman.record_poll(&votes, &mut decisions)?;
//! assert!(decisions.is_empty());
//! let _ = snowman.record_poll(&votes, &mut decisions)?;
//! assert_eq!(decisions.as_slice(), [Decision::Accept { id, height }]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source of the rules: `snow/consensus/snowman` of AvalancheGo, whose decisions this module takes
//! on the same input.

mod acceptor;
mod apply;
mod arena;
mod block;
mod climb;
mod decide;
mod preference;
mod query;
mod stats;
#[cfg(test)]
mod tests;
mod topological;

pub use acceptor::{Acceptor, AcceptorCall, Decision, Decisions, RecordPollError};
pub use block::Block;
pub use stats::{BlockInspection, Health, PollOutcome, Stats};
pub use topological::Topological;
