//! AvalancheGo's peer protocol: identity, framing, TLS, handshake, requests, throttling and gossip.

mod close_reason;
pub mod identity;
pub mod peers;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
pub mod wire;

pub use close_reason::CloseReason;
