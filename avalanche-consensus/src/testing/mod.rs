//! What dependants test with: reference models, generators and runners (feature `testing`).
//!
//! Snow is easy to define and hard to do fast, so the library and the definition are two programs.
//! The models here are the definition: [`EagerTree`] decides every bit of every choice by an
//! instance of its own, [`EagerSnowman`] adds votes up over whole subtrees, and both reset at once
//! what the library resets when it next comes by; [`EagerPolls`] asks every instance that would see
//! the votes of a poll. A script is a list of operations that can run from any state; a runner
//! ([`TreeScript::run`], [`SnowmanScript::run`], [`PollsScript::run`]) performs it on the library
//! and on the model and compares after every operation.
//!
//! ```text
//!  strategies (proptest) --+                +--> library --+
//!                          +--> script -----+              +--> first Difference
//!  bytes (fuzzing) --------+                +--> model ----+        Coverage
//! ```
//!
//! # Contract
//!
//! A model and the library agree on preference, preferred branch, finalisation, accepts and rejects
//! with their order, outcomes of polls and the shape of printed trees, for every sequence of calls
//! that the library allows. Two things are not compared, because they are not specified: whether a
//! poll of a finalised tree was successful, and confidence of instances with a pending reset.
//! Models are slow on purpose: a choice costs 256 nodes.
//!
//! # Stability
//!
//! Alpha: names here change without a migration path. Nothing here belongs in a node.

mod ballot;
mod call_log;
mod coverage;
mod difference;
mod eager_polls;
mod eager_snowman;
mod eager_tree;
mod engine_script;
mod engine_shell;
mod engine_world;
mod network;
mod polls_duel;
mod script;
pub mod simulation;
mod snowman_duel;
pub mod strategies;
mod theory;
mod tree_duel;

pub use ballot::{Ballot, Candidates, Size, Spread};
pub use call_log::Call;
pub use coverage::Coverage;
pub use difference::Difference;
pub use eager_polls::EagerPolls;
pub use eager_snowman::{Acceptance, EagerSnowman, SnowmanPoll};
pub use eager_tree::{Added, EagerTree, Factory, SplitCase, TreePoll};
pub use engine_script::{ENGINE_SITUATIONS, EngineRun, EngineScript, Manner};
pub use network::Network;
pub use polls_duel::{POLLS_SITUATIONS, PollsOperation, PollsScript};
pub use script::{
    IdSpace, Parent, SnowmanOperation, SnowmanScript, TreeOperation, TreeScript, parameters,
};
pub use snowman_duel::{REFUSAL_SITUATIONS, SNOWMAN_SITUATIONS, SnowmanRun};
pub use theory::{Magnitude, PollOdds, Stake};
pub use tree_duel::TREE_SITUATIONS;

use call_log::check_order;
use difference::{compare, demand, same_print};
