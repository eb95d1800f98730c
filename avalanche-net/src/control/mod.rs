//! Who is connected: one pure state machine over all connections.
//!
//! [`Control`] is told what happened, and says what to do: whom to dial, which connections to take
//! and to end, what to answer to handshakes, pings and peer lists. It does not read, write, wait or
//! look at a clock; [`network`](crate::network) does.
//!
//! ```text
//!            +--------------------------------------------------+
//!  Event --> | Control                                          | --> Output
//!  Moment    |   Peer, for each connection: handshake and pings |
//!            |   IpTracker: who is wanted, and where            |
//!            |   Dialer: when to dial                           |
//!            |   Admissions, Scores, Bans: whom to keep         |
//!            +--------------------------------------------------+
//! ```
//!
//! Messages of chains never come here.

mod config;
#[expect(clippy::module_inception, reason = "the type that the module is about")]
mod control;
mod event;
mod lists;
mod peer;
#[cfg(test)]
mod tests;
mod uptime;

pub use config::ControlConfig;
pub use control::Control;
pub use event::{ConnectionId, Direction, Event, Moment, Output, PeerValidator};
