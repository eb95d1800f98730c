//! The engine: one node's part in deciding a chain, as a machine without I/O.
//!
//! Consensus alone finalises nothing: somebody has to ask, answer, fetch, verify, build and catch
//! up. That is AvalancheGo's `snow/engine/snowman`, tied there to goroutines, a lock and sockets.
//! Here it is a value. Your program, the shell, tells it what happened and does what it says.
//!
//! ```text
//!                    peers                         clock
//!                      | messages                    | time
//!  +-------------------v-----------------------------v----------------------------------+
//!  |                               the shell: your program                              |
//!  |                                                                                    |
//!  |   handle(now, Input)            poll_output() -> Output            poll_timeout()  |
//!  |      |                                ^                                  ^         |
//!  +------|--------------------------------|----------------------------------|---------+
//!         v                                |                                  |
//!  +------------------------------------------------------------------------------------+
//!  | Engine   requests, deadlines, bench    phases: state sync -> bootstrap -> normal   |
//!  |          waiting blocks and votes      polls, consensus                            |
//!  +------------------------------------------------------------------------------------+
//!         ^                                |
//!         | Input::Answer                  | Output::Call       Output::Accept, Reject,
//!  +------|--------------------------------v----------+         SetPreference, Send
//!  |              the VM and the store                |
//!  +--------------------------------------------------+
//! ```
//!
//! # Contract
//!
//! The shell is one loop: drain [`Engine::poll_output`], then wait for an input, for the time of
//! [`Engine::poll_timeout`] (which is [`Input::Tick`]), or for the end.
//!
//! 1. **Outputs are carried out in order.** A block is accepted durably before anything that comes
//!    behind it is done. What cannot be carried out is [`Input::Failed`], and the chain stops.
//! 2. **Every [`Output::Call`] gets one [`Input::Answer`],** at once or later. While a call is open
//!    other inputs go on. Whatever waits for the answer is checked again then: the parent must be
//!    there still, and no block is issued twice. A shell that answers each call before its next
//!    input gets the order that AvalancheGo has under its lock.
//! 3. **Blocks are verified once, parents first.** After a verdict of valid exactly one of
//!    [`Output::Accept`] and [`Output::Reject`] follows. Heights are accepted one by one.
//! 4. **The shell parses,** so a message carries a [`ParsedBlock`]: name, parent, height, size, and
//!    a handle of your own that comes back with the outputs.
//! 5. **Time is an argument** and never decreases. So are validators, connections and the seed.
//!    Equal inputs give equal outputs, on every machine.
//! 6. **What a peer does wrong is an [`Output::Fault`],** never an error. [`Fatal`] stops this
//!    chain, and nothing but the shell or a defect causes it.
//!
//! A request is open until it is answered, fails ([`Input::RequestFailed`]) or its deadline passes;
//! the engine matches answers to requests itself, so the shell passes on whatever comes. A message
//! to itself never leaves it.
//!
//! There is no journal of votes. After a crash the node starts from its last accepted block; what
//! was processing, and the confidence in it, is lost and found again.
//!
//! ```
//! use avalanche_consensus::engine::{
//!     Answer, Call, Engine, EngineConfig, Input, Output, ParsedBlock, Setup, Tip, Verdict,
//! };
//! use avalanche_consensus::snowman::Block;
//! use avalanche_consensus::validators::{Validator, ValidatorSet};
//! use avalanche_consensus::{Height, Id, NodeId, Timestamp};
//!
//! // A network of one: this node asks only itself.
//! let own = NodeId::new([1; 20]);
//! let validators = ValidatorSet::try_from(vec![Validator { node_id: own, weight: 20 }])?;
//! let tip = Tip { id: Id::hash(b"genesis"), height: Height::GENESIS };
//! let setup = Setup { own, validators, tip, ..Setup::default() };
//! let mut engine = Engine::<&str>::new(EngineConfig::default(), setup, Timestamp::ZERO)?;
//!
//! let mut inputs = vec![Input::PendingTransactions];
//! let mut accepted = Vec::new();
//! while accepted.is_empty() {
//!     while let Some(output) = engine.poll_output() {
//!         let (call, answer) = match output {
//!             Output::Call { id, call: Call::EnterPhase(_) } => {
//!                 (id, Answer::LastAccepted { tip, options: None })
//!             }
//!             Output::Call { id, call: Call::BuildBlock } => {
//!                 let height = Height::new(1);
//!                 let block = Block { id: Id::hash(b"one"), parent: tip.id, height };
//!                 (id, Answer::Block(Some(ParsedBlock { block, bytes: 3, handle: "one" })))
//!             }
//!             Output::Call { id, call: Call::Verify(_) } => (id, Answer::Verdict(Verdict::Valid)),
//!             Output::Accept(block) => {
//!                 accepted.push(block.handle);
//!                 continue;
//!             }
//!             _ => continue,
//!         };
//!         inputs.push(Input::Answer { call, answer });
//!     }
//!     engine.handle(Timestamp::ZERO, inputs.pop().unwrap_or(Input::Tick))?;
//! }
//! assert_eq!(accepted, ["one"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With threads and channels in a whole program: the example `snowman_chain`. With a network that
//! loses messages, and peers that lie: the simulation of the feature `testing`. To repeat a run of
//! a node elsewhere: `Recorder`, of the feature `recording`. When a block does not become final:
//! [`Engine::explain`].
//!
//! # Inside
//!
//! ```text
//!   block whose parent is missing, vote for a block that is missing
//!        |  schedule(job, what it waits for)
//!        v
//!   Scheduler <--- fulfill(id): the block was issued
//!        |    <--- abandon(id): it never will be
//!        v next_ready()
//!   the engine runs the job; a block that fails verification goes to
//!        |
//!        +--> AncestorTree       which block with a verdict is it above? its votes count there
//!        +--> UnverifiedCache    the block itself, least recently used out first
//! ```
//!
//! These parts stand alone too, for engines of your own.
//!
//! The rules are those of AvalancheGo: `snow/engine/snowman`, its `job`, `ancestor`, `bootstrap`,
//! `syncer` and `getter`, and around it `snow/networking/sender`, `router` and `timeout`.
//!
//! # Limits
//!
//! Everything that an engine holds is bounded by [`Limits`], with what happens at each bound. The
//! parts alone:
//!
//! | What | At most | Beyond it |
//! |---|---|---|
//! | jobs, what they wait for, and calls not yet worked off | [`Scheduler::ITEMS_MAX`] = 1,048,576 together | [`Error::SchedulerFull`](crate::Error::SchedulerFull) |
//! | blocks with a parent in an [`AncestorTree`] | [`AncestorTree::BLOCKS_MAX`] = 65,536 | [`Error::AncestorsFull`](crate::Error::AncestorsFull) |
//! | weight of an [`UnverifiedCache`] | [`UnverifiedCache::BUDGET_BYTES`] = 64 MiB | the least recently used blocks leave |
//!
//! Each bound can be set.

mod ancestor_tree;
mod beacons;
mod block;
mod bootstrapper;
mod config;
mod context;
mod dispatch;
#[expect(clippy::module_inception, reason = "the engine is what the folder is named after")]
mod engine;
mod explain;
mod fatal;
mod fault;
mod getter;
mod input;
mod inspect;
mod message;
mod normal;
mod output;
#[cfg(feature = "recording")]
mod recording;
mod requests;
mod scheduler;
mod stats;
mod syncer;
mod unverified_cache;

pub use ancestor_tree::AncestorTree;
pub use block::{ParsedBlock, Summary, Tip};
pub use config::{EngineConfig, Limits, Setup, StoredRun};
pub use engine::Engine;
use engine::Purpose;
pub use explain::{Cause, Explanation};
pub use fatal::Fatal;
pub use fault::Fault;
pub use input::{Answer, Input, SyncMode, Verdict};
pub use inspect::Holdings;
pub use message::{Message, MessageKind};
pub use normal::PollRecord;
pub use output::{Call, CallId, Output, Phase};
#[cfg(feature = "recording")]
pub use recording::{Hashes, Recorder, RecordingError, Replay, replay};
pub use scheduler::{Ready, Scheduler, Stack};
pub use stats::{Health, Stats};
pub use unverified_cache::UnverifiedCache;

#[cfg(test)]
mod tests;
