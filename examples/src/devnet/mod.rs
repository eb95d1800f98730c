//! A network of nodes in one process: real decisions, simulated messages, virtual time, one seed.
//!
//! Each `node` is a real [`Topological`] with real [`Polls`] and a real [`SeededSampler`]. Between
//! them is no socket but a queue of messages that arrive late, out of order or not at all
//! (`simulation`). There is no VM: a block is its identifier, its parent and its height. Every node
//! proposes when its timer fires, without asking whether somebody else does, so that most heights
//! have several blocks to choose from.
//!
//! ```text
//!            +-------------------- one queue, ordered by virtual time --------------------+
//!            |   block   query   chits   get       (delayed or lost, from the seed)       |
//!            +----+----------------+----------------+----------------+----------------+---+
//!                 |                |                |                |                |
//!               node 0           node 1           node 2           node 3           node 4
//!         Topological, Polls, SeededSampler in each; decisions go into a hash
//! ```
//!
//! [`args`] reads the command line and `table` draws the picture; the program is `devnet`.
//!
//! [`Topological`]: avalanche_consensus::snowman::Topological
//! [`Polls`]: avalanche_consensus::poll::Polls
//! [`SeededSampler`]: avalanche_consensus::sampler::SeededSampler

pub mod args;
mod error;
mod node;
mod simulation;
mod table;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use node::NodeStatus;
pub use simulation::{Config, Outcome, Simulation, Verdict};
pub use table::{Table, json};
