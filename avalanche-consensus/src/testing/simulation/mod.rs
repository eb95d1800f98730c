//! A network in one process that runs the real engine, every fault from one seed.
//!
//! Each node is an [`Engine`](crate::engine::Engine) with a toy VM; time is virtual and stands in
//! one queue with everything that will happen. A [`Scenario`] is data: network, parameters, and a
//! [`FaultPlan`] of what goes wrong and when. It fixes a run to the last bit, on every machine, and
//! [`Report::event_hash`] shows it.
//!
//! ```text
//!   Scenario --> Simulation:  queue of events, by virtual time
//!                    |   pop: message arrives, tick, VM answers, somebody builds, fault
//!                    v
//!        node: handle(now, input) --> outputs --> network (delay, loss, walls) --> queue
//!                    |                   +------> toy VM: answer at once, or later
//!                    v
//!        invariants after every event  --> Verdict: Pass, NoProgress, Diverged
//! ```
//!
//! # Contract
//!
//! [`Verdict::Diverged`] names the first invariant that broke, be it a fork or anything else; they
//! are [`Invariant`], asked after every event. [`Verdict::NoProgress`] is a run in which some
//! honest node has not accepted every height some time after the last fault is over. Named
//! scenarios stay within what consensus can bear, but for `stalled` and `weak`, which show that the
//! verdicts can be bad.
//!
//! # Limits
//!
//! At most [`NODES_MAX`] nodes. Memory is linear in blocks and in messages on their way; a run ends
//! after [`Scenario::events_max`] events.

mod adversary;
mod block;
mod event_hash;
mod fault_plan;
mod injection;
mod invariants;
mod network;
mod node;
mod queue;
mod random;
mod scenario;
#[expect(clippy::module_inception, reason = "the event loop is what the folder is named after")]
mod simulation;
mod status;
mod summary;
#[cfg(test)]
mod tests;
mod verdict;
mod vm;
mod world;

pub use adversary::Behaviour;
pub use block::BlockRef;
pub use fault_plan::{Fault, FaultKind, FaultPlan, Lie, PlannedFault};
pub use invariants::Invariant;
pub use network::{Latency, NetworkCounts};
pub use random::Random;
pub use scenario::{NODES_MAX, Named, Proposals, Scenario};
pub use simulation::Simulation;
pub use status::NodeStatus;
pub use summary::{Report, Summary};
pub use verdict::{Verdict, Violation};
pub use world::Counts;
