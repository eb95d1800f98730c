//! Choose whom to ask: samples by stake, repeatable from a seed.
//!
//! ```text
//!   Mt19937 ------+                +--> Uniform ------------> distinct numbers
//!   Mt19937x64 ---+--> Source -----+                             |
//!   your own -----+                +--> WeightedWithoutReplacement --> indices
//!                                                 |
//!                                            WeightedHeap: unit of weight -> index
//! ```
//!
//! These repeat AvalancheGo's samplers number by number, failures included: proposers of
//! Snowman++ are chosen with them, so every node must find the same ones.

mod mt19937;
mod mt19937_x64;
mod source;
mod uniform;
mod weighted_heap;
mod weighted_without_replacement;

pub use mt19937::Mt19937;
pub use mt19937_x64::Mt19937x64;
pub use source::Source;
pub use uniform::Uniform;
pub use weighted_heap::WeightedHeap;
pub use weighted_without_replacement::WeightedWithoutReplacement;
