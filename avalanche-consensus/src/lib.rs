//! Snowman consensus as a pure library: AvalancheGo's decisions, no runtime.
//!
//! Nodes agree on a chain of blocks without a leader. Each asks a few validators, sampled by stake,
//! which block they prefer; follows a large enough majority; and accepts after enough polls in a
//! row agreed. This crate is that rule and nothing else. It reads no clock, draws no randomness,
//! opens no socket and starts no thread: time, seeds, validators and answers are arguments,
//! decisions are data, in order. So the same code runs in a node, in a browser and in a simulator.
//!
//! ```text
//!   validators --> sampler --> ask k of them --> answers          your program
//!  ---------------------------------------------------------------------------
//!                                                   |             this crate
//!                    poll::Polls  <-----------------+
//!                         |  finished polls, in the order of issue
//!                         v
//!   add(block) --> snowman::Topological --> accept, reject        in order
//!                         |
//!                  one snowball::Tree for the children of each block
//! ```
//!
//! # Where to start
//!
//! | You want to | Use |
//! |---|---|
//! | agree on one value of your own type | [`snowball::Flat`], or [`snowball::Tree`] for many rivals |
//! | agree on a chain of blocks | [`snowman::Topological`] |
//! | know when a poll has heard enough | [`poll::Polls`] |
//! | find what a network accepted, and what of it is missing | [`bootstrap`] |
//! | pick validators by stake, reproducibly | [`sampler::SeededSampler`], [`validators::ValidatorHistory`] |
//! | give up on slow peers, bench dead ones, pick fast ones | [`network`] |
//! | take part in a network that decides a chain | [`engine::Engine`] |
//! | test your own program against models | the feature `testing` |
//!
//! Reading order for the code: `snowball/unary.rs`, `snowball/tree`, `snowman/topological.rs`,
//! `poll`, `engine/engine.rs`, `engine/normal`.
//!
//! # Theory in half a page
//!
//! Let `p` be the share of stake that would answer "red". A poll of `k` samples has at least
//! `alpha` red answers with the binomial tail `S(p)`. A node decides red after `beta` such polls in
//! a row: near `p = 1` that takes `beta` polls, while a network that leans the other way errs with
//! probability `S(p)^beta`. With the usual parameters (`k` = 20, `alpha` = 15, `beta` = 20) and an
//! evenly split network with a fifth of the stake adversarial (`p` = 0.6), one attempt succeeds
//! with about 10^-18; with 15 % of stake silent a decision takes about 45 polls, with 25 % it
//! stalls. What makes it fast is that the network does not stay split: each node follows what it
//! hears, so a small lead grows until all prefer the same, and the polls that a node needs do not
//! grow with the size of the network. Safety is probabilistic and chosen by the parameters; a
//! network split on purpose can be delayed, not forked.
//!
//! Blocks are decided as a tree of bits: a vote for a block counts for all its ancestors, and votes
//! for rivals count together for the bits that their names share.
//!
//! Sources: Team Rocket, Yin, Sekniqi, van Renesse, Sirer, "Scalable and Probabilistic Leaderless
//! BFT Consensus through Metastability" (arXiv:1906.08936); Buchwald, Buttolph, Lewis-Pye, O'Grady,
//! Sekniqi, "Frosty" (arXiv:2404.14250) for the two-threshold rule. The rules are those of
//! AvalancheGo, in `snow/consensus/snowball`, `snow/consensus/snowman`,
//! `snow/consensus/snowman/poll`, `snow/consensus/snowman/bootstrapper`, `utils/sampler`,
//! `snow/validators` and, for the parts around them, `utils/timer`, `utils/math`,
//! `snow/networking/benchlist`, `network/p2p`, `snow/engine/snowman` and its `bootstrap`; decisions
//! are compared with recorded traces of it by the example `replay`.
//!
//! # Features
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `serde` | yes | text and binary forms of the vocabulary, [`snowball::ParametersConfig`] |
//! | `bincode` | yes | compact local bytes of the vocabulary; never for what is hashed, signed or sent |
//! | `recording` | yes | inputs of an engine written down and run again, by `serde` and `bincode` |
//! | `tracing` | yes | events for accepts, rejects and poisoned instances |
//! | `simulation` | no | networks of engines in virtual time, [`testing::simulation`]; no other crate |
//! | `testing` | no | reference models, generators and a network simulation, with proptest |
//!
//! A feature never changes a decision, an encoding or a hash.
//!
//! # Errors
//!
//! [`Error`] is a mistake of the caller, and nothing changed. [`snowman::RecordPollError`] also
//! says that a decision could not be carried out: that instance is poisoned and its chain must
//! stop. Peers cannot cause either: what they say is a vote that counts or does not.
//!
//! # Stability
//!
//! Alpha: names and formats change without a migration path until 1.0.
#![forbid(unsafe_code)]

pub mod bootstrap;
pub mod engine;
mod error;
mod events;
pub mod network;
pub mod poll;
pub mod sampler;
pub mod snowball;
pub mod snowman;
#[cfg(feature = "simulation")]
pub mod testing;
pub mod validators;
mod vocabulary;

pub use error::Error;
pub use vocabulary::{Bag, HashKey, Height, Id, NodeId, ParseError, Timestamp};
