//! The network of a running node: its tasks, and what a chain uses of it.
//!
//! ```text
//!            acceptor ---- Opened ----+
//!                                     v
//!  listener ---------> TLS        +--------+   Dial, Serve, Send, Connected, Ended
//!                                 | driver |----------------------------------------+
//!  Network::connect, ban, .. ---> | owns   |                                        |
//!                                 | Control|<--- Received (ping, handshake, ..) --+ |
//!                                 +--------+                                      | v
//!                                                                          +------------+
//!  Network::send ---> queue of the peer (lanes) -----------------------------> connection |
//!  Inbox::recv   <--- lanes of the chain <------- throttles <-----------------|  (a task) |
//!                                                                          +------------+
//! ```
//!
//! - The driver is the only one that changes [`Control`](crate::control::Control), which is pure.
//! - Each connection has one task with a reading and a writing loop. Messages of chains do not pass
//!   the driver: they go from the connection into the [`Inbox`] of their chain.
//! - [`Network::send`] never waits. A queue that is full drops the message and says so.
//!
//! # Bounds
//!
//! [`Limits`] has all of them.

mod acceptor;
mod config;
mod connection;
mod driver;
mod error;
mod events;
mod handle;
mod inbound;
mod inbox;
mod incoming;
mod io;
mod link;
mod parts;
mod requester;
mod shared;
mod stats;
mod ticket;
mod waiting;
mod watch;

pub use config::{ConfigError, Limits, NetworkConfig};
pub use error::Error;
pub use events::NetworkEvent;
pub use handle::{Network, Sent};
pub use inbox::{Delivery, Inbox, InboxConfig, InboxStats};
pub use requester::RequestFailed;
pub use stats::{NetworkStats, Traffic};
