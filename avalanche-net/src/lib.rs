//! AvalancheGo's peer protocol: identity, framing, TLS, handshake, requests, throttling and gossip.

mod close_reason;
pub mod peers;
pub mod wire;

pub use close_reason::CloseReason;
