//! How much of this node one peer can use: bytes, messages, connections and processor time.
//!
//! Every part is accounting without a clock, and says what to do as data. A peer over a limit is
//! delayed: its connection is not read until there is room. It is never disconnected for it. What
//! is sent to a peer and does not fit is dropped.
//!
//! ```text
//!   frame length read --> MessageThrottle    1,024 messages in processing
//!   (in this order)   --> BandwidthThrottle  512 KiB/s, 2 MiB at once
//!                     --> CpuThrottle        share of the processor by stake
//!                     --> ByteThrottle       6 MiB for all, 32 MiB by stake
//!                     --> body is read, decoded, delivered; then both are released
//!
//!   frame to send     --> OutboundBudget     32 MiB for all, 32 MiB by stake; or dropped
//!   connection        --> ConnectionThrottle 256/s, one in 10 s from an address
//! ```
//!
//! AvalancheGo: `network/throttling`, `snow/networking/tracker`.

mod bandwidth;
mod bucket;
mod budget;
mod bytes;
mod connections;
mod cpu;
mod messages;
mod pools;
mod stake;

pub use bandwidth::{BandwidthConfig, BandwidthThrottle};
pub use bucket::TokenBucket;
pub use budget::OutboundBudget;
pub use bytes::{Acquired, ByteThrottle, Ticket};
pub use connections::{ConnectionConfig, ConnectionThrottle, Upgrade};
pub use cpu::{CpuConfig, CpuThrottle};
pub use messages::MessageThrottle;
pub use pools::PoolConfig;
pub use stake::Stake;
