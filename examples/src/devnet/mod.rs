//! A network that a person can watch: five real engines in one process, until there is a node.
//!
//! It is the simulation of [`avalanche_consensus::testing::simulation`] with a story that every
//! seed varies: messages get lost, somebody crashes and starts again, somebody is cut off and comes
//! back, a VM becomes slow, and a node with a small stake works against the others all the time.
//! Blocks are contested: several nodes propose at once.
//!
//! [`args`] reads the command line, `story` makes the scenario, `view` draws; the program is
//! `devnet`.

pub mod args;
mod story;
#[cfg(test)]
mod tests;
mod view;

pub use story::Config;
pub use view::{View, json};
