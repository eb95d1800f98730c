//! Choose whom to ask: samples by stake, repeatable from a seed.
//!
//! Two families, for two purposes. [`SeededSampler`] draws whom a node polls: it is fast, and no
//! two nodes need to agree on it. The others repeat AvalancheGo's samplers number by number,
//! failures included: proposers of Snowman++ are chosen with them, so every node must find the same
//! ones.
//!
//! ```text
//!   seed --> SeededSampler --> indices            alias table and BLAKE3 stream
//!
//!   Mt19937 ------+                +--> Uniform ------------> distinct numbers
//!   Mt19937x64 ---+--> Source -----+                             |
//!   your own -----+                +--> WeightedWithoutReplacement --> indices
//!                                                 |
//!                                            WeightedHeap: unit of weight -> index
//! ```
//!
//! Both draw distinct *units* of stake and report the owners. So a validator can come several times
//! in one sample, up to its weight, and a sample fails only if there are fewer units than it wants.
//!
//! # Example
//!
//! The proposer of a slot, as AvalancheGo finds it since Durango:
//!
//! ```
//! use avalanche_consensus::sampler::{Mt19937x64, WeightedWithoutReplacement};
//!
//! let (chain_source, height, slot) = (0x0002_0000_0000_0000_u64, 1, 2_u64);
//! let seed = chain_source ^ height ^ slot.reverse_bits();
//! let mut validators = WeightedWithoutReplacement::new(&[1; 10])?;
//! assert_eq!(validators.sample(1, &mut Mt19937x64::new(seed)), Some(vec![9]));
//! # Ok::<(), avalanche_consensus::Error>(())
//! ```
//!
//! # Limits
//!
//! Totals are at most [`u64::MAX`] units. Memory is linear in the weights, and for what is drawn in
//! the largest sample.

mod alias_table;
mod mt19937;
mod mt19937_x64;
mod seed_stream;
mod seeded;
mod source;
mod uniform;
mod weighted_heap;
mod weighted_without_replacement;

pub use mt19937::Mt19937;
pub use mt19937_x64::Mt19937x64;
pub(crate) use seed_stream::SeedStream;
pub use seeded::SeededSampler;
pub use source::Source;
pub use uniform::Uniform;
pub use weighted_heap::WeightedHeap;
pub use weighted_without_replacement::WeightedWithoutReplacement;
