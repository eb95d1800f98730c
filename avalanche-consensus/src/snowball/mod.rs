//! Decide one thing by asking a few, over and over.
//!
//! Each node holds a preference. It asks `k` validators, sampled by stake, what they prefer. If at
//! least `alpha_preference` of them agree, their answer becomes its preference; if at least
//! `alpha_confidence` do, one more poll in a row counts for it; a poll that disagrees or falls
//! short starts the count again. After `beta` polls in a row the preference is decided. Random
//! sampling makes the whole network tip to one side: once most nodes prefer a value, further polls
//! push it on, and a node that decides has almost surely seen a network that can no longer turn.
//!
//! ```text
//!            count < alpha_preference: confidence = 0
//!           +----------+
//!           v          |
//!      +---------------+--+   count >= alpha_confidence: confidence + 1   +-----------+
//!      | prefers a value  | --------------------------------------------> | finalized |
//!      +------------------+        confidence == beta                     +-----------+
//!           |          ^
//!           +----------+
//!            another value reached alpha_preference: prefer it, confidence starts again
//! ```
//!
//! # Which one
//!
//! | Type | Decides between | Use it for |
//! |---|---|---|
//! | [`Unary`] | one value so far | a value without rivals |
//! | [`Binary`] | [`Bit::Zero`] and [`Bit::One`] | yes or no |
//! | [`Nnary`], [`Flat`] | values of your own type | a few values, little contest |
//! | [`Tree`] | any number of [`Id`](crate::Id)s | many rivals: shared bits are decided together |
//!
//! Each runs on [`Snowflake`] (prefer what the last successful poll said; what Snowman chains use)
//! or [`Snowball`] (prefer what most successful polls said).
//!
//! Rules: Team Rocket et al., "Scalable and Probabilistic Leaderless BFT Consensus through
//! Metastability" (arXiv:1906.08936); `snow/consensus/snowball` of AvalancheGo, whose decisions
//! these types take on the same input.

mod binary;
mod bit;
mod confidence;
mod consensus;
mod flat;
mod nnary;
mod parameters;
mod rule;
mod strength;
#[cfg(test)]
mod tests;
mod thresholds;
mod tree;
mod unary;

pub use binary::Binary;
pub use bit::Bit;
pub use consensus::Consensus;
pub use flat::Flat;
pub use nnary::Nnary;
pub use parameters::{ParameterRule, Parameters, ParametersConfig};
pub use rule::{Rule, Snowball, Snowflake};
pub use thresholds::{TerminationCondition, Thresholds};
pub use tree::Tree;
pub(crate) use tree::{Ballot, Forest, Ids, NodeRef, Root, Streak};
pub use unary::Unary;
