//! What those test with who build on this crate (feature `testing`).
//!
//! - [`suite`]: the promises of [`Transport`](crate::transport::Transport), asked of any of them.
//! - [`Simulated`]: a network in memory with delay, bandwidth, losses and partitions, in simulated
//!   time and from one seed.

//mod simulated;
mod suite;

//pub use self::simulated::{Link, Simulated, SimulatedTransport};
pub use self::suite::{Fixture, Node, Report, Violation, check, suite};
