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
//! [`simulation`] runs networks of engines. It needs no generator of proptest, so it has a feature
//! of its own, `simulation`, and runs in a browser too.
//!
//! # Stability
//!
//! Alpha: names here change without a migration path. Nothing here belongs in a node.

#[cfg(feature = "testing")]
mod ballot;
#[cfg(feature = "testing")]
mod call_log;
#[cfg(feature = "testing")]
mod coverage;
#[cfg(feature = "testing")]
mod difference;
#[cfg(feature = "testing")]
mod eager_polls;
#[cfg(feature = "testing")]
mod eager_snowman;
#[cfg(feature = "testing")]
mod eager_tree;
#[cfg(feature = "testing")]
mod engine_script;
#[cfg(feature = "testing")]
mod engine_shell;
#[cfg(feature = "testing")]
mod engine_world;
#[cfg(feature = "testing")]
mod network;
#[cfg(feature = "testing")]
mod polls_duel;
#[cfg(feature = "testing")]
mod script;
pub mod simulation;
#[cfg(feature = "testing")]
mod snowman_duel;
#[cfg(feature = "testing")]
pub mod strategies;
mod theory;
#[cfg(feature = "testing")]
mod tree_duel;

#[cfg(feature = "testing")]
pub use ballot::{Ballot, Candidates, Size, Spread};
#[cfg(feature = "testing")]
pub use call_log::Call;
#[cfg(feature = "testing")]
pub use coverage::Coverage;
#[cfg(feature = "testing")]
pub use difference::Difference;
#[cfg(feature = "testing")]
pub use eager_polls::EagerPolls;
#[cfg(feature = "testing")]
pub use eager_snowman::{Acceptance, EagerSnowman, SnowmanPoll};
#[cfg(feature = "testing")]
pub use eager_tree::{Added, EagerTree, Factory, SplitCase, TreePoll};
#[cfg(feature = "testing")]
pub use engine_script::{ENGINE_SITUATIONS, EngineRun, EngineScript, Manner};
#[cfg(feature = "testing")]
pub use network::Network;
#[cfg(feature = "testing")]
pub use polls_duel::{POLLS_SITUATIONS, PollsOperation, PollsScript};
#[cfg(feature = "testing")]
pub use script::{
    IdSpace, Parent, SnowmanOperation, SnowmanScript, TreeOperation, TreeScript, parameters,
};
#[cfg(feature = "testing")]
pub use snowman_duel::{REFUSAL_SITUATIONS, SNOWMAN_SITUATIONS, SnowmanRun};
pub use theory::{Magnitude, PollOdds, Stake};
#[cfg(feature = "testing")]
pub use tree_duel::TREE_SITUATIONS;

#[cfg(feature = "testing")]
use call_log::check_order;
#[cfg(feature = "testing")]
use difference::{compare, demand, same_print};
