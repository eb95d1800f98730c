//! Catch up with a chain: find out what the network accepted, then fetch it from the top down.
//!
//! A node that starts late asks a few validators for the block that they accepted last
//! ([`Minority`]), and then all of them which of those blocks they have accepted too
//! ([`Majority`]). What a majority of the stake vouches for is safe to download. Blocks are fetched
//! with their ancestors, newest first, and kept by height ([`Intervals`]) until nothing is missing;
//! then they are executed upwards.
//!
//! ```text
//!  sample(validators) --> Minority --> every answer --> Majority --> what most stake accepted
//!                         a few are asked              all are asked              |
//!                                                                                 v
//!  height  0 ....... last accepted        [low ======== high]        [low === high]  accepted tip
//!          executed already     ^ the parent of `low` is missing, until the intervals are one that
//!                                 begins above the last accepted block
//! ```
//!
//! These are the parts that decide. Sending, timeouts, parsing and storing are the caller's: it
//! asks whom a poll lets it ask, reports answers and silence, and keeps the blocks that [`process`]
//! says.
//!
//! The rules are those of AvalancheGo, `snow/consensus/snowman/bootstrapper` and
//! `snow/engine/snowman/bootstrap` (`interval`, `storage.go`).
//!
//! # Example
//!
//! Three of four units of stake have accepted a block, and it is fetched with its parent.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//!
//! use avalanche_consensus::bootstrap::{self, FrontierPoll, Intervals, Majority};
//! use avalanche_consensus::sampler::Mt19937x64;
//! use avalanche_consensus::snowman::Block;
//! use avalanche_consensus::validators::Validator;
//! use avalanche_consensus::{Height, Id, NodeId};
//!
//! let [a, b] = [1, 2].map(|byte| NodeId::new([byte; 20]));
//! let stake = [Validator { node_id: a, weight: 3 }, Validator { node_id: b, weight: 1 }];
//! let mut poll = Majority::new(stake)?;
//! let peers = poll.requests().choose(&mut Mt19937x64::new(1));
//! poll.ask(&peers)?;
//! let tip = Id::hash(b"tip");
//! poll.record_opinion(&a, &[tip])?;
//! poll.record_opinion(&b, &[])?;
//! assert_eq!(poll.result(), Some(&BTreeSet::from([tip])));
//!
//! // Block 7 is the last that this node accepted.
//! let (last, middle) = (Id::hash(b"last"), Id::hash(b"middle"));
//! let tip = Block { id: tip, parent: middle, height: Height::new(9) };
//! let middle = Block { id: middle, parent: last, height: Height::new(8) };
//! let (mut intervals, mut missing) = (Intervals::new(), BTreeSet::from([tip.id]));
//! let mut store = Vec::new();
//! let ancestors = BTreeMap::from([(middle.id, middle)]);
//! bootstrap::process(
//!     &mut intervals, Height::new(7), &mut missing, tip, &ancestors, &mut store,
//! )?;
//! assert_eq!(store, [tip, middle]);
//! assert!(missing.is_empty());
//! # Ok::<(), avalanche_consensus::Error>(())
//! ```
//!
//! # Limits
//!
//! | What | At most | Beyond it |
//! |---|---|---|
//! | nodes of a poll | [`ValidatorSet::VALIDATORS_MAX`](crate::validators::ValidatorSet::VALIDATORS_MAX) | [`Error::ValidatorsFull`](crate::Error::ValidatorsFull) |
//! | requests without an answer | [`Requests::OUTSTANDING_MAX`] = 50, or `with_outstanding_max` | the rest is asked later |
//! | blocks that one answer counts for | [`Requests::IDS_MAX`] = 128, or `with_ids_max` | the answer counts as an empty one, [`Opinion::TooLong`] |
//! | intervals | [`Intervals::INTERVALS_MAX`] = 65 536, or [`Intervals::with_intervals_max`] | [`Error::IntervalsFull`](crate::Error::IntervalsFull) |
//!
//! So a poll holds at most its nodes, and as many blocks as nodes times the third bound.

mod intervals;
mod majority;
mod minority;
mod missing;
mod poll;
mod requests;
mod sample;

pub use intervals::{Interval, Intervals};
pub use majority::Majority;
pub use minority::Minority;
pub use missing::{Added, add_block, missing_parents, process};
pub use poll::{FrontierPoll, Opinion};
pub use requests::Requests;
pub use sample::sample;

#[cfg(test)]
mod tests;
