//! AvalancheGo's peer protocol: identity, framing, TLS, handshake, requests, throttling and gossip.

mod close_reason;
pub mod queue;
pub mod throttle;
pub mod wire;

pub use close_reason::CloseReason;
