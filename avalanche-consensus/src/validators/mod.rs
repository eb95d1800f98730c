//! Know who decides: weighted validators by subnet and height, and how much of them can be reached.
//!
//! ```text
//!                       +------------------+   at(subnet, height)
//!   ValidatorChange --> | ValidatorHistory | ----------------------> ValidatorSet
//!   at a height         +------------------+                           |      |
//!                                | ValidatorDiff                sampler|      |weight
//!                                v                                     v      v
//!                       +-----------------+                   indices of    lookups,
//!   connect ----------> | ConnectedWeight | --> percent       a sample      iteration
//!   disconnect          +-----------------+
//! ```
//!
//! A [`ValidatorSet`] holds the validators of one subnet at one height. A [`ValidatorHistory`]
//! holds the sets of all subnets and answers for earlier heights, since a block names the height
//! whose validators may propose and vote. A [`ConnectedWeight`] follows a set and says which part
//! of it is connected. The rules of change are those of AvalancheGo (`snow/validators`).
//!
//! # Example
//!
//! Whom a poll asks: twenty units of stake, by their owners.
//!
//! ```
//! use avalanche_consensus::validators::{Validator, ValidatorSet};
//! use avalanche_consensus::{Bag, NodeId};
//!
//! let set = ValidatorSet::try_from(vec![
//!     Validator { node_id: NodeId::new([1; 20]), weight: 500 },
//!     Validator { node_id: NodeId::new([2; 20]), weight: 300 },
//! ])?;
//! let mut sampler = set.sampler([7; 32])?;
//! let mut sample = Vec::new();
//! sampler.sample_into(20, &mut sample)?;
//!
//! let asked: Bag<NodeId> =
//!     sample.iter().filter_map(|at| set.get(*at as usize)).map(|one| one.node_id).collect();
//! assert_eq!(asked.len(), 20);
//! # Ok::<(), avalanche_consensus::Error>(())
//! ```
//!
//! # Limits
//!
//! Each type states its own. Nothing here grows without a bound that the caller can set or read.

#[cfg(feature = "bincode")]
mod bincode_forms;
mod change;
mod connected;
mod history;
mod set;
mod validator;

pub use change::{ValidatorChange, ValidatorDiff};
pub use connected::ConnectedWeight;
pub use history::{HistoryLimits, ValidatorHistory};
pub use set::ValidatorSet;
pub use validator::Validator;
