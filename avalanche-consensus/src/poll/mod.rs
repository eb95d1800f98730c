//! Polls.

mod ancestry;
mod early_termination;
mod polls;
mod prefix_counts;
mod vote_graph;

pub use ancestry::Ancestry;
pub use polls::{Polls, Stats};

#[cfg(test)]
mod tests;
